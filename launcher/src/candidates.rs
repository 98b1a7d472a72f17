//! Where the cache may be, in order. The stub looks through the same list (`templates/stub.sh`); a test holds
//! them together.

use core::ffi::CStr;

use bundle::directory_of;

use crate::absolute::absolute;
use crate::bytes::{c_string, decimal, fill, join, name};
use crate::controls::Controls;
use crate::error::Error;
use crate::log::Log;
use crate::route::{HOST, base_name};
use crate::start::Start;
use crate::sys::{self, At, Follow};

/// Directories that every user can write to; ours in them carries our uid in its name.
const SHARED: [&[u8]; 3] = [b"/var/tmp", b"/tmp", b"/dev/shm"];

/// The candidates of one run, lazily: a warm start looks at the first only.
pub fn candidates<'a>(
    start: &'a Start<'a>,
    controls: &'a Controls<'a>,
) -> impl Iterator<Item = &'a [u8]> + 'a {
    let all = move |last: bool| {
        let wanted = move |(number, candidate): &(usize, &[u8])| {
            PRIVATE.contains(number) && on_network(candidate) == last
        };
        let of = move |number| Some((number, candidate(number, start, controls)?));
        let numbers = 0..7 + SHARED.len();
        numbers.filter_map(of).filter(move |row| wanted(row) || (!last && !PRIVATE.contains(&row.0)))
    };
    // Slow for all nodes of a cluster at once, and often without locks.
    all(false).chain(all(true)).map(|(_, candidate)| candidate)
}

/// Tries one candidate after the other. An error that rules out more than a directory ends it; else this says
/// what was tried: a line for each, with the reason.
pub fn each(
    start: &Start<'_>,
    controls: &Controls<'_>,
    log: Log,
    attempt: &mut dyn FnMut(&[u8]) -> Error,
) -> Result<&'static [u8], Error> {
    let mut tried: &[u8] = b"";
    for candidate in candidates(start, controls) {
        let error = attempt(candidate);
        if !error.next_candidate_may_do() {
            return Err(error);
        }
        log.step("not using {}: {}", &[candidate, error.text()]);
        tried = fill("{}\n  {}: {}", &[tried, name(candidate), name(error.text())]);
    }
    Ok(tried)
}

/// The numbers of those that the user has not named for this and that may be on any file system.
const PRIVATE: core::ops::Range<usize> = 2..7;

/// `f_type` of NFS, Lustre, GPFS, SMB, Ceph, AFS and `BeeGFS` (statfs(2), and their sources).
const NETWORK: [u32; 8] =
    [0x6969, 0x0bd0_0bd0, 0x4750_4653, 0xff53_4d42, 0xfe53_4d42, 0x00c3_6400, 0x5346_414f, 0x1983_0326];

/// Whether a directory, or the nearest one above that is there, is on a network's file system.
fn on_network(mut directory: &[u8]) -> bool {
    loop {
        match sys::file_system(c_string(&[directory, b"/"])) {
            Ok(kind) => return NETWORK.contains(&kind),
            Err(_) if directory.is_empty() => return false,
            Err(_) => directory = directory_of(directory),
        }
    }
}

/// One place in the list, which may be empty.
fn candidate<'a>(number: usize, start: &Start<'a>, controls: &Controls<'a>) -> Option<&'a [u8]> {
    let variable = |name: &[u8]| {
        let value = start.process.var(name).map(CStr::to_bytes);
        value.filter(|value| value.first() == Some(&b'/'))
    };
    let (directory, name): (&[u8], &[u8]) = match number {
        // The stub has already found a directory from which this launcher could be executed.
        0 => return cache_of_launcher(start.launcher?).map(absolute),
        1 => return Some(controls.cache?.to_bytes()),
        // In a Slurm job, a directory of the node's own.
        2 => (start.process.var(b"SLURM_JOB_ID").and_then(|_| variable(b"SLURM_TMPDIR"))?, b"/unibin"),
        3 => (variable(b"XDG_CACHE_HOME")?, b"/unibin"),
        // After sudo these may still be another user's.
        4 => (ours(variable(b"HOME")?)?, b"/.cache/unibin"),
        5 => (ours(variable(b"XDG_RUNTIME_DIR")?)?, b"/unibin"),
        6 => (directory_of(absolute(start.bundle.to_bytes())), b"/.unibin-"),
        _ => (SHARED.get(number.checked_sub(7)?)?, b"/unibin-"),
    };
    Some(join(&[directory, name, if number < 6 { b"" } else { uid() }]))
}

/// The directory, if it is there and our user's.
fn ours(directory: &[u8]) -> Option<&[u8]> {
    let stat = sys::statat(At::CWD, c_string(&[directory]), Follow::Yes).ok()?;
    (stat.is_dir() && stat.uid == sys::geteuid()).then_some(directory)
}

/// Whether this candidate is where the stub has started this launcher from.
pub fn is_launchers(start: &Start<'_>, candidate: &[u8]) -> bool {
    start.launcher.and_then(cache_of_launcher).is_some_and(|cache| absolute(cache) == candidate)
}

/// `<candidate>` of `<candidate>/<CPU>/launcher-<digest>`, as the stub lays it out.
fn cache_of_launcher(launcher: &CStr) -> Option<&[u8]> {
    let path = launcher.to_bytes();
    let cpu_directory = directory_of(path);
    let fits =
        base_name(path).starts_with(b"launcher-") && base_name(cpu_directory) == HOST.name().as_bytes();
    let candidate = directory_of(cpu_directory);
    (fits && !candidate.is_empty()).then_some(candidate)
}

/// Our user's number in decimal digits.
fn uid() -> &'static [u8] {
    decimal(u64::from(sys::geteuid()))
}
