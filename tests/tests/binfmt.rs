//! Handlers for `binfmt_misc`: the bytes of the table of CPUs against those that Debian registers, and the kernel itself.

use bundle::Arch;
use end_to_end::binfmt_d;

#[test]
fn each_of_the_33_cpus_is_known_by_the_bytes_that_debian_registers() {
    let debian = binfmt_d();
    let mut ours: Vec<_> = Arch::ALL.iter().collect();
    ours.sort_by_key(|arch| arch.qemu_name());
    let names: Vec<_> = debian.iter().map(|handler| handler.name.as_str()).collect();
    assert_eq!(names, ours.iter().map(|arch| format!("qemu-{}", arch.qemu_name())).collect::<Vec<_>>());
    for (arch, theirs) in ours.iter().zip(&debian) {
        let ours = arch.binfmt();
        assert_eq!((ours.magic(), ours.mask()), (&theirs.magic[..], &theirs.mask[..]), "{arch}");
        assert_eq!(theirs.flags, "OPF", "{arch}");
    }
}
