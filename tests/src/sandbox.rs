//! A user with an empty home and an empty environment, who has bundles and runs them. When the tests run as
//! root it is another, unprivileged user: root may do too much to prove anything about permissions.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::neighbours::{self, Held};
use crate::outcome::Outcome;
use crate::processes::{self, Process, SANDBOX};
use crate::until::until;

/// A user and group number that no account and no other sandbox has: what one user left in `/var/tmp` would
/// serve the next start of the same user. Every other number, so that a test has a neighbour to be.
fn fresh_uid() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    1_000_000_000 + std::process::id() % (1 << 22) * 256 + NEXT.fetch_add(2, Ordering::Relaxed) % 256
}

/// Who runs a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Whoever runs the tests.
    Tester,
    /// An unprivileged user; only root can run something as one.
    Other(u32),
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Sandbox {
    directory: tempfile::TempDir,
    user: User,
    /// Where others have the same user.
    _neighbours: Option<Held>,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Where a start goes that finds no better place; for a user of this test's alone, so it is ours to
        // remove.
        if let User::Other(uid) = self.user {
            for shared in ["/var/tmp", "/tmp", "/dev/shm"] {
                let _ = fs::remove_dir_all(format!("{shared}/unibin-{uid}"));
            }
        }
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// An unprivileged user's: the tester's own, or another's when the tester is root.
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// The same; nothing of another sandbox's counts as this user's while it lives. No test has one before,
    /// and none makes further ones in a thread that it starts: that would wait for this one for ever.
    pub fn alone() -> Self {
        let _alone = (!Self::tester_is_root()).then(neighbours::alone);
        Self::new()
    }

    /// The same as [`Self::new`] in this directory.
    pub fn below(parent: &Path) -> Self {
        let user = if Self::tester_is_root() { User::Other(fresh_uid()) } else { User::Tester };
        Self::inside(user, parent)
    }

    /// This user's.
    pub fn of(user: User) -> Self {
        Self::inside(user, &std::env::temp_dir())
    }

    /// This user's, in this directory.
    pub fn inside(user: User, parent: &Path) -> Self {
        let shares = user == User::Tester && !Self::tester_is_root();
        let neighbours = shares.then(neighbours::beside);
        let directory = tempfile::Builder::new().prefix(SANDBOX).tempdir_in(parent);
        let directory = directory.expect("directory");
        let sandbox = Self { directory, user, _neighbours: neighbours };
        fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        sandbox.give(sandbox.path());
        sandbox.make_directory("home");
        sandbox
    }

    /// Whether the tests run as root, which some of them need.
    pub fn tester_is_root() -> bool {
        // The owner of a process's own directory in /proc is its effective user (proc(5)).
        fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
    }

    /// The sandbox's directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in the sandbox.
    pub fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// The user's home.
    pub fn home(&self) -> PathBuf {
        self.at("home")
    }

    /// Where the cache is when nothing says otherwise; no process beside an app works in it any more.
    pub fn cache(&self) -> PathBuf {
        let cache = self.home().join(".cache/unibin");
        settled(&cache);
        cache
    }

    /// The processes that execute something of the sandbox's: a bundle, an app or an emulator out of the
    /// cache, a broker.
    pub fn processes(&self) -> Vec<Process> {
        processes::below(self.path())
    }

    /// The user's number. It tells nothing about whose a process is: [`Self::processes`].
    pub fn uid(&self) -> u32 {
        match self.user {
            User::Tester => fs::metadata("/proc/self").expect("/proc").uid(),
            User::Other(uid) => uid,
        }
    }

    /// Makes the user the owner.
    pub fn give(&self, path: impl AsRef<Path>) {
        if let User::Other(uid) = self.user {
            chown(path, Some(uid), Some(uid)).expect("chown");
        }
    }

    /// A directory of the user's.
    pub fn make_directory(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(&path).expect("directory");
        self.give(&path);
        path
    }

    /// A copy of a bundle under this name, the user's own.
    pub fn copy(&self, bundle: &Path, name: impl AsRef<OsStr>) -> PathBuf {
        self.write(name, &fs::read(bundle).expect("bundle"))
    }

    /// An executable file of the user's. It is written by another process: a descriptor for writing that a
    /// child of another test's inherits from this one would keep the file from being executed (`ETXTBSY`).
    pub fn write(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> PathBuf {
        let path = self.at(name.as_ref());
        // A new file each time: one that runs cannot be written to.
        let _ = fs::remove_file(&path);
        let mut source = tempfile::NamedTempFile::new().expect("file");
        source.write_all(bytes).expect("written");
        let copied = Command::new("cp").arg("--").arg(source.path()).arg(&path).status().expect("cp");
        assert!(copied.success(), "cp to {}", path.display());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        self.give(&path);
        path
    }

    /// `program` as the user: in the sandbox's directory, with `PATH` and `HOME` only, with no standard
    /// input.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        self.enter(&mut command);
        command
    }

    fn enter(&self, command: &mut Command) {
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.home());
        command.current_dir(self.path()).stdin(Stdio::null());
        if let User::Other(uid) = self.user {
            command.uid(uid).gid(uid);
        }
    }

    /// Runs a program to its end.
    pub fn run<A: AsRef<OsStr>>(&self, program: &Path, arguments: &[A]) -> Outcome {
        Self::finish(self.command(program).args(arguments))
    }

    /// Runs a program to its end with more variables.
    pub fn run_with<A: AsRef<OsStr>>(
        &self,
        variables: &[(&str, &str)],
        program: &Path,
        arguments: &[A],
    ) -> Outcome {
        Self::finish(self.command(program).args(arguments).envs(variables.iter().copied()))
    }

    /// `UNIBIN_DO=gc` of a bundle with more variables. The tester's own caches, in `/var/tmp` or wherever
    /// they may be, are none of a test's business.
    pub fn gc(&self, variables: &[(&str, &str)], bundle: &Path) -> Outcome {
        let mut command = self.command(bundle);
        if self.user == User::Tester {
            command.env("UNIBIN_CACHE", self.home().join(".cache/unibin"));
        }
        Self::finish(command.env("UNIBIN_DO", "gc").envs(variables.iter().copied()))
    }

    /// Runs a prepared command to its end.
    pub fn finish(command: &mut Command) -> Outcome {
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}")).into()
    }

    /// Runs `script` with `sh` as the user; its arguments are `$1`, `$2`, ...
    pub fn shell<A: AsRef<OsStr>>(&self, script: &str, arguments: &[A]) -> Outcome {
        Self::finish(self.command("sh").arg("-c").arg(script).arg("sh").args(arguments))
    }

    /// Every file, directory and link below `directory`, as paths relative to it, sorted.
    pub fn tree(directory: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut directories = vec![directory.to_owned()];
        while let Some(here) = directories.pop() {
            let Ok(entries) = fs::read_dir(&here) else { continue };
            for entry in entries {
                let entry = entry.expect("entry");
                found.push(entry.path().strip_prefix(directory).expect("below").to_owned());
                if entry.file_type().expect("type").is_dir() {
                    directories.push(entry.path());
                }
            }
        }
        found.sort();
        found
    }
}

/// Waits until every cache entry in a directory is on the disk, which an app does not wait for.
pub fn settled(directory: &Path) {
    let is_written = |name: &OsStr| name.as_encoded_bytes().starts_with(b"written-");
    let markers = |directory: &Path| {
        let below = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten();
        let slots = below(directory.to_owned()).flat_map(|host| below(host.path()));
        slots.flat_map(|slot| below(slot.path())).any(|entry| is_written(&entry.file_name()))
    };
    until("the entries are on the disk", || (!markers(directory)).then_some(()));
}
