//! What the tests of this crate share: a machine's own mirrors, a watcher that remembers, a server that lacks
//! files.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::print_stdout, reason = "the tests print how many bytes were fetched")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bundle::{Arch, EmulatorKey};
use debian::{MirrorSources, Progress, Silent};
use emulator::{Catalogue, Options, Remark, Store, Watch};

pub(crate) const RISCV64_ON_X86_64: EmulatorKey = EmulatorKey { host: Arch::X86_64, target: Arch::Riscv64 };

/// This machine's own mirrors, and nothing else.
pub(crate) fn mirrors() -> MirrorSources {
    MirrorSources { snapshot: false, ..MirrorSources::default() }
}

/// Only `base`.
pub(crate) fn only(base: &str) -> MirrorSources {
    MirrorSources { arguments: vec![base.into()], environment: Vec::new(), apt_root: None, snapshot: false }
}

/// A directory that outlives the tests' run, so that whole packages are fetched once; the name tells tests
/// apart.
pub(crate) fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).expect("a directory for the test");
    path
}

/// Remembers every remark.
#[derive(Default)]
pub(crate) struct Remarks(pub(crate) Mutex<Vec<Remark>>);

impl Watch for Remarks {
    fn progress(&self, _key: EmulatorKey) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    fn remark(&self, remark: &Remark) {
        println!("{remark}");
        self.0.lock().expect("no panic before").push(remark.clone());
    }
}

impl Remarks {
    pub(crate) fn take(&self) -> Vec<Remark> {
        std::mem::take(&mut *self.0.lock().expect("no panic before"))
    }
}

pub(crate) fn options<'a>(catalogue: &'a Catalogue, store: &'a Store, watch: &'a Remarks) -> Options<'a> {
    Options { mirrors: mirrors(), watch, ..Options::new(catalogue, store) }
}

pub(crate) fn offline<'a>(catalogue: &'a Catalogue, store: &'a Store, watch: &'a Remarks) -> Options<'a> {
    let mut options = options(catalogue, store, watch);
    options.fetch.offline = true;
    options
}

/// A mirror on 127.0.0.1 that has no file whose path contains `gone`, and fetches nothing itself: it
/// redirects every other request to `base`.
pub(crate) struct Mirror {
    pub(crate) base: String,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Mirror {
    pub(crate) fn without(gone: &'static str, base: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (base, counter) = (base.clone(), Arc::clone(&counter));
                std::thread::spawn(move || answer(stream, gone, &base, &counter));
            }
        });
        Self { base: own, asked }
    }
}

fn answer(stream: TcpStream, gone: &str, base: &str, asked: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut header = String::new();
        while reader.read_line(&mut header).is_ok_and(|length| length > 2) {
            header.clear();
        }
        asked.fetch_add(1, Ordering::SeqCst);
        let head = if path.contains(gone) {
            "HTTP/1.1 404 Not Found\r\n".to_owned()
        } else {
            format!("HTTP/1.1 302 Found\r\nLocation: {base}{path}\r\n")
        };
        if write!(reader.get_mut(), "{head}Content-Length: 0\r\n\r\n").is_err() {
            return;
        }
        line.clear();
    }
}

/// The first mirror of this machine that is asked over HTTP.
pub(crate) fn first_mirror() -> String {
    mirrors().mirrors().into_iter().next().expect("this machine's apt sources name a mirror").base
}

/// Reads a file of this machine whole.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)).expect("readable");
    bytes
}
