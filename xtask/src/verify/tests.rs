//! Each rule is tripped on a doctored copy of a committed launcher that keeps all of them.

use super::*;
use std::path::PathBuf;

/// Offsets in a 64-bit little-endian ELF file (gABI, `Elf64_Ehdr` and `Elf64_Phdr`).
const E_TYPE: usize = 16;
const E_MACHINE: usize = 18;
const E_PHOFF: usize = 32;
const E_FLAGS: usize = 48;
const E_PHNUM: usize = 56;
const PHDR_SIZE: usize = 56;
const P_FLAGS: usize = 4;
const P_ALIGN: usize = 48;
/// Types of segments (gABI; the last GNU's).
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_GNU_STACK: u32 = 0x6474_e551;

fn committed() -> PathBuf {
    crate::workspace().join(DIRECTORY)
}

fn good() -> (&'static Machine, Vec<u8>) {
    let machine = MACHINES.iter().find(|machine| machine.host == bundle::Arch::Aarch64).expect("a row");
    (
        machine,
        fs::read(committed().join(Program::Launcher.file_name(machine.host)))
            .expect("the launchers are committed"),
    )
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

/// The refusal of a launcher that `doctor` has changed.
fn refusal(doctor: impl FnOnce(&mut Vec<u8>)) -> String {
    let (machine, mut bytes) = good();
    let check = |bytes: &[u8]| check_program(Program::Launcher, machine, bytes);
    check(&bytes).expect("the committed launcher is good");
    doctor(&mut bytes);
    format!("{:#}", check(&bytes).expect_err("the doctored launcher is refused"))
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

fn find(bytes: &[u8], text: &[u8]) -> usize {
    bytes.windows(text.len()).position(|window| window == text).expect("the text is there")
}

#[test]
fn a_launcher_of_another_cpu_is_refused() {
    assert!(refusal(|b| put(b, E_MACHINE, &[62, 0])).contains("e_machine is 62"));
}

#[test]
fn a_launcher_of_another_abi_is_refused() {
    assert!(refusal(|b| put(b, E_FLAGS, &[1])).contains("e_flags is 0x1"));
}

#[test]
fn a_launcher_of_another_class_or_byte_order_is_refused() {
    assert!(refusal(|b| b[4] = 1).contains("ELF class"));
    assert!(refusal(|b| b[5] = 2).contains("byte order"));
}

#[test]
fn a_file_that_is_no_elf_file_is_refused() {
    assert!(!refusal(|b| b[0] = 0).is_empty());
    assert!(!refusal(|b| b.truncate(3)).is_empty());
    assert!(!refusal(|b| b.truncate(100)).is_empty());
}

#[test]
fn a_position_independent_launcher_is_refused() {
    assert!(refusal(|b| put(b, E_TYPE, &[3, 0])).contains("ET_EXEC"));
}

#[test]
fn a_launcher_that_wants_a_loader_or_libraries_is_refused() {
    for (wanted, says) in [(PT_INTERP, "PT_INTERP"), (PT_DYNAMIC, "PT_DYNAMIC")] {
        let text = refusal(|b| {
            let at = segment(b, PT_GNU_STACK);
            put(b, at, &wanted.to_le_bytes());
        });
        assert!(text.contains(says), "{text}");
    }
}

#[test]
fn a_writable_and_executable_segment_is_refused() {
    let text = refusal(|b| {
        let at = segment(b, PT_LOAD);
        b[at + P_FLAGS] = 7;
    });
    assert!(text.contains("writable and executable"), "{text}");
}

#[test]
fn an_executable_stack_is_refused_whether_said_or_left_open() {
    let said = refusal(|b| {
        let at = segment(b, PT_GNU_STACK);
        b[at + P_FLAGS] = 7;
    });
    assert!(said.contains("stack is executable"), "{said}");
    let open = refusal(|b| {
        let at = segment(b, PT_GNU_STACK);
        put(b, at, &[0; 4]);
    });
    assert!(open.contains("PT_GNU_STACK"), "{open}");
}

#[test]
fn segments_that_large_pages_cannot_hold_are_refused() {
    let text = refusal(|b| {
        let at = segment(b, PT_LOAD);
        put(b, at + P_ALIGN, &0x1000_u64.to_le_bytes());
    });
    assert!(text.contains("aligned to 0x1000"), "{text}");
}

#[test]
fn a_launcher_over_the_size_budget_is_refused() {
    let too_much = budget(Program::Launcher) + 1;
    assert!(refusal(|b| b.resize(too_much, 0)).contains(&format!("{too_much} bytes")));
}

#[test]
fn a_broker_has_a_budget_of_its_own() {
    let (machine, mut bytes) = good();
    bytes.resize(budget(Program::Broker) + 1, 0);
    let refused = check_program(Program::Broker, machine, &bytes).expect_err("one byte too many");
    let allowed = format!("{} are allowed", budget(Program::Broker));
    assert!(refused.to_string().contains(&allowed), "{refused}");
    bytes.pop();
    check_program(Program::Broker, machine, &bytes).expect("as much as is allowed");
    check_program(Program::Launcher, machine, &bytes).expect_err("too much for a launcher");
}

#[test]
fn a_path_of_the_building_machine_is_refused() {
    for path in MACHINE_PATHS {
        assert!(refusal(|b| b.extend_from_slice(path.as_bytes())).contains(path));
        // Behind what only looks like one it is still found.
        let both = [NO_MACHINE_PATH, path.as_bytes()].concat();
        assert!(refusal(|b| b.extend_from_slice(&both)).contains(path));
    }
    let (machine, mut bytes) = good();
    bytes.extend_from_slice(NO_MACHINE_PATH);
    check_program(Program::Launcher, machine, &bytes).expect("two constants side by side");
}

#[test]
fn a_patched_or_doubtful_head_slot_is_refused() {
    let missing = refusal(|b| {
        let at = find(b, HEAD);
        put(b, at, b"unibin-head:elf\0");
    });
    assert!(missing.contains("has 0 slots"), "{missing}");
    let doubtful = refusal(|b| b.extend_from_slice(HEAD));
    assert!(doubtful.contains("has 2 slots"), "{doubtful}");
}

/// A copy of the committed directory.
fn copy() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for entry in fs::read_dir(committed()).expect("the directory is committed") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("a copy");
    }
    copy
}

