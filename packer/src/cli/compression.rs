//! How hard `pack` compresses.

use crate::cli::groups::FORMAT;
use crate::cli::parser::{Args, value_parser};
use crate::cli::values::Level;

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = FORMAT)]
pub(crate) struct CompressionArgs {
    /// Zstandard compression level, from 1 (fastest) to 22 (smallest) [default: 9, of emulators 19]
    ///
    /// Emulators are compressed once and then taken from the store. For a release, 19 is worth its time:
    /// `unibin init` writes it into the project's file.
    #[arg(long, value_name = "N", overrides_with_all = ["fast", "ultra"])]
    #[arg(value_parser = value_parser!(i32).range(1..=22))]
    level: Option<i32>,
    /// Compress as fast as possible, as `--level 1`: for trying out
    #[arg(long, overrides_with_all = ["level", "ultra"])]
    fast: bool,
    /// Compress as well as possible, as `--level 22`: slow, and with up to 1 GiB of memory for each CPU
    #[arg(long, overrides_with_all = ["level", "fast"], hide_short_help = true)]
    ultra: bool,
}

impl CompressionArgs {
    /// What was asked for; of several options the last.
    pub(crate) fn level(&self) -> Level {
        match self.level {
            Some(level) => Level::same(level),
            None if self.fast => Level::FAST,
            None if self.ultra => Level::ULTRA,
            None => Level::DEFAULT,
        }
    }
}
