//! A directory of its own for each test, bundles in it, and the shells that start them. The launchers are sh
//! scripts: what they are given by the stub, the kernel tells through `/proc`. Digests come from `sha2`,
//! directories from `tempfile`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use bundle::{Arch, Digest};
use end_to_end::say;
use sha2::{Digest as _, Sha256};
use templates::{STUB_LEN, StubLauncher, stub};

/// Starts when probed, and then tells what it was given: command line, environment, umask.
pub(crate) const TELLS: &str = "#!/bin/sh\n[ \"$1\" = - ] && exit 0\ncat /proc/$$/cmdline\nprintf '=ENV='\ncat /proc/$$/environ\n\
    printf '=UMASK='\numask\n";

/// Shells that may be `/bin/sh`, as many of them as the machine has.
const SHELLS: [&str; 8] = ["dash", "bash", "busybox", "mksh", "ksh93", "yash", "zsh", "posh"];

/// One shell, called as `sh`.
pub(crate) struct Shell {
    pub(crate) name: &'static str,
    /// A symlink named `sh` to it: bash, zsh and busybox behave by that name.
    pub(crate) path: PathBuf,
}

pub(crate) struct Fixture {
    dir: tempfile::TempDir,
    pub(crate) shells: Vec<Shell>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::inside(Path::new("/tmp"))
    }

    /// In a directory where nobody else can create names, as in a home: there a warm start can trust what it
    /// sees without `ls`.
    pub(crate) fn unshared() -> Self {
        Self::inside(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    fn inside(parent: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("ub").tempdir_in(parent).expect("directory");
        let all: fs::Permissions = fs::Permissions::from_mode(0o755);
        fs::set_permissions(dir.path(), all).expect("readable for other users");
        let mut shells = Vec::new();
        for name in SHELLS {
            let Some(real) = find(name) else {
                end_to_end::has(name);
                continue;
            };
            let link = dir.path().join(name).join("sh");
            fs::create_dir(dir.path().join(name)).expect("directory");
            symlink(real, &link).expect("symlink");
            shells.push(Shell { name, path: link });
        }
        say(&format!("shells: {}", shells.iter().map(|shell| shell.name).collect::<Vec<_>>().join(" ")));
        assert!(!shells.is_empty(), "a machine with /bin/sh has one of these");
        Self { dir, shells }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in the fixture's directory.
    pub(crate) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir().join(name)
    }

    /// A fresh directory, which other users may not write to.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(&path).expect("directory");
        path
    }

    /// The stub for `launcher` on the CPU of this machine, with the shared places moved into the fixture's
    /// directory.
    pub(crate) fn text(&self, launcher: &[u8]) -> String {
        let rendered = stub(&[StubLauncher {
            host: Arch::HOST.expect("the tests run on a host"),
            digest: Digest(Sha256::digest(launcher).into()),
            offset: 8192,
            length: launcher.len() as u64,
        }]);
        let text = String::from_utf8(rendered.expect("renders")).expect("text");
        let text = text.replace("/dev/shm/unibin-", &format!("{}/shm/unibin-", self.dir().display()));
        let text = text.replace(" /tmp/unibin-", &format!(" {}/tmp/unibin-", self.dir().display()));
        text.replace("/var/tmp/unibin-", &format!("{}/vt/unibin-", self.dir().display()))
    }

    /// Writes a bundle with this text and launcher.
    pub(crate) fn write(path: &Path, text: &str, launcher: &[u8]) {
        let mut bytes = text.trim_end_matches('\n').as_bytes().to_vec();
        assert!(bytes.len() < STUB_LEN, "the replaced text still fits");
        bytes.resize(STUB_LEN, b'\n');
        bytes.resize(8192, 0);
        bytes.extend_from_slice(launcher);
        bytes.resize(bytes.len().next_multiple_of(4096), 0);
        bytes.extend_from_slice(b"\0\x80binary part\n(((\"$(exit 3)\n");
        fs::write(path, bytes).expect("bundle");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }

    /// A bundle of that name whose launcher is `launcher`.
    pub(crate) fn bundle(&self, name: impl AsRef<Path>, launcher: &str) -> PathBuf {
        let path = self.at(name);
        Self::write(&path, &self.text(launcher.as_bytes()), launcher.as_bytes());
        path
    }

    /// `shell bundle`, with `UNIBIN_CACHE` and nothing else that names a directory.
    pub(crate) fn start(&self, shell: &Shell, bundle: &Path, cache: &Path) -> Command {
        let mut command = Command::new(&shell.path);
        command.arg(bundle).env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("UNIBIN_CACHE", cache).current_dir(self.dir()).stdin(Stdio::null());
        command
    }

    /// Where the launcher lies in `cache`.
    pub(crate) fn cached(cache: &Path, launcher: &str) -> PathBuf {
        let digest = Digest(Sha256::digest(launcher.as_bytes()).into()).to_string();
        cache.join(Arch::HOST.expect("host").name()).join(format!("launcher-{}", &digest[..32]))
    }

    /// The names in the CPU's directory of `cache`.
    pub(crate) fn names(cache: &Path) -> Vec<OsString> {
        let directory = cache.join(Arch::HOST.expect("host").name());
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        entries.map(|entry| entry.expect("entry").file_name()).collect()
    }
}

/// What a launcher made from [`TELLS`] was given.
pub(crate) struct Told {
    /// The launcher's path.
    pub(crate) launcher: PathBuf,
    /// After interpreter and launcher: bundle, argv0, arguments.
    pub(crate) argv: Vec<Vec<u8>>,
    pub(crate) env: Vec<Vec<u8>>,
    pub(crate) umask: Vec<u8>,
}

impl Told {
    pub(crate) fn from(output: &Output, shell: &str) -> Self {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && error.is_empty(), "{shell}: {:?} {error}", output.status);
        let (cmdline, rest) = split(&output.stdout, b"=ENV=");
        let (environ, umask) = split(rest, b"=UMASK=");
        let words = |bytes: &[u8]| -> Vec<Vec<u8>> {
            let mut words: Vec<_> = bytes.split(|&b| b == 0).map(<[u8]>::to_vec).collect();
            words.pop();
            words
        };
        let mut argv = words(cmdline);
        let launcher = PathBuf::from(os(&argv[1]));
        Self { launcher, argv: argv.split_off(2), env: words(environ), umask: umask.to_vec() }
    }
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = bytes.windows(mark.len()).position(|window| window == mark).expect("mark");
    (&bytes[..at], &bytes[at + mark.len()..])
}

pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

pub(crate) fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
