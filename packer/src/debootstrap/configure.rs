//! Finishes an unpacked system: packs it as a bundle for this machine, runs the script in it, and takes what
//! has changed. The bundle makes its own namespaces, so the script does not reach this machine: it sees no
//! home, no working directory and no `/tmp` of the host, and inherits no file that unibin has opened.
//! Descriptors that unibin itself was started with stay open, as in any child process.

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use debian::Progress as _;
use rustix::fs::{StatVfsMountFlags, XattrFlags};

use crate::atomic_file::TemporaryDirectory;
use crate::debootstrap::left_over::{Ended, Foster};
use crate::debootstrap::script::{self, Left, SCRIPT};
use crate::error::{DebianError, Error, SystemError};
use crate::packages::suites;
use crate::progress::Bars;
use crate::say;
use crate::system::dropped::Dropped;
use crate::system::gathered::Gathered;
use crate::system::system_tree::{Kind, SystemTree};
use crate::system::upper;
use crate::tree::spool::Spool;

/// Writes the bundle of a system, for this machine alone, at a path; says whether an emulator runs it.
pub(crate) type PackStage<'p> = dyn Fn(Gathered, &Path) -> Result<bool, Error> + 'p;

/// The name under which the bundle keeps what the script changes.
const KEEP: &str = "configure";

/// How long the script's last output, and its last processes, may take after its end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How many of its last lines are shown if it fails.
const LINES: usize = 25;

/// `PATH` of the bundle's stub, for the tools of this machine that it needs.
const STUBS_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// `f_type` of an overlay (statfs(2)), which cannot hold the upper of another overlay.
const OVERLAY: u64 = 0x794c_7630;

/// Clock ticks per second in `/proc/self/stat` (`USER_HZ`, the same for every architecture that runs this).
const TICKS: f64 = 100.0;

/// A configured system.
pub(super) struct Configured {
    pub(super) tree: SystemTree,
    pub(super) dropped: Dropped,
    /// CPU time on this machine, of all processes of the script.
    pub(super) cpu_seconds: f64,
}

/// Configures `tree`.
pub(super) fn configured(
    mut tree: SystemTree,
    left: &Left,
    pack: &PackStage<'_>,
    bars: &Bars,
) -> Result<Configured, Error> {
    let place = Place::new()?;
    script::add(&mut tree, left)?;
    let bundle = place.0.path().join("stage");
    let emulated =
        pack(Gathered { tree: tree.clone(), from: "packages".to_owned(), ..Gathered::default() }, &bundle)?;
    if rustix::process::geteuid().is_root() && !has_users(&bundle, &place)? {
        return Err(SystemError::from(DebianError::NoUsers).into());
    }
    let before = children_seconds();
    run(&bundle, &place, emulated, bars)?;
    let cpu_seconds = children_seconds() - before;
    let upper = place.upper()?;
    let dropped = upper::collect(&upper, &mut tree, &mut Spool::new()?)?;
    script::remove(&mut tree);
    Ok(Configured { tree, dropped, cpu_seconds })
}

/// An event while the script runs.
enum Heard {
    Line(String),
    /// All writers have closed the pipe.
    Silence,
    Ended(io::Result<ExitStatus>),
}

/// Whether the system is started in a user namespace. Root may start one without, which is too dangerous for
/// scripts of packages. To find out, a program that does not exist is started once, and the bundle reports
/// what it does.
fn has_users(bundle: &Path, place: &Place) -> Result<bool, Error> {
    let mut command = place.start(bundle);
    command.arg("/nothing").env("UNIBIN_LOG", "1");
    let said = command.output().map_err(|source| Error::io("execute", bundle, source))?;
    Ok(!String::from_utf8_lossy(&said.stderr).contains("without a namespace of users"))
}

