//! Each rule for emulators is tripped on a doctored copy of a committed one, and a patch that does not fit on
//! a source of two files.

use super::*;
use crate::foundry::pins::Committed;
use crate::foundry::{frame, table};

/// Offsets in a 64-bit little-endian ELF file (gABI, `Elf64_Ehdr` and `Elf64_Phdr`).
const E_TYPE: usize = 16;
const E_MACHINE: usize = 18;
const E_PHOFF: usize = 32;
const E_PHNUM: usize = 56;
const PHDR_SIZE: usize = 56;
const P_FLAGS: usize = 4;
const P_ALIGN: usize = 48;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
const PT_GNU_STACK: u32 = 0x6474_e551;
const EM_AARCH64: u8 = 183;

/// The smallest emulator that is committed for `x86_64`.
fn good() -> Vec<u8> {
    let home = crate::workspace().join("foundry/x86_64");
    let text = fs::read_to_string(home.join(table::TABLE)).expect("the table is committed");
    let table = Committed::read(&text).expect("a table");
    let packed = fs::read(home.join(table::FRAME)).expect("the frame is committed");
    let all = frame::unpack(&packed, table.frame.unpacked).expect("a frame");
    let member = table.members.values().min_by_key(|member| member.size).expect("an emulator");
    let from = usize::try_from(member.offset).expect("in memory");
    all[from..from + usize::try_from(member.size).expect("in memory")].to_vec()
}

/// Where the first program header of type `wanted` begins.
fn segment(bytes: &[u8], wanted: u32) -> usize {
    let first = usize::try_from(u64::from_le_bytes(bytes[E_PHOFF..][..8].try_into().unwrap())).unwrap();
    let count = usize::from(u16::from_le_bytes(bytes[E_PHNUM..][..2].try_into().unwrap()));
    (0..count)
        .map(|index| first + index * PHDR_SIZE)
        .find(|&at| bytes[at..][..4] == wanted.to_le_bytes())
        .expect("the segment is there")
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

#[test]
fn every_rule_is_tripped_by_a_program_that_breaks_it() {
    let good = good();
    let check = |bytes: &[u8]| check(Arch::X86_64, Arch::S390x, bytes);
    check(&good).expect("the committed emulator is good");
    let refused = |what: &str, doctor: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        doctor(&mut bytes);
        let told = format!("{:#}", check(&bytes).expect_err(what));
        assert!(told.contains(what) && told.contains("s390x for x86_64"), "{told}");
    };
    refused("ELF class", &|bytes| bytes[4] = 1);
    refused("byte order", &|bytes| bytes[5] = 2);
    refused("e_machine is 183", &|bytes| put(bytes, E_MACHINE, &[EM_AARCH64, 0]));
    refused("ET_EXEC", &|bytes| put(bytes, E_TYPE, &[3, 0]));
    let in_segment = |what: &str, of: u32, at: usize, new: &[u8]| {
        let place = segment(&good, of) + at;
        refused(what, &|bytes| put(bytes, place, new));
    };
    in_segment("PT_INTERP", PT_NOTE, 0, &PT_INTERP.to_le_bytes());
    in_segment("PT_DYNAMIC", PT_NOTE, 0, &PT_DYNAMIC.to_le_bytes());
    in_segment("writable and executable", PT_LOAD, P_FLAGS, &[7]);
    in_segment("stack is executable", PT_GNU_STACK, P_FLAGS, &[7]);
    in_segment("PT_GNU_STACK", PT_GNU_STACK, 0, &PT_NOTE.to_le_bytes());
    in_segment("aligned", PT_LOAD, P_ALIGN, &[0, 8, 0]);
}

#[test]
fn every_host_of_the_recipe_has_rules() {
    let text = Recipe::embedded();
    let hosts = crate::foundry::pins::Hosts::read(text.text("hosts.toml").expect("hosts")).expect("hosts");
    for host in hosts.rows.keys() {
        assert!(MACHINES.iter().any(|machine| machine.host == *host), "{host}");
    }
}

#[test]
fn a_patch_that_does_not_apply_is_named() {
    end_to_end::needs!("patch", "xz");
    let here = tempfile::tempdir().expect("a directory");
    let run = |script: &str| {
        let output = Command::new("sh").args(["-euc", script]).current_dir(here.path()).output().expect("sh");
        let both = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&both).into_owned())
    };
    let recipe = crate::workspace().join("foundry/recipe");
    fs::copy(recipe.join("source.sh"), here.path().join("source.sh")).expect("the script");
    let made = run("
        mkdir -p up/qemu-1 debian/patches source recipe/patches recipe/files/target
        printf 'one\\ntwo\\nthree\\n' >up/qemu-1/file
        printf '# a comment\\n\\nfirst.patch\\n' >debian/patches/series
        printf -- '--- a/file\\n+++ b/file\\n@@ -1,3 +1,3 @@\\n one\\n-two\\n+2\\n three\\n' >debian/patches/first.patch
        printf -- '--- a/file\\n+++ b/file\\n@@ -1,3 +1,3 @@\\n one\\n 2\\n-three\\n+3\\n' >recipe/patches/0001-ours.patch
        echo new >recipe/files/target/new
        tar -C up -cJf source/a.orig.tar.xz qemu-1
        tar -cJf source/a.debian.tar.xz debian
    ");
    assert!(made.0, "{}", made.1);
    let (applied, told) =
        run("sh source.sh $PWD/source $PWD/recipe $PWD/whole && cat whole/file whole/target/new");
    assert!(applied && told.ends_with("one\n2\n3\nnew\n"), "{told}");
    // One line of context differs: not even with fuzz.
    let (applied, told) = run("
        printf -- '--- a/file\\n+++ b/file\\n@@ -1,3 +1,3 @@\\n ones\\n 2\\n-3\\n+4\\n' >recipe/patches/0002-late.patch
        sh source.sh $PWD/source $PWD/recipe $PWD/tree
    ");
    assert!(!applied && told.contains("patch 0002-late.patch does not apply"), "{told}");
    let (applied, told) = run("
        rm recipe/patches/*
        sed -i s/two/twice/ debian/patches/first.patch
        tar -cJf source/a.debian.tar.xz debian
        sh source.sh $PWD/source $PWD/recipe $PWD/other
    ");
    assert!(!applied && told.contains("patch debian/patches/first.patch does not apply"), "{told}");
}
