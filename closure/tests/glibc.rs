//! How glibc's loader searches, rule by rule (ld.so(8); `_dl_map_object` in glibc's `elf/dl-load.c`).

mod fixture;

use bundle::Arch;
use closure::{Demand, Unusable};
use fixture::{Root, library, program, told};

const LIB: Arch = Arch::Riscv64;

#[test]
fn built_in_directories_are_searched_in_the_loaders_own_order() {
    let root = Root::new()
        .elf("bin/app", &program().needs("liba.so").needs("libb.so").needs("libc.so"))
        .elf("lib/riscv64-linux-gnu/liba.so", &library(LIB))
        .elf("usr/lib/liba.so", &library(LIB))
        .elf("usr/lib/riscv64-linux-gnu/libb.so", &library(LIB))
        .elf("lib/libb.so", &library(LIB))
        .elf("opt/libc.so", &library(LIB));
    assert_eq!(
        told(&root.closure("bin/app")),
        [
            "lib/riscv64-linux-gnu/liba.so (built-in directory)",
            "usr/lib/riscv64-linux-gnu/libb.so (built-in directory)",
            "libc.so is missing"
        ]
    );
}

#[test]
fn rpath_comes_before_the_library_path_and_runpath_after_it() {
    let root = Root::new()
        .elf("bin/old", &program().rpath("/own").needs("liba.so"))
        .elf("bin/new", &program().runpath("/own").needs("liba.so"))
        .elf("own/liba.so", &library(LIB))
        .elf("asked/liba.so", &library(LIB));
    let asked = [b"asked".to_vec()];
    let with = |program: &str| {
        let demand = Demand { program: program.as_bytes(), library_path: &asked, ..Demand::default() };
        told(&root.closure_with(&demand))
    };
    assert_eq!(with("bin/old"), ["own/liba.so (RPATH)"]);
    assert_eq!(with("bin/new"), ["asked/liba.so (library path)"]);
    assert_eq!(told(&root.closure("bin/new")), ["own/liba.so (RUNPATH)"]);
}

#[test]
fn rpath_is_inherited_by_what_a_library_needs_and_runpath_is_not() {
    let tree = |program| {
        Root::new()
            .elf("bin/app", &program)
            .elf("own/liba.so", &library(LIB).needs("libb.so"))
            .elf("own/libb.so", &library(LIB))
    };
    let old = tree(program().rpath("/own").needs("liba.so"));
    assert_eq!(told(&old.closure("bin/app")), ["own/liba.so (RPATH)", "own/libb.so (RPATH)"]);
    let new = tree(program().runpath("/own").needs("liba.so"));
    assert_eq!(told(&new.closure("bin/app")), ["own/liba.so (RUNPATH)", "libb.so is missing"]);
}

#[test]
fn a_runpath_takes_the_objects_own_rpath_and_the_inherited_one_out() {
    let root = Root::new()
        .elf("bin/app", &program().rpath("/own").needs("liba.so").needs("libc.so"))
        .elf("bin/both", &program().rpath("/own").runpath("/nowhere").needs("liba.so"))
        .elf("own/liba.so", &library(LIB).runpath("/nowhere").needs("libb.so"))
        .elf("own/libb.so", &library(LIB))
        .elf("own/libc.so", &library(LIB).needs("libd.so"))
        .elf("own/libd.so", &library(LIB));
    assert_eq!(
        told(&root.closure("bin/app")),
        ["own/liba.so (RPATH)", "own/libc.so (RPATH)", "own/libd.so (RPATH)", "libb.so is missing"]
    );
    assert_eq!(told(&root.closure("bin/both")), ["liba.so is missing"]);
}

#[test]
fn origin_is_the_directory_of_the_object_that_names_it() {
    let root = Root::new()
        .elf("opt/app/bin/app", &program().runpath("$ORIGIN/../lib").needs("liba.so"))
        .elf("opt/app/lib/liba.so", &library(LIB).runpath("${ORIGIN}/more").needs("libb.so"))
        .elf("opt/app/lib/more/libb.so", &library(LIB))
        .link("usr/bin/app", "../../opt/app/bin/app");
    let found = ["opt/app/bin/../lib/liba.so (RUNPATH)", "opt/app/bin/../lib/more/libb.so (RUNPATH)"];
    assert_eq!(told(&root.closure("opt/app/bin/app")), found);
    assert_eq!(told(&root.closure("usr/bin/app")), found, "the kernel tells the loader where a link leads");
}