/// Runs the script, and shows what it does.
fn run(bundle: &Path, place: &Place, emulated: bool, bars: &Bars) -> Result<(), Error> {
    let failed = |source| Error::io("execute", bundle, source);
    let (reader, writer) = io::pipe().map_err(failed)?;
    let mut command = place.start(bundle);
    command.arg(format!("/{SCRIPT}")).env("UNIBIN_BIND", place.binds());
    if emulated {
        // On its own CPU, too: the emulator alone keeps users and groups apart for one user.
        command.env("UNIBIN_ROUTE", "emulated");
    }
    command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    let foster = Foster::new(place.mark());
    let mut child = command.spawn().map_err(failed)?;
    // The pipe ends with the last process that has it, so not before our own copies are gone.
    drop(command);
    // Two threads, since either may come first: a process that the script has left keeps the pipe.
    let (to, heard) = mpsc::channel();
    let of_child = to.clone();
    thread::spawn(move || of_child.send(Heard::Ended(child.wait())));
    thread::spawn(move || {
        for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
            let _ = to.send(Heard::Line(String::from_utf8_lossy(&line).into_owned()));
        }
        to.send(Heard::Silence)
    });
    let bar = bars.bar("configuring");
    bar.begin("", None);
    let mut last: VecDeque<String> = VecDeque::new();
    let status = listen(&heard, LAST_WORDS, |line| {
        let package = line.strip_prefix("Setting up ").and_then(|rest| rest.split(' ').next());
        if let Some(package) = package {
            bar.end();
            bar.begin(package, None);
        }
        if last.len() == LINES {
            last.pop_front();
        }
        last.push_back(line);
    });
    let Ended { ended, left } = foster.end(LAST_WORDS);
    bar.end();
    if ended != 0 {
        say::warning("packages' scripts have left processes running; they were ended");
    }
    if !left.is_empty() {
        let left: Vec<String> = left.iter().map(ToString::to_string).collect();
        say::warning(&format!("packages' scripts have left processes that do not end: {}", left.join(", ")));
    }
    match status.transpose().map_err(failed)? {
        Some(status) if !status.success() => {
            let text = last.iter().fold(String::new(), |text, line| format!("{text}\n  {line}"));
            Err(SystemError::from(DebianError::Configure { status: status.to_string(), text }).into())
        }
        _ => Ok(()),
    }
}

/// Hands every line to `each` until the script has ended and all writers have closed the pipe, but no longer
/// than `patience` after its end: a process that it has left may write for ever.
fn listen(
    heard: &Receiver<Heard>,
    patience: Duration,
    mut each: impl FnMut(String),
) -> Option<io::Result<ExitStatus>> {
    let (mut status, mut silent, mut deadline) = (None, false, None::<Instant>);
    while status.is_none() || !silent {
        let next = match deadline {
            None => heard.recv().ok(),
            Some(deadline) => {
                let rest = deadline.saturating_duration_since(Instant::now());
                // Without time left, too, it takes what is there already, of which there may always be more.
                if rest.is_zero() {
                    break;
                }
                heard.recv_timeout(rest).ok()
            }
        };
        match next {
            Some(Heard::Line(line)) => each(line),
            Some(Heard::Silence) => silent = true,
            Some(Heard::Ended(ended)) => {
                status = Some(ended);
                deadline = Some(Instant::now() + patience);
            }
            // Somebody has the pipe still.
            None => break,
        }
    }
    status
}

/// An error if a package is in a state that `dpkg --audit` would report.
pub(super) fn check(tree: &SystemTree) -> Result<(), Error> {
    let Some(Kind::File(content)) = tree.resolve(b"var/lib/dpkg/status").map(|(_, inode)| &inode.kind) else {
        return Err(not_installed("dpkg", "missing"));
    };
    let bytes = content.bytes().map_err(Error::Temporary)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut package = "";
    for line in text.lines() {
        match line.split_once(": ") {
            Some(("Package", name)) => package = name,
            Some(("Status", status)) if status != "install ok installed" => {
                return Err(not_installed(package, status));
            }
            _ => {}
        }
    }
    Ok(())
}

fn not_installed(package: &str, status: &str) -> Error {
    let (package, status) = (package.to_owned(), status.to_owned());
    SystemError::from(DebianError::NotInstalled { package, status }).into()
}

/// A temporary directory for the bundle and what it keeps. Programs can be executed there, files can have
/// user attributes, and it can hold the upper of an overlay.
struct Place(TemporaryDirectory);

impl Place {
    /// Makes one in the first suitable directory; if none is, the error is that of the last one.
    fn new() -> Result<Self, Error> {
        let named = std::env::var_os("TMPDIR").map(PathBuf::from);
        let store = suites::store_root()?;
        let mut refused = None;
        for directory in named.into_iter().chain([store, "/var/tmp".into(), "/dev/shm".into()]) {
            match Self::within(&directory) {
                Ok(place) => return Ok(place),
                Err(source) => refused = refused.or(Some(Error::io("use", &directory, source))),
            }
        }
        Err(refused.unwrap_or(Error::Temporary(io::ErrorKind::NotFound.into())))
    }

