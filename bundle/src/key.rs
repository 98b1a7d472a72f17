//! Which emulator: the pair of the CPU it runs on and the CPU it runs programs of.

use crate::Arch;
use core::fmt;

/// One cell of the (host, target) matrix. Printed as `riscv64-on-x86_64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmulatorKey {
    /// The CPU of the machine where the emulator runs.
    pub host: Arch,
    /// The CPU whose programs it runs.
    pub target: Arch,
}

impl fmt::Display for EmulatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-on-{}", self.target.name(), self.host.name())
    }
}