#[test]
fn lib_and_platform_stand_for_what_this_cpu_and_this_loader_call_themselves() {
    let root = Root::new()
        .elf("bin/app", &program().runpath("/opt/$LIB").needs("liba.so"))
        .elf("opt/lib/riscv64-linux-gnu/liba.so", &library(LIB));
    assert_eq!(told(&root.closure("bin/app")), ["opt/lib/riscv64-linux-gnu/liba.so (RUNPATH)"]);

    let arch = Arch::Aarch64;
    let root = Root::empty()
        .elf("lib/ld-linux-aarch64.so.1", &library(arch).behind("\0/lib/\0/usr/lib/\0"))
        .elf(
            "bin/app",
            &library(arch)
                .interpreter("/lib/ld-linux-aarch64.so.1")
                .runpath("/opt/$PLATFORMS:/opt/${PLATFORM}")
                .needs("liba.so"),
        )
        .elf("opt/aarch64/liba.so", &library(arch));
    assert_eq!(told(&root.closure("bin/app")), ["opt/aarch64/liba.so (RUNPATH)"]);
}

#[test]
fn nodeflib_takes_built_in_directories_out_and_leaves_those_of_ld_so_conf() {
    let root = Root::new()
        .elf("bin/app", &program().nodeflib().needs("liba.so").needs("libb.so"))
        .file("etc/ld.so.conf", "/opt/lib\n/usr/lib\n")
        .elf("usr/lib/liba.so", &library(LIB))
        .elf("opt/lib/libb.so", &library(LIB));
    assert_eq!(told(&root.closure("bin/app")), ["opt/lib/libb.so (ld.so.conf)", "liba.so is missing"]);
}

#[test]
fn files_of_ld_so_conf_that_include_each_other_several_times_are_read_once() {
    let all = "include /etc/ld.so.conf /etc/also/ld.so.conf\ninclude *.conf /etc/*.conf /etc/ld.*\n";
    let root = Root::new()
        .elf("bin/app", &program().needs("liba.so").needs("libb.so"))
        .file("etc/ld.so.conf", &format!("{all}/opt/one\n"))
        .file("etc/other.conf", &format!("{all}/opt/two\n"))
        .link("etc/also", ".")
        .elf("opt/one/liba.so", &library(LIB))
        .elf("opt/two/libb.so", &library(LIB));
    let found = told(&root.closure("bin/app"));
    assert_eq!(found, ["opt/one/liba.so (ld.so.conf)", "opt/two/libb.so (ld.so.conf)"]);
}

#[test]
fn ld_so_conf_and_what_it_includes_are_read_inside_the_root_only() {
    let root = Root::new()
        .elf("bin/app", &program().needs("liba.so").needs("libb.so").needs("libc.so"))
        .file("etc/ld.so.conf", "# comment\ninclude /etc/ld.so.conf.d/*.conf\ninclude more.conf\n")
        .file("etc/ld.so.conf.d/1.conf", "/opt/one # why\n")
        .file("etc/ld.so.conf.d/2.conf.bak", "/opt/three\n")
        .link("etc/ld.so.conf.d/3.conf", "/etc/circle.conf")
        .file("etc/circle.conf", "include /etc/ld.so.conf\n")
        .file("etc/more.conf", "/opt/two\n")
        .elf("opt/one/liba.so", &library(LIB))
        .elf("opt/two/libb.so", &library(LIB))
        .elf("opt/three/libc.so", &library(LIB));
    assert_eq!(
        told(&root.closure("bin/app")),
        ["opt/one/liba.so (ld.so.conf)", "opt/two/libb.so (ld.so.conf)", "libc.so is missing"]
    );
}

#[test]
fn forms_for_newer_cpus_come_with_the_plain_one() {
    let root = Root::new()
        .elf("bin/app", &program().needs("liba.so"))
        .elf("usr/lib/glibc-hwcaps/z/liba.so", &library(LIB).needs("libb.so"))
        .elf("usr/lib/glibc-hwcaps/z/libother.so", &library(LIB))
        .elf("usr/lib/liba.so", &library(LIB))
        .elf("usr/lib/libb.so", &library(LIB));
    assert_eq!(
        told(&root.closure("bin/app")),
        [
            "usr/lib/liba.so (built-in directory)",
            "usr/lib/glibc-hwcaps/z/liba.so (glibc-hwcaps)",
            "usr/lib/libb.so (built-in directory)"
        ]
    );
}

#[test]
fn a_library_of_another_cpu_is_passed_over_and_named_when_there_is_no_other() {
    let root = Root::new()
        .elf("bin/app", &program().needs("liba.so").needs("libb.so"))
        .elf("lib/liba.so", &library(Arch::X86_64))
        .elf("usr/lib/liba.so", &library(LIB))
        .elf("lib/libb.so", &library(Arch::S390x))
        .file("usr/lib/libb.so", "INPUT(libb.so.1)");
    let closure = root.closure("bin/app");
    assert_eq!(told(&closure), ["usr/lib/liba.so (built-in directory)", "libb.so is missing"]);
    let found: Vec<_> = closure.missing[0].searched.iter().filter_map(|resolved| resolved.found).collect();
    assert_eq!(found, [Unusable::OtherCpu(Some(Arch::S390x)), Unusable::NotAnObject]);
}

