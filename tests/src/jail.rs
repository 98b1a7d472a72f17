//! A machine with next to nothing: a root directory that holds busybox, a bundle and what a test mounts
//! there. No `/proc`, no `/sys`, no accounts, and no tools but busybox's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use bundle::Arch;

use crate::namespace::Namespace;
use crate::needs::has;
use crate::outcome::Outcome;
use crate::pack::busybox;
use crate::sandbox::Sandbox;

/// See the module's documentation.
#[derive(Debug)]
pub struct Jail {
    sandbox: Sandbox,
}

impl Jail {
    /// With this bundle as `/opt/app`; `None`, loudly, where private mounts are not to be had.
    pub fn with(bundle: &Path) -> Option<Self> {
        Namespace::Mounts.available()?;
        // For its busybox.
        if !has("network") {
            return None;
        }
        let sandbox = Sandbox::new();
        for directory in ["bin", "dev", "home", "proc", "opt", "tmp", "var/tmp"] {
            fs::create_dir_all(sandbox.at("root").join(directory)).expect("directory");
        }
        fs::write(sandbox.at("root/dev/null"), b"").expect("a file to mount on");
        sandbox.give(sandbox.at("root/home"));
        for shared in ["root/tmp", "root/var/tmp"] {
            fs::set_permissions(sandbox.at(shared), fs::Permissions::from_mode(0o1777)).expect("chmod");
        }
        fs::copy(bundle, sandbox.at("root/opt/app")).expect("copied");
        fs::set_permissions(sandbox.at("root/opt/app"), fs::Permissions::from_mode(0o755)).expect("chmod");
        let jail = Self { sandbox };
        jail.install_busybox();
        Some(jail)
    }

    /// Debian's static one, out of a bundle of it, and a link for each of its names.
    fn install_busybox(&self) {
        let out = self.sandbox.at("busybox");
        let extracted = Command::new(busybox(Arch::X86_64))
            .env("UNIBIN_DO", "extract")
            .env("UNIBIN_TO", &out)
            .env("UNIBIN_CACHE", self.sandbox.at("busybox-cache"))
            .status();
        assert!(extracted.expect("starts").success(), "busybox comes out of its bundle");
        let program = self.at("bin/busybox");
        fs::rename(out.join("usr/bin/busybox"), &program).expect("renamed");
        let names = Command::new(&program).arg("--list").output().expect("busybox");
        for name in String::from_utf8_lossy(&names.stdout).lines().filter(|name| *name != "busybox") {
            symlink("busybox", self.at("bin").join(name)).expect("link");
        }
    }

    /// A path in the machine, seen from outside.
    pub fn at(&self, path: &str) -> PathBuf {
        self.sandbox.at("root").join(path)
    }

    /// The user's number.
    pub fn uid(&self) -> u32 {
        self.sandbox.uid()
    }

    /// Runs `script` in the machine as its user, with these variables and `PATH=/bin` only. `mounts` is run
    /// before, by root, in the machine's root directory, in mounts that end with the run; the user's number
    /// is `$uid`.
    pub fn run(&self, mounts: &str, variables: &str, script: &str) -> Outcome {
        let all = format!(
            "cd root; uid=$1\n\
             mount --bind . .; cd ../root\n\
             mount --bind /dev/null dev/null\n\
             {mounts}\n\
             exec env -i PATH=/bin {variables} \
             \"$(command -v chroot)\" --userspec=\"$uid:$uid\" --groups=\"$uid\" . /bin/sh -c \"$2\""
        );
        Namespace::Mounts.run(&self.sandbox, &all, &[&self.uid().to_string(), script])
    }
}