    fn within(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let made = TemporaryDirectory::inside(directory)?;
        rustix::fs::setxattr(made.path(), "user.unibin.try", b"1", XattrFlags::empty())?;
        if u64::try_from(rustix::fs::statfs(made.path())?.f_type).is_ok_and(|kind| kind == OVERLAY) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if rustix::fs::statvfs(made.path())?.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        for inside in ["cache", "tmp"] {
            let inside = made.path().join(inside);
            fs::create_dir(&inside)?;
            // Whatever the umask is: a start refuses a cache that others could write to.
            fs::set_permissions(inside, Permissions::from_mode(0o700))?;
        }
        Ok(Self(made))
    }

    /// Its unique name: processes of the script have it in their environment (`UNIBIN_CACHE`) and among their
    /// mounts (`/tmp`).
    fn mark(&self) -> &[u8] {
        self.0.path().file_name().unwrap_or_default().as_encoded_bytes()
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// The command that starts the bundle of the system: what changes is kept here, and nothing of the
    /// caller's environment reaches it.
    fn start(&self, bundle: &Path) -> Command {
        let mut command = Command::new(bundle);
        command.env_clear().env("PATH", STUBS_PATH).current_dir("/");
        command.env("UNIBIN_KEEP", KEEP).env("UNIBIN_CACHE", self.cache()).env("UNIBIN_VIEW", "mounts");
        command
    }

    /// The bind of its `tmp` over `/tmp`, in place of the host's.
    fn binds(&self) -> std::ffi::OsString {
        let mut binds = self.0.path().join("tmp").into_os_string();
        binds.push(":/tmp");
        binds
    }

    /// Where the bundle has kept what has changed: the only system of this cache.
    fn upper(&self) -> Result<PathBuf, Error> {
        let cache = self.cache();
        let failed = |source| Error::io("read", &cache, source);
        for host in fs::read_dir(&cache).map_err(failed)? {
            let systems = host.map_err(failed)?.path().join("systems");
            for system in fs::read_dir(systems).into_iter().flatten() {
                let upper = system.map_err(failed)?.path().join(KEEP).join("upper");
                if upper.is_dir() {
                    return Ok(upper);
                }
            }
        }
        Err(failed(io::ErrorKind::NotFound.into()))
    }
}

/// CPU time of all children that have ended, and of theirs, in seconds (proc(5), `/proc/PID/stat`).
fn children_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may contain anything; fields 16 and 17 of all are 13 and 14 after it.
    let after = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    let fields = after.split(' ').skip(13).take(2);
    fields.filter_map(|field| field.parse::<u32>().ok()).map(|ticks| f64::from(ticks) / TICKS).sum()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::system::system_tree::Inode;

    #[test]
    fn a_process_that_is_left_and_writes_for_ever_is_not_listened_to_for_ever() {
        let (to, heard) = mpsc::channel();
        to.send(Heard::Ended(Ok(ExitStatus::from_raw(0)))).expect("heard");
        let writes = thread::spawn(move || {
            // Ends by itself at last, so that a listener who does not stop is seen.
            (0..1000).all(|_| {
                thread::sleep(Duration::from_millis(10));
                to.send(Heard::Line("still here".to_owned())).is_ok()
            })
        });
        let status = listen(&heard, Duration::from_millis(500), drop);
        assert!(status.is_some_and(|status| status.is_ok_and(|status| status.success())));
        drop(heard);
        assert!(!writes.join().expect("it ends"), "all was listened to");
    }

    #[test]
    fn a_package_that_is_not_configured_is_named() {
        let with = |status: &str| {
            let text =
                format!("Package: a\nStatus: install ok installed\n\nPackage: b\nStatus: {status}\n\n");
            let mut tree = SystemTree::default();
            let kind = Kind::File(text.into_bytes().into());
            tree.add(b"var/lib/dpkg/status", Inode::of_root(kind, 0o644)).expect("added");
            check(&tree).map_err(|error| error.to_string())
        };
        assert_eq!(with("install ok installed"), Ok(()));
        for bad in ["install ok unpacked", "install ok triggers-pending", "install reinstreq half-configured"]
        {
            let told = with(bad).expect_err("refused");
            assert!(told.contains("`b`") && told.contains(bad), "{told}");
        }
        assert!(check(&SystemTree::default()).is_err());
    }
}
