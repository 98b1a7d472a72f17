//! The program under test: built once per test process by the cargo that runs the tests, or named by
//! `UNIBIN`.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use sha2::{Digest as _, Sha256};

/// The directory for everything that outlives a test: `<target>/tmp` of cargo.
pub(crate) fn kept() -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join("target").join("end-to-end");
    // Cargo tells the target directory to integration tests only, but they all lie in
    // `<target>/<profile>/deps`.
    let found = profile_directory().and_then(|profile| Some(profile.parent()?.join("end-to-end")));
    let directory = found.unwrap_or(directory);
    fs::create_dir_all(&directory).expect("a directory in the target directory");
    directory
}

/// The directory in which `cargo xtask tools` installs.
pub(crate) fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools")
}

/// `<target>/<profile>`, from where this test lies.
fn profile_directory() -> Option<PathBuf> {
    let test = env::current_exe().ok()?;
    let deps = test.parent()?;
    (deps.file_name()? == "deps").then(|| deps.parent().map(Path::to_path_buf))?
}

/// The path of the built program.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match env::var_os("UNIBIN") {
        Some(path) => path.into(),
        None => build(),
    })
}

/// The digest of its bytes. Each test may be a process of its own and the program has a hundred megabytes, so
/// it is kept with what tells that the file is the same one.
pub(crate) fn program_digest() -> String {
    let file = fs::metadata(program()).expect("unibin");
    let now = format!(
        "{} {} {} {}.{}",
        program().display(),
        file.len(),
        file.ino(),
        file.ctime(),
        file.ctime_nsec()
    );
    let memo = kept().join("program-digest");
    let kept_text = fs::read_to_string(&memo).unwrap_or_default();
    if let Some((digest, of)) = kept_text.split_once(' ')
        && of == now
    {
        return digest.to_owned();
    }
    let digest = Sha256::digest(fs::read(program()).expect("unibin"));
    let digest = bundle::Digest(digest.into()).to_string();
    let new = tempfile::NamedTempFile::new_in(kept()).expect("a file");
    fs::write(&new, format!("{digest} {now}")).expect("written");
    new.persist(memo).expect("renamed");
    digest
}

fn build() -> PathBuf {
    let profile = profile_directory().expect("the test lies in the target directory");
    let name = profile.file_name().and_then(|name| name.to_str()).expect("a profile's name").to_owned();
    let built = crate::cargo()
        .args(["build", "--quiet", "--package", "unibin", "--profile"])
        .arg(if name == "debug" { "dev" } else { &name })
        .arg("--target-dir")
        .arg(profile.parent().expect("a profile's directory lies in the target directory"))
        .status()
        .expect("cargo starts");
    assert!(built.success(), "`unibin` does not build");
    profile.join("unibin")
}

/// The store of emulators that all tests share, so that each is fetched once.
pub fn store() -> PathBuf {
    kept().join("store")
}

/// `unibin` with the tests' own store. The rest of the environment is the tester's: his mirror, his proxy.
pub fn unibin() -> Command {
    let mut command = Command::new(program());
    command.env("UNIBIN_STORE", store());
    command
}
