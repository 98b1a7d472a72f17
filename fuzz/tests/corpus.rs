//! Replays the inputs that libFuzzer found worth keeping, on any machine, and each of them truncated and with
//! some bytes changed.

use fuzz::{TARGETS, corpus};
use inputs::{Compression, Form};

#[test]
fn every_kept_input_ends_without_a_panic() {
    for target in TARGETS {
        let inputs = corpus::read(target.name).expect("the corpus");
        assert!(inputs.len() >= 5, "{}: only {} inputs are kept", target.name, inputs.len());
        for input in &inputs {
            (target.run)(input);
            for part in 1..4 {
                (target.run)(&input[..input.len() * part / 4]);
            }
        }
    }
}

#[test]
fn what_is_kept_reaches_behind_the_first_check() {
    // Some inputs must be accepted: otherwise the fuzzers would only test the first checks.
    let taken = |name: &str, is_taken: fn(&[u8]) -> bool| {
        let inputs = corpus::read(name).expect("the corpus");
        assert!(inputs.iter().any(|input| is_taken(input)), "{name}: no input is taken");
    };
    taken("footer", |input| {
        let Some((length, bytes)) = input.split_first_chunk() else { return false };
        let last = bytes.last_chunk();
        last.is_some_and(|last| bundle::Footer::decode(last, u64::from_le_bytes(*length)).is_ok())
    });
    taken("manifest", |input| {
        let Some((end, bytes)) = input.split_first_chunk() else { return false };
        bundle::Manifest::decode(bytes, u64::from_le_bytes(*end)).is_ok()
    });
    taken("elf", |input| closure::Object::read(&mut std::io::Cursor::new(input)).is_ok());
    for form in [Form::Zip, Form::AppImage, Form::Rpm, Form::Tar(Compression::Xz)] {
        let inputs = corpus::read("inputs").expect("the corpus");
        let is_it =
            |input: &Vec<u8>| Form::of(&mut std::io::Cursor::new(input)).is_ok_and(|of| of == Some(form));
        assert!(inputs.iter().any(is_it), "{form:?}");
    }
    taken("image", |input| {
        let path = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(path.path(), input).expect("written");
        let wanted: Vec<_> = oci::Platform::parse("linux/arm64").into_iter().collect();
        let options = oci::Options { offline: true, progress: &oci::Silent };
        oci::open(path.path().as_os_str(), &wanted, &options).is_ok_and(|images| images.len() == 1)
    });
    taken("packages", |input| {
        debian::PackageIndex::read(input, debian::digest::of(b"")).is_ok_and(|index| !index.is_empty())
    });
    taken("release", |input| {
        str::from_utf8(input).is_ok_and(|text| debian::release::Release::parse(text).is_ok())
    });
}
