//! Archives that take much: memory, space and time have bounds wherever an archive comes from outside, what
//! is refused is named, and nothing is left behind.

use std::fs;
use std::io::Write;
use std::path::Path;

use bundle::Arch;
use end_to_end::{
    Header, Sandbox, file, header, needs, pack_by_hand, raw_deb, raw_tar, refused, smallest, unibin,
};

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn app() -> Vec<u8> {
    file("app", 0o755, &smallest(Arch::Riscv64).elf())
}

/// A file so many directories deep, with the long name that GNU tar stores before it.
fn deep(levels: usize) -> Vec<u8> {
    let mut name = vec!["d"; levels].join("/").into_bytes();
    name.push(0);
    let long = Header { name: b"././@LongLink", kind: b'L', mode: 0, size: name.len() as u64, target: b"" };
    let mut stored = [header(&long), name].concat();
    stored.resize(stored.len().next_multiple_of(512), 0);
    stored.extend(file("short", 0o644, b""));
    stored
}

/// A tar archive whose only entry has headers of kind `kind` and `mebibytes`, compressed to almost nothing.
fn long_headers(kind: u8, mebibytes: u64) -> Vec<u8> {
    let name = Header { name: b"headers", kind, mode: 0o644, size: mebibytes << 20, target: b"" };
    // As with its own default, so that every reader takes it.
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("zstd");
    encoder.write_all(&header(&name)).expect("encoded");
    let letters = vec![b'a'; 1 << 20];
    for _ in 0..mebibytes {
        encoder.write_all(&letters).expect("encoded");
    }
    encoder.write_all(&file("app", 0o755, b"x")).expect("encoded");
    encoder.finish().expect("encoded")
}

#[test]
fn headers_that_take_much_memory_are_refused_wherever_an_archive_is_read() {
    let sandbox = Sandbox::new();
    // GNU's long names and long links, and the extended headers of POSIX.
    for kind in *b"LKx" {
        let archive = sandbox.write("long.tar.zst", &long_headers(kind, 100));
        let words = ["long.tar.zst", "headers of an entry take more than 32 MiB"];
        refused(&[text(&archive), "--entry", "app"], &words);
        refused(&["--system", text(&archive)], &words);
        let store = tempfile::tempdir().expect("a directory");
        let mut import = unibin();
        import.env("UNIBIN_STORE", store.path()).args(["emulator", "import"]).arg(&archive);
        let ended = Sandbox::finish(&mut import);
        assert_eq!(ended.code(), Some(5), "{ended}");
        let errors = ended.errors();
        assert!(errors.contains("long.tar.zst") && errors.contains("headers of an entry take"), "{errors}");
    }
    let archive = sandbox.write("deep.tar", &raw_tar(&[app(), deep(300)]));
    refused(&[text(&archive), "--entry", "app"], &["deep.tar", "too many directories"]);
    // Names that are merely long are read.
    let kept = raw_tar(&[app(), deep(200)]);
    let archive = sandbox.write("honest.tar", &kept);
    let arguments = [text(&archive), "--entry", "app", "--hosts", "x86_64"];
    pack_by_hand(&arguments, &sandbox.at("honest")).must_succeed();
}

#[test]
fn an_archive_of_emulators_with_too_many_files_or_too_deep_ones_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    let temporary = sandbox.at("temporary");
    fs::create_dir(&temporary).expect("made");
    let many: Vec<Vec<u8>> = (0..10_001).map(|number| file(&format!("f{number}"), 0o644, b"")).collect();
    for members in [many, vec![deep(40)]] {
        let archive =
            sandbox.write("emulators.tar.zst", &zstd::encode_all(&raw_tar(&members)[..], 3).expect("zstd"));
        let store = tempfile::tempdir().expect("a directory");
        let mut import = unibin();
        import.env("UNIBIN_STORE", store.path()).env("TMPDIR", &temporary);
        let ended = Sandbox::finish(import.args(["emulator", "import"]).arg(&archive));
        assert_eq!(ended.code(), Some(3), "{ended}");
        assert!(ended.errors().contains("no archive of emulators has"), "{ended}");
        assert!(Sandbox::tree(&temporary).is_empty(), "{ended}");
        assert!(!Sandbox::tree(store.path()).iter().any(|path| path.ends_with("f1")), "{ended}");
    }
}

#[test]
fn a_debian_package_that_unpacks_to_too_much_is_refused() {
    needs!("network");
    let sandbox = Sandbox::new();
    let control = "Package: bomb\nVersion: 1\nArchitecture: riscv64\nMaintainer: x\nDescription: x\n";
    let control = raw_tar(&[file("control", 0o644, control.as_bytes())]);
    // 2 GiB of zeros in some 70 KiB, and a name of 100 MiB.
    let name = Header { name: b"zeros", kind: b'0', mode: 0o644, size: 2 << 30, target: b"" };
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("zstd");
    encoder.write_all(&header(&name)).expect("encoded");
    let zeros = vec![0; 1 << 20];
    for _ in 0..2048 {
        encoder.write_all(&zeros).expect("encoded");
    }
    let zeros = encoder.finish().expect("encoded");
    for (data, word) in
        [(zeros, "more than 200 times"), (long_headers(b'L', 100), "headers of an entry take more")]
    {
        let deb = sandbox.write("bomb.deb", &raw_deb(&control, "data.tar.zst", &data));
        let output = sandbox.at("bomb");
        let outcome = pack_by_hand(&[text(&deb), "--entry", "zeros", "--hosts", "x86_64"], &output);
        assert!(!outcome.status.success() && !output.exists(), "{outcome}");
        let errors = outcome.errors();
        assert!(errors.contains("bomb.deb") && errors.contains(word), "{errors}");
    }
}