fn directory_refusal(copy: &tempfile::TempDir) -> String {
    format!("{:#}", check_directory(copy.path()).expect_err("the doctored directory is refused"))
}

#[test]
fn a_missing_launcher_is_refused_and_all_eight_are_accepted() {
    let copy = copy();
    fs::remove_file(copy.path().join("launcher-s390x")).expect("it is there");
    assert!(directory_refusal(&copy).contains("launcher-s390x"));
    fs::copy(committed().join("launcher-s390x"), copy.path().join("launcher-s390x")).expect("a copy");
    check_directory(copy.path()).expect("all eight, as committed");
}

#[test]
fn a_missing_broker_is_refused_and_one_of_another_cpu_too() {
    let copy = copy();
    let broker = |host: &str| copy.path().join(format!("broker-{host}"));
    fs::remove_file(broker("s390x")).expect("it is there");
    assert!(directory_refusal(&copy).contains("broker-s390x"));
    fs::copy(broker("riscv64"), broker("s390x")).expect("a copy");
    assert!(directory_refusal(&copy).contains("broker-s390x"));
    fs::copy(committed().join("broker-s390x"), broker("s390x")).expect("a copy");
    assert_eq!(check_directory(copy.path()).expect("all sixteen, as committed"), 16);
}

#[test]
fn a_file_that_is_no_launcher_is_refused() {
    let copy = copy();
    fs::write(copy.path().join("launcher-z80"), "").expect("a file");
    assert!(directory_refusal(&copy).contains("launcher-z80"));
}

#[test]
fn a_launcher_with_another_digest_than_listed_is_refused() {
    let copy = copy();
    let path = copy.path().join("launcher-riscv64");
    let mut bytes = fs::read(&path).expect("it is there");
    bytes.push(0);
    fs::write(&path, bytes).expect("a changed launcher");
    assert!(directory_refusal(&copy).contains("SHA256SUMS"));
}

#[test]
fn swapped_launchers_are_refused() {
    let copy = copy();
    fs::copy(committed().join("launcher-x86_64"), copy.path().join("launcher-riscv64")).expect("a copy");
    assert!(directory_refusal(&copy).contains("launcher-riscv64"));
}

#[test]
fn a_size_that_the_table_does_not_list_is_refused() {
    let copy = copy();
    let table = copy.path().join(SIZES);
    let listed = fs::read_to_string(&table).expect("the table of sizes is committed");
    fs::write(&table, listed.replacen('1', "2", 1)).expect("a changed table");
    assert!(directory_refusal(&copy).contains("SIZES"));
    fs::write(&table, listed).expect("the table as it was");
    check_directory(copy.path()).expect("restored, it is accepted");
}
