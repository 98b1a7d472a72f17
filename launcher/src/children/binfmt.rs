//! The second way: a `binfmt_misc` of the app's own, in a user namespace. The kernel then starts the emulator
//! itself for every execve, and no process of ours is needed beside the app. It takes Linux 6.7 and
//! unprivileged user namespaces.
//!
//! The price: in a user namespace with one user, files of all others seem to belong to `nobody`, and
//! set-user-ID bits have no effect.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Arch, Rule, TranslatorArguments};

use crate::bytes::{c_string, join};
use crate::error::Error;
use crate::log::Log;
use crate::private::map;
use crate::sys::{self, At, Errno, OFlags};

/// Where it is usually mounted; this directory need not be made.
const USUAL: &CStr = c"/proc/sys/fs/binfmt_misc";
/// The name of a directory beside the emulator, where the usual one is missing: a kernel without the module
/// loaded has none.
const BESIDE: &[u8] = b"/binfmt_misc";

/// What the handlers are registered with, as Debian's are: `F`: the emulator is opened now, so that it is
/// found whatever root a program has. `P`: a program's `argv[0]` is kept. `O`: the program is opened by the
/// kernel, so that it need not be readable. Not `C`: a program's set-user-ID bits would go to the emulator,
/// and count for nothing in a user namespace anyway.
const FLAGS: &[u8] = b"FPO";

/// What can fail, by the number of the step. The first stands for everything that the parent does.
const STEPS: [&str; 8] = [
    "entering the namespaces: {}",
    "a user namespace: {}",
    "mapping the user: {}",
    "private mounts: {}",
    "mounting binfmt_misc (Linux 6.7 lets users do that): {}",
    "registering an emulator: {}",
    "going back to the own user: {}",
    "the working directory: {}",
];

/// Enters a user namespace in which the kernel starts `emulators` for programs of their targets. Where that
/// fails, this process is as it was.
pub fn enter(emulators: &[(Arch, &CStr)], log: Log) -> Result<(), Error> {
    let failed = |(step, errno): (u8, Errno)| {
        let step = STEPS.get(usize::from(step)).or(STEPS.first()).copied().unwrap_or_default();
        Error::of_candidate(step, &[errno.text()])
    };
    let directory = sys::getcwd().map_err(|errno| failed((7, errno)))?;
    sys::enter_those_of(&|| prepare(emulators, directory), directory).map_err(failed)?;
    for (target, emulator) in emulators {
        log.step("the kernel starts {} for programs of {}", &[emulator.to_bytes(), target.name().as_bytes()]);
    }
    Ok(())
}

/// All of it, in a process that ends afterwards.
fn prepare(emulators: &[(Arch, &CStr)], directory: &CStr) -> Result<(), (u8, Errno)> {
    let step = |number: u8| move |errno: Errno| (number, errno);
    let (user, group) = sys::effective_ids();
    sys::unshare_users().map_err(step(1))?;
    // The kernel lets only user 0 of a namespace register.
    map(0, user, 0, group).map_err(step(2))?;
    sys::unshare_mounts().map_err(step(3))?;
    let place = mount(emulators).map_err(step(4))?;
    let register = c_string(&[place.to_bytes(), b"/register"]);
    for (target, emulator) in emulators {
        let register = sys::openat(At::CWD, register, OFlags::WRITE, 0).map_err(step(5))?;
        register.write_all(line(*target, emulator)).map_err(step(5))?;
    }
    sys::unshare_users().map_err(step(6))?;
    map(user, 0, group, 0).map_err(step(6))?;
    sys::chdir(directory).map_err(step(7))
}

/// Mounts it at the usual place, else in a directory beside the first emulator. Returns where.
fn mount(emulators: &[(Arch, &CStr)]) -> Result<&'static CStr, Errno> {
    let Err(errno) = sys::mount_binfmt_misc(USUAL) else { return Ok(USUAL) };
    let (Errno::ENOENT, Some((_, emulator))) = (errno, emulators.first()) else { return Err(errno) };
    let path = emulator.to_bytes();
    let name = path.rsplit(|byte| *byte == b'/').next().map_or(0, <[u8]>::len);
    let directory = path.get(..path.len().saturating_sub(name.saturating_add(1))).unwrap_or_default();
    let place = c_string(&[directory, BESIDE]);
    match sys::mkdirat(At::CWD, place, 0o700) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    sys::mount_binfmt_misc(place).map(|()| place)
}

