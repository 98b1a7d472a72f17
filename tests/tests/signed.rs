//! A signed bundle starts as it did before, whoever signed it and how often; and a passphrase is asked for
//! where somebody can answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bundle::{Arch, Footer, Signatures};
use end_to_end::{CODE_OF_ENDING, SAYS, Sandbox, Terminal, needs, smallest_bundle, unibin};

/// A key of OpenSSH in the sandbox.
fn key(sandbox: &Sandbox, name: &str, phrase: &str) {
    let path = sandbox.at(name);
    // It wants a user who has a name.
    let mut command = Command::new("ssh-keygen");
    Sandbox::finish(command.args(["-q", "-t", "ed25519", "-N", phrase, "-f"]).arg(&path)).must_succeed();
    sandbox.give(path);
}

#[track_caller]
fn runs(sandbox: &Sandbox, bundle: &Path) {
    let ran = sandbox.run(bundle, &[] as &[&str]);
    assert_eq!((ran.code(), ran.text()), (Some(CODE_OF_ENDING), SAYS.to_owned()), "{ran}");
}

#[test]
fn a_signed_bundle_starts_and_tells_whose_signatures_it_has() {
    needs!("x86_64", "ssh-keygen");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&smallest_bundle(Arch::X86_64), "app");
    key(&sandbox, "ann", "");
    runs(&sandbox, &bundle);
    let info = || sandbox.run_with(&[("UNIBIN_DO", "info")], &bundle, &[] as &[&str]).must_succeed();
    assert!(
        info().contains("\nsignatures inside: 0 (`unibin verify` checks them)\nits packer"),
        "{}",
        info()
    );
    let before = fs::metadata(&bundle).expect("it is there");
    Sandbox::finish(unibin().arg("sign").arg(&bundle).arg("--key").arg(sandbox.at("ann"))).must_succeed();
    let after = fs::metadata(&bundle).expect("it is there");
    assert_eq!(after.len(), before.len() + Signatures::ROW as u64);
    assert_eq!(after.permissions().mode(), before.permissions().mode());
    // Warm and cold.
    runs(&sandbox, &bundle);
    fs::remove_dir_all(sandbox.cache()).expect("a cache");
    runs(&sandbox, &bundle);
    // As OpenSSH names the key: `256 SHA256:... ann (ED25519)`.
    let shown = Command::new("ssh-keygen").arg("-lf").arg(sandbox.at("ann.pub")).output().expect("it starts");
    let shown = String::from_utf8(shown.stdout).expect("text");
    let fingerprint = shown.split(' ').nth(1).expect("a fingerprint");
    let lines = format!(
        "\nsignatures inside: 1 (`unibin verify` checks them)\n  by the key {fingerprint}\nits packer"
    );
    assert!(info().contains(&lines), "{lines}: {}", info());
    sandbox.run_with(&[("UNIBIN_DO", "verify")], &bundle, &[] as &[&str]).must_succeed();

    // A manifest that is further from the end than a launcher's first read.
    let bytes = fs::read(&bundle).expect("a file");
    let footer = Footer::read(&bytes.as_slice()).expect("a footer");
    let rows = Footer::MAX_SIGNATURES;
    let many = Footer {
        file_length: footer.signatures_offset() + rows + Footer::LEN as u64,
        signatures_length: rows,
        ..footer
    };
    let start = usize::try_from(footer.signatures_offset()).expect("small");
    let rows = vec![7; usize::try_from(rows).expect("small")];
    sandbox.write("app", &[&bytes[..start], &rows, &many.encode()].concat());
    runs(&sandbox, &bundle);
}

#[test]
fn a_passphrase_is_asked_for_on_the_terminal_and_not_shown() {
    needs!("x86_64", "ssh-keygen", "tmux");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&smallest_bundle(Arch::X86_64), "app");
    key(&sandbox, "ann", "open sesame");
    let unibin = unibin();
    let sign = format!(
        "{} sign {} --key {}; echo code $?; stty -a; echo; cat",
        unibin.get_program().display(),
        bundle.display(),
        sandbox.at("ann").display()
    );
    for (keys, code) in [(["open sesame", "Enter"], 0), (["open barley", "Enter"], 3), (["open", "C-c"], 3)] {
        let terminal = Terminal::open(&sandbox, &sign);
        terminal.shows("the question", |screen| screen.contains("Passphrase of "));
        terminal.keys(&keys);
        let screen = terminal.shows("the end", |screen| screen.contains("echoctl"));
        assert!(screen.contains(&format!("code {code}")), "{screen}");
        assert!(!screen.contains("open "), "nothing that was typed: {screen}");
        assert!(screen.contains(" echo ") && screen.contains("isig "), "as it was before: {screen}");
        terminal.keys(&["C-d"]);
        terminal.ends();
    }
}
