//! One file, several builds: each CPU runs its own, natively, on the loader and the libraries that were
//! packed with it and on nothing of the host's; levels of a CPU; and libraries that the user puts before the
//! packed ones.

use std::fs;
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{Outcome, Sandbox, compile_dynamic, needs, own, pack_if_there};

/// `place.c` and its library, in a directory of their own, for one CPU and level. `None`, loudly, without a
/// compiler.
fn built(directory: &Path, target: Arch, level: u16) -> Option<PathBuf> {
    let library = library(directory, target, "packed")?;
    let flag = format!("-DLEVEL=\"{level}\"");
    let name = format!("place-{target}-{level}");
    let flags = [flag.as_str(), "-Wl,-rpath,$ORIGIN"];
    let program = compile_dynamic(&name, &[own("place.c"), library], target, &flags)?;
    let place = directory.join("place");
    fs::copy(program, &place).expect("copied");
    Some(place)
}

/// `libanswer.so` in `directory`.
fn library(directory: &Path, target: Arch, answer: &str) -> Option<PathBuf> {
    let flag = format!("-DANSWER=\"{answer}\"");
    let flags = ["-shared", "-fPIC", "-Wl,-soname,libanswer.so", flag.as_str()];
    let library = compile_dynamic(&format!("answer-{target}-{answer}"), &[own("answer.c")], target, &flags)?;
    fs::create_dir_all(directory).expect("directory");
    let place = directory.join("libanswer.so");
    fs::copy(library, &place).expect("copied");
    Some(place)
}

fn values(outcome: &Outcome, key: &str) -> Vec<String> {
    let text = outcome.must_succeed();
    text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned)).collect()
}

fn value(outcome: &Outcome, key: &str) -> String {
    values(outcome, key).pop().unwrap_or_default()
}

fn text(path: &Path) -> String {
    path.to_str().expect("text").to_owned()
}

/// riscv64 first, `x86_64` besides: what this machine runs natively.
fn two_variants(sandbox: &Sandbox) -> Option<PathBuf> {
    let foreign = built(&sandbox.at("riscv64"), Arch::Riscv64, 0)?;
    let own = built(&sandbox.at("x86_64"), Arch::X86_64, 0)?;
    let native = format!("x86_64={}", text(&own));
    let packed =
        pack_if_there(&[&text(&foreign), "--native", &native, "--libs", "debian", "--hosts", "x86_64"])?;
    Some(sandbox.copy(&packed, "place"))
}

#[test]
fn a_variant_of_this_cpu_runs_natively_and_maps_nothing_of_the_host() {
    needs!("network");
    let sandbox = Sandbox::new();
    let Some(bundle) = two_variants(&sandbox) else { return };
    let ran = sandbox.run(&bundle, &[] as &[&str]);
    assert_eq!(value(&ran, "answer"), "packed");
    assert_eq!(value(&ran, "argv0"), text(&bundle));
    assert_eq!(values(&ran, "env"), [""; 0], "nothing is left for children");
    let cache = text(&sandbox.cache());
    let exe = value(&ran, "exe");
    assert!(exe.starts_with(&cache) && exe.ends_with("/place"), "{exe}");
    let maps = values(&ran, "map");
    for part in ["/ld-linux-x86-64.so.2", "/libc.so.6", "/libanswer.so", "/place"] {
        assert!(maps.iter().any(|map| map.ends_with(part)), "{part} is not mapped: {maps:#?}");
    }
    let strangers: Vec<_> = maps.iter().filter(|map| !map.starts_with(&cache)).collect();
    assert!(strangers.is_empty(), "{strangers:#?}");

    let emulated = sandbox.run_with(&[("UNIBIN_ROUTE", "emulated")], &bundle, &[] as &[&str]);
    assert_eq!(value(&emulated, "answer"), "packed");
    assert!(values(&emulated, "map").iter().any(|map| map.ends_with("/ld-linux-riscv64-lp64d.so.1")));
}

#[test]
fn a_cache_that_was_moved_is_unpacked_again_where_it_is_now() {
    needs!("network");
    let sandbox = Sandbox::new();
    let Some(bundle) = two_variants(&sandbox) else { return };
    let first = value(&sandbox.run(&bundle, &[] as &[&str]), "exe");
    // A home that another machine mounts elsewhere: programs in it name a loader that is not there.
    let moved = sandbox.make_directory("another place");
    fs::rename(sandbox.home().join(".cache"), moved.join(".cache")).expect("moved");
    assert!(!Path::new(&first).exists());
    let there = sandbox.run_with(&[("HOME", &text(&moved))], &bundle, &[] as &[&str]);
    let second = value(&there, "exe");
    assert!(second.starts_with(&text(&moved)), "{second}");
}