#[test]
fn a_needed_name_with_a_slash_is_a_path() {
    let root = Root::new()
        .elf("bin/app", &program().needs("/opt/liba.so").needs("$ORIGIN/libb.so").needs("/lib/libc.so"))
        .elf("opt/liba.so", &library(LIB))
        .elf("bin/libb.so", &library(LIB))
        .elf("usr/lib/riscv64-linux-gnu/libc.so", &library(LIB));
    let expected = ["opt/liba.so (path)", "bin/libb.so (path)", "/lib/libc.so is missing"];
    assert_eq!(told(&root.closure("bin/app")), expected);
}

#[test]
fn what_is_loaded_under_a_soname_is_not_searched_for_again() {
    let root = Root::new()
        .elf("bin/app", &program().needs("/opt/real.so").needs("liba.so.1"))
        .elf("opt/real.so", &library(LIB).soname("liba.so.1").needs("ld-linux-riscv64-lp64d.so.1"))
        .elf("usr/lib/liba.so.1", &library(LIB));
    assert_eq!(told(&root.closure("bin/app")), ["opt/real.so (path)"]);
}

#[test]
fn libraries_are_loaded_breadth_first_and_the_first_to_ask_decides() {
    let root = Root::new()
        .elf("bin/app", &program().needs("liba.so").needs("libb.so"))
        .elf("lib/liba.so", &library(LIB).runpath("/a").needs("libx.so"))
        .elf("lib/libb.so", &library(LIB).runpath("/b").needs("libx.so").needs("libq.so"))
        .elf("a/libx.so", &library(LIB).needs("libq.so"))
        .elf("b/libx.so", &library(LIB));
    let closure = root.closure("bin/app");
    assert_eq!(
        told(&closure),
        [
            "lib/liba.so (built-in directory)",
            "lib/libb.so (built-in directory)",
            "a/libx.so (RUNPATH)",
            "libq.so is missing"
        ]
    );
    assert_eq!(closure.missing[0].by, [b"lib/libb.so".to_vec(), b"a/libx.so".to_vec()], "all who need it");
}

#[test]
fn preloads_come_first_and_are_searched_as_the_program_would() {
    let root = Root::new()
        .elf("bin/app", &program().runpath("/own").needs("liba.so"))
        .elf("own/liba.so", &library(LIB))
        .elf("own/libpre.so", &library(LIB).needs("libdeep.so"))
        .elf("lib/libdeep.so", &library(LIB));
    let preload = [b"libpre.so".to_vec()];
    let demand = Demand { program: b"bin/app", preload: &preload, ..Demand::default() };
    assert_eq!(
        told(&root.closure_with(&demand)),
        ["own/libpre.so (RUNPATH)", "own/liba.so (RUNPATH)", "lib/libdeep.so (built-in directory)"]
    );
}

#[test]
fn what_a_program_says_it_may_load_is_taken_where_it_is_there() {
    let note = r#"[{"soname":["libz.so.2","libz.so.1"],"priority":"recommended"},
        {"soname":["libq.so.1"],"priority":"suggested"},{"soname":["liby.so.1"],"feature":"ypsilon"}]"#;
    for arch in [Arch::Riscv64, Arch::S390x, Arch::Armv7] {
        let root = Root::empty()
            .elf("lib/ld.so.1", &library(arch).behind("\0/lib/\0/usr/lib/\0"))
            .elf("bin/app", &library(arch).interpreter("/lib/ld.so.1").dlopen(note))
            .elf("lib/libz.so.1", &library(arch))
            .elf("lib/libq.so.1", &library(arch));
        let closure = root.closure("bin/app");
        assert_eq!(told(&closure), ["lib/libz.so.1 (built-in directory)"], "{arch}");
        assert_eq!(closure.absent, [("liby.so.1".to_owned(), "ypsilon".to_owned())]);
    }
}

#[test]
fn without_a_loader_the_loader_is_what_is_missing() {
    let root =
        Root::empty().elf("bin/app", &program().needs("liba.so")).elf("usr/lib/liba.so", &library(LIB));
    assert_eq!(
        told(&root.closure("bin/app")),
        ["lib/liba.so (built-in directory)", "/lib/ld-linux-riscv64-lp64d.so.1 is missing"]
    );
}

#[test]
fn both_classes_and_both_byte_orders_are_read() {
    for arch in [Arch::I686, Arch::Armv7, Arch::S390x, Arch::Ppc64le, Arch::Mips, Arch::X86_64] {
        let root = Root::empty()
            .elf("lib/ld.so.1", &library(arch).behind("\0/lib/\0/usr/lib/\0"))
            .elf("bin/app", &library(arch).interpreter("/lib/ld.so.1").rpath("/own").needs("liba.so"))
            .elf("own/liba.so", &library(arch).soname("liba.so").needs("libb.so"))
            .elf("usr/lib/libb.so", &library(arch));
        let expected = ["own/liba.so (RPATH)", "usr/lib/libb.so (built-in directory)"];
        assert_eq!(told(&root.closure("bin/app")), expected, "{arch}");
    }
}
