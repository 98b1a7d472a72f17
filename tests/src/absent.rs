//! What this machine may lack. A test that needs it fails, unless the one who runs the tests has said
//! `UNIBIN_TEST_WITHOUT=thing,thing`; then the test says loudly that it did not run.

use std::env;
use std::io::{self, Write};

/// A line for whoever reads the tests' log, of tests that pass too: `eprintln!` would be kept back for those.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether to go on without `thing`. Panics when nobody has allowed that.
pub fn without(thing: &str, why: &str) -> bool {
    let allowed = env::var("UNIBIN_TEST_WITHOUT").unwrap_or_default();
    assert!(
        allowed.split(',').any(|name| name == thing),
        "this test needs {thing}: {why}; set UNIBIN_TEST_WITHOUT={thing} to go on without"
    );
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    say(&format!("NOT RUN: {test}: no {thing} here: {why}"));
    true
}
