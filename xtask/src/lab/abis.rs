//! Programs of a CPU's other kind, of 32 bits on one of 64: which of them its kernels run, and what comes of
//! each in the case `both-abis`.

use bundle::Arch;
use end_to_end::{CODE_OF_NOT_STARTING, STARTERS, Starter};

/// What each of them starts: busybox of the case's bundle, where the case has extracted it.
const STARTS: &str = "/home/user/x/usr/bin/busybox";

/// The kinds that there are for a CPU.
pub(crate) fn of(host: Arch) -> impl Iterator<Item = &'static Starter> {
    STARTERS.iter().filter(move |starter| starter.host == host)
}

/// The program, which becomes a shell of the app's: with an argument, a variable of its own, and the variable
/// of the bundle's that only those have who attend to children.
pub(crate) fn program(starter: &Starter) -> Vec<u8> {
    let script = r#"echo "$0|$1|$A|$UNIBIN_TARGET"; exit 7"#;
    starter.elf(STARTS, &["busybox", "sh", "-c", script, "a b", "c"], &["A=d"])
}

/// What the case prints of the kinds, in the order of their names. A kernel that runs none of a kind has to
/// say so.
pub(crate) fn expected(host: Arch) -> String {
    let mut kinds: Vec<_> = of(host).collect();
    kinds.sort_by_key(|kind| kind.name);
    let lines = kinds.into_iter().map(|Starter { name, .. }| {
        if runs(name) {
            let code = CODE_OF_NOT_STARTING;
            let by_broker = if is_attended_to(name) {
                "a b|c|d|@TARGET@\nexit 7\n".to_owned()
            } else {
                format!("exit {code}\n")
            };
            format!("{name}: exit {code}\nexit {code}\n{by_broker}")
        } else {
            format!("{name}: not run by this kernel\n")
        }
    });
    lines.collect()
}

/// Whether a broker changes the calls of that kind of program: it has nowhere to put what mmap(2) of 31-bit
/// programs on s390x takes from memory (docs/children.md).
fn is_attended_to(kind: &str) -> bool {
    kind != "s390"
}

/// Whether Debian's kernels run programs of that kind: those for riscv64 and ppc64le are built without
/// `CONFIG_COMPAT`, and none of s390x's is of Linux 6.19, which lost it.
fn runs(kind: &str) -> bool {
    !["ppcle", "riscv32"].contains(&kind)
}
