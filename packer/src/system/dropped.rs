//! What a source has and a system's tree cannot have. It is counted and said, never left out silently.

use std::fmt::{self, Display};

use serde::Serialize;

/// Counts of what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Dropped {
    /// Device nodes: a system has the host's `/dev`.
    pub(crate) devices: u64,
    /// FIFOs.
    pub(crate) fifos: u64,
    /// Sockets.
    pub(crate) sockets: u64,
    /// Files with capabilities: an ordinary user's file cannot have them.
    pub(crate) capabilities: u64,
    /// Names below directories that are the host's, or empty at a start: `/proc`, `/tmp` and the like.
    pub(crate) passing: u64,
}

/// One line, empty if nothing was left out.
impl Display for Dropped {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.devices, "device", "devices"),
            (self.fifos, "FIFO", "FIFOs"),
            (self.sockets, "socket", "sockets"),
            (self.capabilities, "file's capabilities", "files' capabilities"),
            (
                self.passing,
                "name in /proc, /sys, /dev, /run or /tmp",
                "names in /proc, /sys, /dev, /run and /tmp",
            ),
        ];
        let some = counts.into_iter().filter(|(count, ..)| *count != 0);
        let texts: Vec<String> = some
            .map(|(count, one, more)| format!("{count} {}", if count == 1 { one } else { more }))
            .collect();
        to.write_str(&texts.join(", "))
    }
}
