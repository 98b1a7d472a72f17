//! What the command line takes and refuses.

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_list_of_hosts_is_put_in_order_and_names_what_it_does_not_know() {
    let listed = hosts("arm64, amd64,aarch64");
    assert_eq!(listed, Ok(Hosts::Listed(vec![Arch::X86_64, Arch::Aarch64])));
    assert!(hosts("x86_64,vax").is_err_and(|error| error.contains("vax") && error.contains("s390x")));
    assert!(hosts("mips").is_err(), "a target that is no host");
}

#[test]
fn a_native_program_is_named_by_its_cpu_and_level() {
    let read = |text: &str| native(&text.into()).map(|native| (native.target, native.level, native.file));
    assert_eq!(read("aarch64"), Ok((Arch::Aarch64, 0, None)));
    assert_eq!(read("x86-64-v3=a=b"), Ok((Arch::X86_64, 3, Some("a=b".into()))));
    assert_eq!(read("x86_64-v4"), Ok((Arch::X86_64, 4, None)));
    assert!(read("x86_64-v1").is_err() && read("aarch64-v2").is_err() && read("mips=a").is_err());
}

#[test]
fn a_size_is_a_number_of_whole_sectors() {
    use crate::cli::values::bytes;

    assert_eq!(bytes("20G"), Ok(20 << 30));
    assert_eq!(bytes("1024"), Ok(1024));
    for refused in ["", "G", "0", "-1G", "+1G", "1.5G", "1GiB", "513", "99999999999T"] {
        assert!(bytes(refused).is_err(), "{refused}");
    }
}
