//! The programs that fuzz.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use end_to_end::cargo;

use super::rustc;

/// Which crates are compiled with what guides libFuzzer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Guided {
    /// The workspace's, and those of others that read what a stranger wrote; everything is optimised. The
    /// first build takes minutes.
    Readers,
    /// The workspace's alone, which are optimised. All others are those of the tests.
    Ours,
}

/// The two programs: `fuzz`, which is guided, and `corpus`, which is an ordinary one.
pub(super) struct Programs {
    pub(super) fuzz: PathBuf,
    pub(super) corpus: PathBuf,
}

impl Programs {
    pub(super) fn build(guided: Guided) -> Result<Self> {
        let fuzz = fuzz(guided)?;
        // With the features that the crates have for the tests, so that nothing is built anew.
        let plain = cargo().args(["build", "--quiet", "--locked", "--workspace", "--bin=corpus"]).status();
        let plain = plain.context("cannot run cargo")?;
        ensure!(plain.success(), "`corpus` does not build");
        let corpus = crate::workspace::target_directory().join("debug/corpus");
        Ok(Self { fuzz, corpus })
    }
}

/// Builds the guided program. Gives its path.
fn fuzz(guided: Guided) -> Result<PathBuf> {
    let this = std::env::current_exe().context("where am I?")?;
    let mut command = cargo();
    command.args(["build", "--quiet", "--locked", "--bin=fuzz"]);
    let path = match guided {
        Guided::Readers => {
            // In a target directory of its own: cargo takes no note of what a wrapper does.
            let directory = crate::workspace().join("target/fuzz");
            let triple = crate::rust_src::compiler_triple()?;
            command.args(["--package=fuzz", "--features=libfuzzer", "--profile=fuzz", "--target", &triple]);
            command.arg("--target-dir").arg(&directory);
            command.env("RUSTC_WRAPPER", this).env(rustc::TRIPLE, &triple);
            directory.join(triple).join("fuzz/fuzz")
        }
        Guided::Ours => {
            // A wrapper for the workspace is part of what cargo tells builds apart by.
            command.args(["--workspace", "--features=fuzz/libfuzzer"]);
            command.env("RUSTC_WORKSPACE_WRAPPER", this).env(rustc::OURS, "1");
            crate::workspace::target_directory().join("debug/fuzz")
        }
    };
    let built = command.status().context("cannot run cargo")?;
    ensure!(
        built.success(),
        "the fuzzers do not build; libFuzzer wants a C++ compiler (`c++`, or name one in `CXX`)"
    );
    Ok(path)
}
