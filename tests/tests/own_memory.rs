//! Where no directory can be written, an app of several files has one in memory, mounted for it alone; and it
//! hides nothing of the machine's.

use bundle::Arch;
use end_to_end::{Namespace, Sandbox, needs, pack};

/// A machine that its user can write nothing of.
const CLOSED: &str = "mkdir -p /run/unibin-test
    mount --bind . /run/unibin-test
    mount -o remount,ro,bind /run/unibin-test
    for place in /var/tmp /tmp /dev/shm /mnt; do mount -t tmpfs -o mode=0755 none $place; done
";

#[test]
fn where_nothing_can_be_written_an_app_of_several_files_has_memory_mounted_for_it_alone() {
    needs!("network", "mounts", "namespaces", "setpriv");
    let namespace = Namespace::Mounts.available().expect("asked for above");
    for target in [Arch::X86_64, Arch::Aarch64] {
        let line = format!("--deb busybox --target {target} --hosts x86_64 --level 1 --head elf:x86_64");
        let sandbox = Sandbox::new();
        sandbox.copy(&pack(&line.split(' ').collect::<Vec<_>>()), "busybox");
        let run = |more: &str| {
            let start = "cd /\nexec setpriv --reuid $1 --regid $1 --clear-groups \
                         env HOME=/run/unibin-test/home UNIBIN_LOG=1 /run/unibin-test/busybox \
                         sh -c 'echo \"$UNIBIN_FILE\"; busybox uname -m; exit 7'";
            namespace.run(&sandbox, &[CLOSED, more, start].concat(), &[sandbox.uid().to_string()])
        };
        // The bundle is on a mount of its own, whose path the kernel forgets for those who leave its mounts.
        let ran = run("");
        let told = format!("/run/unibin-test/busybox\n{target}\n");
        assert_eq!((ran.code(), ran.text().as_str()), (Some(7), told.as_str()), "{target}: {ran}");
        assert!(ran.errors().contains("in memory, at /mnt/unibin"), "{target}: {ran}");
        // Where something is, it is not hidden.
        let taken = "for place in /mnt /media /srv /opt; do\n\
                     mount -t tmpfs -o mode=0755 none $place; touch $place/taken; done\ntouch /var/tmp/taken\n";
        run(taken)
            .must_fail_with(125, &["no usable cache directory", "mounted for this start alone", "hint: "]);
    }
}
