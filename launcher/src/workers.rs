//! Frames, unpacked by several processes at once: each takes the next one that nobody has taken. They end
//! with this process at the latest, and none is left when [`each`] returns.

use alloc::vec::Vec;
use core::sync::atomic::Ordering::SeqCst;

use bundle::directory_of;

use crate::bytes::{c_string, zeroed};
use crate::error::Error;
use crate::frames::{Frames, Part, Unpacker};
use crate::progress::{self, Progress};
use crate::{proc, sys};

/// More would wait for each other at the disk.
const MOST: u64 = 8;

/// Behind all numbers of frames: whoever takes it finds nothing to do.
const NO_FRAME: u64 = 1 << 32;

/// Has `work` done for each frame of a tree's files, with `own` in this process.
pub fn each(
    frames: &Frames<'_>,
    own: &mut Unpacker,
    progress: &mut Progress,
    work: &mut dyn FnMut(&Progress, &mut Unpacker, usize) -> Result<(), Error>,
) -> Result<(), Error> {
    let numbers = frames.of(Part::Files);
    progress.number(progress::FRAMES).store(0, SeqCst);
    progress.number(progress::NEXT).store(numbers.start as u64, SeqCst);
    let mut take_all = |progress: &Progress, unpacker: &mut Unpacker| loop {
        let number = progress.number(progress::NEXT).fetch_add(1, SeqCst);
        match usize::try_from(number) {
            Ok(number) if numbers.contains(&number) => {
                work(progress, unpacker, number)?;
                progress.number(progress::FRAMES).fetch_add(1, SeqCst);
            }
            _ => return Ok(()),
        }
    };
    let mut copies = Vec::new();
    for _ in 1..wanted(frames.memory(), numbers.len() as u64) {
        let copy = sys::aside(|| {
            // Where there is no memory for another one, fewer do the work.
            let Ok(mut unpacker) = Unpacker::new(frames) else { return };
            if let Err(error) = take_all(progress, &mut unpacker) {
                progress.fail(error);
                sys::exit(1);
            }
        });
        match copy {
            Ok(copy) => copies.push(copy),
            // Fewer do the work, too, where no further process is allowed.
            Err(_) => break,
        }
    }
    let mut done = take_all(progress, own);
    if done.is_err() {
        progress.number(progress::NEXT).store(NO_FRAME, SeqCst);
    }
    for copy in copies {
        if sys::ended(copy) != Ok(0) {
            progress.number(progress::NEXT).store(NO_FRAME, SeqCst);
        }
    }
    // Whatever has become of them: what counts is what they have done.
    if done.is_ok() && progress.number(progress::FRAMES).load(SeqCst) != numbers.len() as u64 {
        done = Err(progress.failure().unwrap_or_else(Error::worker_killed));
    }
    done
}

/// How many processes are worth it: no more than processors are allowed and frames are there, and together no
/// more than a quarter of the memory that is free.
fn wanted(memory_of_one: u64, frames: u64) -> u64 {
    if frames < 2 {
        return 1;
    }
    let most = sys::cpus().min(frames).min(MOST);
    if most < 2 { 1 } else { most.min(memory() / 4 / memory_of_one.max(1)).max(1) }
}

/// How much memory may be used: what is free, and no more than any group of processes allows that we are in.
fn memory() -> u64 {
    let read = |parts: &[&[u8]]| proc::read(c_string(parts), zeroed(4096)).unwrap_or_default();
    let free = proc::line(read(&[b"/proc/meminfo"]), b"MemAvailable:").and_then(proc::number);
    let mut memory = free.map_or(0, |kilobytes| kilobytes.saturating_mul(1024));
    let mut limit = |parts: &[&[u8]]| {
        if let Some(most) = proc::number(read(parts)) {
            memory = memory.min(most);
        }
    };
    let mut group = proc::line(read(&[b"/proc/self/cgroup"]), b"0::").unwrap_or_default();
    loop {
        limit(&[b"/sys/fs/cgroup", group, b"/memory.max"]);
        if group.is_empty() {
            break;
        }
        group = directory_of(group);
    }
    // Version 1, as a container sees its own.
    limit(&[b"/sys/fs/cgroup/memory/memory.limit_in_bytes"]);
    memory
}
