//! What a system runs: the entry or the user's command, found as the system's own shell would find it. This
//! is looked for inside, after the system has been entered.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Arch, has};

use super::files::Files;
use crate::bytes::{c_string, join, zeroed};
use crate::error::Error;
use crate::sys::{self, Errno, OFlags};

/// Scripts whose interpreters are scripts, that many deep (fs/exec.c, `exec_binprm`).
const DEPTH: u32 = 5;
/// So much of a file the kernel looks at (`BINPRM_BUF_SIZE` of `<linux/binfmts.h>`).
const HEAD: usize = 256;

/// A program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command<'a> {
    /// Its path in the root.
    pub path: &'a CStr,
    /// `argv[0]` and the others.
    pub arguments: Vec<&'a CStr>,
}

/// The path of a program called by `name`: itself if it has a slash, else in one of the directories of
/// `path`.
pub fn find(files: &Files, name: &CStr, path: &[u8]) -> Result<&'static CStr, Error> {
    let bytes = name.to_bytes();
    if has(bytes, b'/') {
        return match files.stat(name) {
            Ok(_) => Ok(c_string(&[bytes])),
            Err(errno) => Err(Error::not_in_system(bytes, errno)),
        };
    }
    let mut failure = Errno::ENOENT;
    for directory in path.split(|byte| *byte == b':').filter(|_| !bytes.is_empty()) {
        let directory = if directory.is_empty() { b"." } else { directory };
        let found = c_string(&[directory, b"/", bytes]);
        if !files.stat(found).is_ok_and(|stat| stat.is_file()) {
            continue;
        }
        match files.may_execute(found) {
            Ok(()) => return Ok(found),
            Err(errno) => failure = errno,
        }
    }
    Err(Error::not_in_system(bytes, failure))
}

/// Follows scripts to the program that runs them, as the kernel does: an emulator runs programs only. Whether
/// that program is one for `target`.
pub fn follow_scripts(files: &Files, command: &mut Command<'_>, target: Arch) -> Result<bool, Error> {
    for _ in 0..=DEPTH {
        let refused = |errno| Error::not_in_system(command.path.to_bytes(), errno);
        // What the kernel would not execute, an emulator must not either.
        files.may_execute(command.path).map_err(refused)?;
        let head = zeroed(HEAD);
        let read = files.open(command.path, OFlags::READ).and_then(|file| file.pread(head, 0));
        let head = head.get(..read.map_err(refused)?).unwrap_or_default();
        let Some((interpreter, argument)) = interpreter(head) else { return Ok(is_for(head, target)) };
        let mut arguments = Vec::from([c_string(&[interpreter])]);
        arguments.extend(argument.map(|argument| c_string(&[argument])));
        arguments.push(c_string(&[command.path.to_bytes()]));
        arguments.extend(command.arguments.iter().skip(1));
        *command = Command { path: c_string(&[interpreter]), arguments };
    }
    Err(Error::not_in_system(command.path.to_bytes(), Errno::ELOOP))
}

/// The program and its one argument in a script's first line (execve(2)).
fn interpreter(head: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let line = line.trim_ascii();
    let end = line.iter().position(is_blank).unwrap_or(line.len());
    let (program, argument) = line.split_at_checked(end)?;
    let argument = argument.trim_ascii();
    (!program.is_empty() && !has(line, 0)).then_some((program, Some(argument).filter(|it| !it.is_empty())))
}

fn is_for(head: &[u8], target: Arch) -> bool {
    let pattern = target.binfmt();
    let (magic, mask) = (pattern.magic(), pattern.mask());
    head.len() >= magic.len()
        && head.iter().zip(magic.iter().zip(mask)).all(|(byte, (wanted, mask))| byte & mask == wanted & mask)
}

/// A file of the root, as far as there is one; no larger than 16 MiB.
pub fn read(files: &Files, path: &CStr) -> &'static [u8] {
    let text = || {
        let file = files.open(path, OFlags::READ | OFlags::NON_BLOCK).ok()?;
        let stat = file.stat().ok().filter(sys::Stat::is_file)?;
        let text = zeroed(usize::try_from(stat.size.min(16 << 20)).ok()?);
        file.pread_exact(text, 0).ok()?;
        Some(join(&[text]))
    };
    text().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scripts_first_line_is_read_as_the_kernel_reads_it() {
        for (head, expected) in [
            (&b"#!/bin/sh\nrest"[..], Some((&b"/bin/sh"[..], None))),
            (b"#! /usr/bin/env -S perl -w \nx", Some((b"/usr/bin/env", Some(&b"-S perl -w"[..])))),
            (b"#!\t/bin/sh\t-e", Some((b"/bin/sh", Some(b"-e")))),
            (b"#!\n/bin/sh", None),
            (b"#!", None),
            (b"#!/bin/s\0h\n", None),
            (b"\x7fELF", None),
            (b"", None),
        ] {
            assert_eq!(interpreter(head), expected, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn a_program_is_known_by_its_head() {
        let pattern = Arch::Riscv64.binfmt();
        let head = pattern.magic();
        assert!(is_for(head, Arch::Riscv64) && !is_for(head, Arch::Aarch64));
        assert!(!is_for(&head[..head.len() - 1], Arch::Riscv64) && !is_for(b"", Arch::Riscv64));
    }
}