#[test]
fn what_is_extracted_runs_where_it_is() {
    needs!("network");
    let sandbox = Sandbox::new();
    let Some(bundle) = two_variants(&sandbox) else { return };
    let by_bundle = text(&sandbox.at("by-bundle"));
    sandbox
        .run_with(&[("UNIBIN_DO", "extract"), ("UNIBIN_TO", &by_bundle)], &bundle, &[] as &[&str])
        .must_succeed();
    let by_unibin = sandbox.at("by unibin");
    let done = end_to_end::unibin().args(["extract", "--all"]).arg(&bundle).arg(&by_unibin).output();
    Outcome::from(done.expect("unibin starts")).must_succeed();
    for directory in [PathBuf::from(by_bundle).join("x86_64"), by_unibin.join("app-x86_64")] {
        let mut found = Vec::new();
        find(&directory, "place", &mut found);
        let [program] = &found[..] else { panic!("{found:?}") };
        let ran = sandbox.run(program, &[] as &[&str]);
        assert_eq!(value(&ran, "answer"), "packed");
        let strangers: Vec<_> =
            values(&ran, "map").into_iter().filter(|map| !map.starts_with(&text(&directory))).collect();
        assert!(strangers.is_empty(), "{strangers:#?}");
    }
}

fn find(directory: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("directory").map(|entry| entry.expect("entry")) {
        match entry.file_type().expect("type") {
            kind if kind.is_dir() => find(&entry.path(), name, found),
            kind if kind.is_file() && entry.file_name() == name => found.push(entry.path()),
            _ => {}
        }
    }
}

/// The highest level that this machine has, by the names that its kernel has for what it found.
fn level_of_this_machine() -> u16 {
    let told = fs::read_to_string("/proc/cpuinfo").expect("cpuinfo");
    let flags = told.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let has = |names: &str| names.split(' ').all(|name| flags.split_whitespace().any(|flag| flag == name));
    if !has("cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3") {
        return 0;
    }
    if !has("avx avx2 bmi1 bmi2 f16c fma abm movbe xsave") {
        return 2;
    }
    if has("avx512f avx512bw avx512cd avx512dq avx512vl") { 4 } else { 3 }
}

#[test]
fn of_several_levels_the_highest_that_the_cpu_has_runs() {
    needs!("network");
    let sandbox = Sandbox::new();
    let mut programs = Vec::new();
    for level in [0, 2, 3, 4] {
        let Some(program) = built(&sandbox.at(level.to_string()), Arch::X86_64, level) else { return };
        programs.push(text(&program));
    }
    let natives: Vec<String> =
        (2..=4).zip(&programs[1..]).map(|(level, program)| format!("x86_64-v{level}={program}")).collect();
    let mut arguments = vec![programs[0].as_str(), "--libs", "debian", "--hosts", "x86_64"];
    // In no order.
    for number in [1, 2, 0] {
        arguments.extend(["--native", &natives[number]]);
    }
    let Some(packed) = pack_if_there(&arguments) else { return };
    let bundle = sandbox.copy(&packed, "place");
    let here = level_of_this_machine();
    assert_eq!(value(&sandbox.run(&bundle, &[] as &[&str]), "level"), here.to_string());

    // Without that one, the next.
    arguments.truncate(5);
    let lower: Vec<_> = (2..here).collect();
    for level in &lower {
        arguments.extend(["--native", &natives[usize::from(*level) - 2]]);
    }
    let Some(packed) = pack_if_there(&arguments) else { return };
    let bundle = sandbox.copy(&packed, "lower");
    let next = lower.last().copied().unwrap_or(0);
    assert_eq!(value(&sandbox.run(&bundle, &[] as &[&str]), "level"), next.to_string());
}

#[test]
fn a_library_of_the_users_comes_before_the_packed_one_when_it_is_asked_for() {
    needs!("network");
    let sandbox = Sandbox::new();
    let Some(bundle) = two_variants(&sandbox) else { return };
    let newer = sandbox.at("newer");
    let Some(library) = library(&newer, Arch::Riscv64, "newer") else { return };
    let newer = text(&newer);
    let emulated = |more: &[(&str, &str)]| {
        sandbox.run_with(&[&[("UNIBIN_ROUTE", "emulated")], more].concat(), &bundle, &[] as &[&str])
    };
    // The host's variable is for the host's programs.
    assert_eq!(value(&emulated(&[("LD_LIBRARY_PATH", &newer)]), "answer"), "packed");
    // `$ORIGIN` of a RUNPATH comes after it (ld.so(8)).
    assert_eq!(value(&emulated(&[("UNIBIN_LIBRARY_PATH", &newer)]), "answer"), "newer");
    assert_eq!(value(&emulated(&[("UNIBIN_PRELOAD", &text(&library))]), "answer"), "newer");
}

#[test]
fn the_same_cpu_and_level_twice_is_refused() {
    needs!("network");
    let sandbox = Sandbox::new();
    let Some(program) = built(&sandbox.at("x86_64"), Arch::X86_64, 0) else { return };
    let output = sandbox.at("bundle");
    let native = format!("x86_64={}", text(&program));
    let refused = |arguments: &[&str]| {
        let outcome = end_to_end::pack_by_hand(arguments, &output);
        assert!(!output.exists());
        (outcome.code(), outcome.errors())
    };
    let own = text(&program);
    let (code, errors) = refused(&[&own, "--native", &native, "--libs", "debian", "--hosts", "x86_64"]);
    assert!(code == Some(3) && errors.contains("two programs for x86_64"), "{code:?} {errors}");
    let (code, errors) = refused(&[&own, "--native", &native, "--libs", "debian", "--hosts", "aarch64"]);
    assert!(code == Some(3) && errors.contains("not among the hosts"), "{code:?} {errors}");
}
