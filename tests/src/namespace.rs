//! A machine of one's own: private mounts, and in it whatever file systems and foreign CPUs a test wants.

use std::ffi::OsStr;
use std::process::Command;

use crate::needs::has;
use crate::outcome::Outcome;
use crate::sandbox::Sandbox;

/// How a namespace is made with unshare(1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// With a user namespace: the tester is root in it and nowhere else. Since Linux 6.7 it can have a
    /// `binfmt_misc` of its own.
    OwnUsers,
    /// Private mounts only; root can still become other users.
    Mounts,
}

impl Namespace {
    /// The kind that this machine allows and this tester needs; `None`, loudly, where it is lacking.
    pub fn available(self) -> Option<Self> {
        // Only root can have private mounts and then be another user.
        let need = if self == Self::Mounts { "mounts" } else { "namespaces" };
        has(need).then_some(self)
    }

    fn command(self, script: &str) -> Command {
        let mut command = Command::new("unshare");
        if self == Self::OwnUsers {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"]);
        command
    }

    /// Runs `script` as the root of a new namespace, in the sandbox's directory, with `PATH` and `HOME` only.
    /// Its arguments are `$1`, `$2`, ...
    pub fn run<A: AsRef<OsStr>>(self, sandbox: &Sandbox, script: &str, arguments: &[A]) -> Outcome {
        let mut command = self.command(script);
        command.args(arguments).env_clear().env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", sandbox.home()).current_dir(sandbox.path());
        Sandbox::finish(&mut command)
    }
}
