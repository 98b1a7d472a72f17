//! A program of our own, `SQLite` under a set of queries, compiled for foreign CPUs: what it prints and the
//! file that it writes are those of the same program on this CPU.

use std::fs;
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{Sandbox, cargo, compile_unoptimised, pack};

/// The directory of `SQLite`'s source, in the crate that carries it: never built, only read.
fn sqlite() -> PathBuf {
    let told = cargo()
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .expect("cargo starts");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let packages = told["packages"].as_array().expect("packages");
    let package =
        packages.iter().find(|package| package["name"] == "libsqlite3-sys").expect("libsqlite3-sys");
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    manifest.with_file_name("sqlite3")
}

/// The program for `target`; `None`, loudly, where there is no compiler.
fn query(target: Arch) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs/query.c");
    compile_unoptimised("query", &[own, sqlite().join("sqlite3.c")], target)
}

/// Runs the bundle of `query` for `target` and gives what it printed and the database that it wrote.
fn answers(target: Arch) -> Option<(String, Vec<u8>)> {
    let program = query(target)?;
    let sandbox = Sandbox::new();
    let packed = pack(&[program.to_str().expect("text"), "--hosts", "x86_64"]);
    let bundle = sandbox.copy(&packed, "query");
    let database = sandbox.at("database");
    let ran = sandbox.run(&bundle, &[&database]);
    let printed = ran.must_succeed();
    Some((printed, fs::read(database).expect("database")))
}

fn same_as_here(target: Arch) {
    let (Some(here), Some(there)) = (answers(Arch::X86_64), answers(target)) else { return };
    assert!(here.0.contains("integrity_check=ok"), "{}", here.0);
    assert!(here.0.lines().count() > 30, "{}", here.0);
    assert_eq!(there.0, here.0, "{target}");
    // SQLite's file format is big-endian on every CPU.
    assert!(there.1 == here.1, "{target}: the database differs");
}

#[test]
fn a_wrong_use_ends_with_the_programs_own_code_and_message() {
    let Some(program) = query(Arch::Aarch64) else { return };
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&pack(&[program.to_str().expect("text"), "--hosts", "x86_64"]), "query");
    let wrong = sandbox.run(&bundle, &[] as &[&str]);
    assert_eq!((wrong.code(), wrong.errors().as_str()), (Some(2), "usage: query FILE\n"));
    let impossible = sandbox.run(&bundle, &["/nonexistent/directory/database"]);
    assert_eq!(impossible.code(), Some(2), "{impossible}");
}

#[test]
fn sqlite_on_aarch64_answers_as_here() {
    same_as_here(Arch::Aarch64);
}

#[test]
fn sqlite_on_big_endian_s390x_answers_as_here() {
    same_as_here(Arch::S390x);
}

#[test]
fn sqlite_on_32_bit_armv7_answers_as_here() {
    same_as_here(Arch::Armv7);
}