/// The line that registers an emulator.
pub fn line(target: Arch, emulator: &CStr) -> &'static [u8] {
    let pattern = target.binfmt();
    // Any byte can stand between the fields, and each byte of a pattern can be written by its number.
    let between = if bundle::has(emulator.to_bytes(), b':') { b"\x01" } else { b":" };
    join(&[
        between,
        target.name().as_bytes(),
        between,
        b"M",
        between,
        between,
        escaped(pattern.magic()),
        between,
        escaped(pattern.mask()),
        between,
        emulator.to_bytes(),
        between,
        FLAGS,
    ])
}

fn escaped(bytes: &[u8]) -> &'static [u8] {
    let digit = |value: u8| b"0123456789abcdef".get(usize::from(value & 15)).copied().unwrap_or(b'0');
    let escaped: Vec<u8> =
        bytes.iter().flat_map(|byte| [b'\\', b'x', digit(byte >> 4), digit(*byte)]).collect();
    escaped.leak()
}

/// Options of QEMU that it takes from the environment too: the kernel hands an emulator no arguments but the
/// program's.
const VARIABLES: [(&[u8], &[u8]); 8] = [
    // The kernel starts it without a view: then paths that exist in the tree lead there.
    (b"-view", b"QEMU_LD_PREFIX="),
    (b"-L", b"QEMU_LD_PREFIX="),
    (b"-cpu", b"QEMU_CPU="),
    (b"-s", b"QEMU_STACK_SIZE="),
    (b"-R", b"QEMU_RESERVED_VA="),
    (b"-B", b"QEMU_GUEST_BASE="),
    (b"-E", b"QEMU_SET_ENV="),
    (b"-U", b"QEMU_UNSET_ENV="),
];

/// Arguments that become variables, where there is one for them; the others are left out, since the kernel
/// gives an emulator only the program and its arguments. What rules change in the environment is none of
/// them: all emulators get the app's.
#[derive(Default)]
struct AsVariables {
    variables: Vec<&'static CStr>,
    /// The variable of the option that the last argument was.
    option: Option<&'static [u8]>,
}

impl TranslatorArguments for AsVariables {
    fn argument(&mut self, parts: [&[u8]; 3]) {
        let argument = join(&parts);
        if let Some(name) = self.option.take() {
            self.variables.push(c_string(&[name, argument]));
        } else {
            let known = VARIABLES.iter().find(|(option, _)| *option == argument);
            self.option = known.map(|(_, name)| *name);
        }
    }

    fn argv0(&mut self) {}

    fn program(&mut self) {}

    fn rest(&mut self) {}
}

/// The variables that say what an emulator's rules say by arguments, for an app whose tree is `tree`.
pub fn variables<'r>(rules: impl Iterator<Item = Rule<&'r [u8]>>, tree: &[u8]) -> Vec<&'static CStr> {
    let mut found = AsVariables::default();
    rules.for_each(|rule| rule.call_translator(tree, &mut found));
    found.variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_the_kernel_reads_and_a_path_with_a_colon_is_no_end_of_a_field() {
        let wanted = br":riscv64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/e:FPO";
        assert_eq!(line(Arch::Riscv64, c"/e"), wanted);
        assert!(line(Arch::Riscv64, c"/a:b").ends_with(b"\x01/a:b\x01FPO"));
    }

    #[test]
    fn rules_become_variables_where_the_emulator_has_one_for_them() {
        let view: [Rule<&[u8]>; 2] = [Rule::View(b"-view"), Rule::Program];
        assert_eq!(variables(view.into_iter(), b"/t"), [c"QEMU_LD_PREFIX=/t"]);
        let rules: [Rule<&[u8]>; 8] = [
            Rule::Argument(b"-cpu"),
            Rule::Argument(b"-L"),
            Rule::Argument(b"-L"),
            Rule::Tree { before: b"", after: b"" },
            Rule::Argument(b"-strange"),
            Rule::Argument(b"-0"),
            Rule::Argv0,
            Rule::Program,
        ];
        assert_eq!(variables(rules.into_iter(), b"/t"), [c"QEMU_CPU=-L", c"QEMU_LD_PREFIX=/t"]);
    }
}
