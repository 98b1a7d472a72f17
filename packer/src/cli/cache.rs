//! The options of `unibin cache`. Help texts as in `cli.rs`.

use std::path::PathBuf;

use crate::cli::list::ListArgs;
use crate::cli::parser::{Args, Subcommand};

/// Which caches are meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct CacheDirectories {
    /// Cache directory (repeatable) [default: all that bundles use, but for those beside a bundle]
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Vec<PathBuf>,
    /// List or remove what `unibin pack` has compressed, not what bundles have unpacked
    ///
    /// It is kept in the store, so that packing the same again takes less time: for 30 days after its last
    /// use, and 2 GiB at most.
    #[arg(long, conflicts_with = "directory")]
    pub(crate) packed: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List entries with size, last use and current user
    List {
        #[command(flatten)]
        directories: CacheDirectories,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Remove entries that have not been used for some days
    ///
    /// Entries in use are kept. A bundle whose entries are gone unpacks them again at its next start.
    Gc {
        #[command(flatten)]
        directories: CacheDirectories,
        /// Keep entries used within the last N days
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u64,
    },
    /// Remove all entries that no running process uses
    Clear {
        #[command(flatten)]
        directories: CacheDirectories,
    },
}
