//! What came of rows, kept beside the bundles of one `unibin`, for `--resume`: a run of everything takes
//! long, and may be interrupted. A row that was changed since, or one that was NOT RUN, is run again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bundle::Arch;
use debian::digest;

use super::report::Row;
use super::rows::Program;

/// Where results are kept.
pub(crate) struct Results {
    directory: PathBuf,
}

impl Results {
    /// Those of one `unibin`.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let directory = directory.join("results");
        fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
        Ok(Self { directory })
    }

    /// Of the row as it is now.
    pub(crate) fn kept(&self, program: &Program, target: Arch) -> Option<Row> {
        let text = fs::read_to_string(self.path(program, target)).ok()?;
        crate::tables::read(&text).ok().filter(Row::ran)
    }

    pub(crate) fn keep(&self, program: &Program, target: Arch, row: &Row) -> Result<()> {
        let path = self.path(program, target);
        let new = path.with_extension("new");
        fs::write(&new, crate::tables::written(row)?)?;
        fs::rename(&new, &path).with_context(|| format!("cannot write `{}`", path.display()))
    }

    fn path(&self, program: &Program, target: Arch) -> PathBuf {
        let of = digest::of(format!("{program:?} {target}").as_bytes()).to_string();
        self.directory.join(&of[..16])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::compare::Verdict;
    use super::super::rows;
    use super::*;

    #[test]
    fn a_result_is_kept_for_the_row_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let results = Results::open(directory.path()).expect("results");
        let programs = rows::read(&crate::workspace().join(super::super::DIRECTORY)).expect("rows");
        let (one, other) = (&programs[0], &programs[1]);
        let mut row = Row::of(one, Arch::Riscv64);
        row.first = Some(Duration::from_millis(1234));
        for verdict in [Verdict::Passed, Verdict::Failed(vec!["a `b`\nc".into()]), Verdict::Known("w".into())]
        {
            row.verdict = verdict;
            results.keep(one, Arch::Riscv64, &row).expect("written");
            let kept = results.kept(one, Arch::Riscv64).expect("kept");
            assert_eq!((kept.first, &kept.verdict), (row.first, &row.verdict));
            assert_eq!(kept.line(), row.line());
        }
        assert!(results.kept(other, Arch::Riscv64).is_none() && results.kept(one, Arch::S390x).is_none());
        row.verdict = Verdict::NotRun("no package".into());
        results.keep(one, Arch::Riscv64, &row).expect("written");
        assert!(results.kept(one, Arch::Riscv64).is_none(), "what was not run is tried again");
    }
}
