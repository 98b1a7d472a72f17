//! Directories on a network's file system come last, and those that a user names come first. Not every
//! kernel has NFS, so strace(1) has statfs(2) say that everything is: stub and launcher see what they would
//! see there.

use bundle::Arch;
use end_to_end::{Namespace, Outcome, Sandbox, bundle_of, needs};

/// `f_type` of NFS, as the kernel writes it (statfs(2)).
const NFS: &str =
    "exec strace -f -qq -o /dev/null -e trace=statfs -e inject=statfs:poke_exit=@arg2=6969000000000000";

/// Where the sandbox is meanwhile: its own place may be below one that is hidden.
const HERE: &str = "/run/unibin-test";

/// Starts the bundle `busybox` in the sandbox, as its user, with these variables and below `seen`; `before`
/// is done as root.
fn start(sandbox: &Sandbox, before: &str, variables: &str, seen: &str) -> Option<Outcome> {
    let script = format!(
        "mkdir -p {HERE}\nmount --bind . {HERE}\ncd {HERE}\n\
         for place in /var/tmp /tmp /dev/shm; do mount -t tmpfs -o mode=1777 none $place; done\n{before}\n\
         exec setpriv --reuid $1 --regid $1 --clear-groups env HOME={HERE}/home UNIBIN_LOG=1 {variables} \
         sh -c '{seen} ./busybox uname -m'"
    );
    let namespace = Namespace::Mounts.available()?;
    Some(namespace.run(sandbox, &script, &[sandbox.uid().to_string()]))
}

#[test]
fn what_is_on_a_network_comes_last_unless_it_is_named() {
    needs!("x86_64", "network", "mounts", "setpriv", "strace", "ptrace");
    let local = "/var/tmp/unibin-";
    let closed = "chmod 0755 /var/tmp /tmp /dev/shm";
    let (named, job) =
        (format!("UNIBIN_CACHE={HERE}/home/named"), format!("SLURM_JOB_ID=7 SLURM_TMPDIR={HERE}/home"));
    for head in [&[][..], &["--head", "elf:x86_64"]] {
        for (before, variables, seen, used) in [
            ("", "", NFS, local),
            (closed, "", NFS, &format!("{HERE}/home/.cache/unibin/")),
            ("", &named, NFS, &format!("{HERE}/home/named/")),
            // A job's directory that is no directory of the node.
            ("", &job, NFS, local),
            ("", &job, "exec", &format!("{HERE}/home/unibin/")),
        ] {
            let sandbox = Sandbox::new();
            sandbox.copy(&bundle_of(Arch::X86_64, "x86_64", head), "busybox");
            for which in ["first", "second"] {
                let Some(ran) = start(&sandbox, before, variables, seen) else { return };
                assert_eq!(ran.text(), "x86_64\n", "{head:?} {variables} {which}: {ran}");
                let used = format!("unibin: executing {used}");
                assert!(ran.errors().contains(&used), "{head:?} {variables} {which}: {used}: {ran}");
            }
        }
    }
}
