//! How musl's loader searches, rule by rule (`load_library` in musl's `ldso/dynlink.c`).

mod fixture;

use bundle::Arch;
use closure::{Demand, Libc};
use fixture::{Elf, Root, library, told};

const ARCH: Arch = Arch::Riscv64;

fn program() -> Elf {
    library(ARCH).interpreter("/lib/ld-musl-riscv64.so.1")
}

fn root() -> Root {
    Root::empty().elf("lib/ld-musl-riscv64.so.1", &library(ARCH))
}

#[test]
fn musls_own_directories_are_searched_where_no_file_names_others() {
    let root = root()
        .elf("bin/app", &program().needs("liba.so").needs("libb.so"))
        .elf("usr/local/lib/liba.so", &library(ARCH))
        .elf("usr/lib/liba.so", &library(ARCH))
        .elf("usr/lib/riscv64-linux-gnu/libb.so", &library(ARCH));
    let closure = root.closure("bin/app");
    assert_eq!(closure.loader.libc, Libc::Musl);
    assert_eq!(told(&closure), ["usr/local/lib/liba.so (built-in directory)", "libb.so is missing"]);
}

#[test]
fn the_path_file_takes_the_place_of_the_built_in_directories() {
    let root = root()
        .elf("bin/app", &program().needs("liba.so").needs("libb.so"))
        .file("etc/ld-musl-riscv64.path", "/opt/one:/opt/two\n/opt/three\n")
        .elf("opt/three/liba.so", &library(ARCH))
        .elf("usr/lib/libb.so", &library(ARCH));
    let expected = ["opt/three/liba.so (ld-musl path file)", "libb.so is missing"];
    assert_eq!(told(&root.closure("bin/app")), expected);
}

#[test]
fn the_library_path_comes_before_rpath_and_both_kinds_of_it_are_inherited() {
    let root = root()
        .elf("bin/app", &program().runpath("$ORIGIN/../own").needs("liba.so").needs("libx.so"))
        .elf("own/liba.so", &library(ARCH).needs("libb.so"))
        .elf("own/libb.so", &library(ARCH))
        .elf("own/libx.so", &library(ARCH))
        .elf("asked/libx.so", &library(ARCH));
    let asked = [b"asked".to_vec()];
    let demand = Demand { program: b"bin/app", library_path: &asked, ..Demand::default() };
    assert_eq!(
        told(&root.closure_with(&demand)),
        ["bin/../own/liba.so (RUNPATH)", "asked/libx.so (library path)", "bin/../own/libb.so (RUNPATH)"]
    );
}

#[test]
fn the_c_librarys_own_names_mean_the_loader() {
    let root = root().elf(
        "bin/app",
        &program().needs("libc.so").needs("libpthread.so.0").needs("libm.so.6").needs("libmath.so"),
    );
    assert_eq!(told(&root.closure("bin/app")), ["libmath.so is missing"]);
}

#[test]
fn a_token_that_musl_does_not_know_makes_a_directory_unusable() {
    let root = root()
        .elf("bin/app", &program().runpath("/opt/$LIB:/own").needs("liba.so"))
        .elf("opt/lib/liba.so", &library(ARCH))
        .elf("own/liba.so", &library(ARCH));
    assert_eq!(told(&root.closure("bin/app")), ["own/liba.so (RUNPATH)"]);
}
