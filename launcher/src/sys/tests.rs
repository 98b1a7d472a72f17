//! Against the real kernel, in a directory of each test's own.

use super::*;
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;

fn directory() -> (std::path::PathBuf, Fd) {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("unibin-sys-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir(&path).expect("a directory of our own");
    let name = CString::new(path.as_os_str().as_bytes()).expect("no NUL in it");
    let fd = openat(At::CWD, &name, OFlags::READ | OFlags::DIRECTORY, 0).expect("it is there");
    (path, fd)
}

fn file(dir: &Fd, name: &CStr, content: &[u8]) -> Fd {
    let flags = OFlags::READ_WRITE | OFlags::CREATE | OFlags::EXCLUSIVE;
    let file = openat(dir.at(), name, flags, 0o644).expect("a new file");
    file.write_all(content).expect("room on the disk");
    file
}

#[test]
fn a_missing_file_is_enoent_and_a_second_exclusive_create_eexist() {
    let (path, dir) = directory();
    assert_eq!(openat(dir.at(), c"no", OFlags::READ, 0).err(), Some(Errno::ENOENT));
    drop(file(&dir, c"a", b""));
    let again = openat(dir.at(), c"a", OFlags::WRITE | OFlags::CREATE | OFlags::EXCLUSIVE, 0o600);
    assert_eq!(again.err(), Some(Errno::EEXIST));
    std::fs::remove_dir_all(path).expect("ours");
}

#[test]
fn a_link_at_the_end_is_refused_with_no_follow_and_shown_by_stat() {
    let (path, dir) = directory();
    file(&dir, c"a", b"abc");
    symlinkat(c"a", dir.at(), c"l").expect("a new link");
    assert_eq!(openat(dir.at(), c"l", OFlags::READ | OFlags::NO_FOLLOW, 0).err(), Some(Errno::ELOOP));
    assert!(statat(dir.at(), c"l", Follow::No).expect("it is there").is_symlink());
    let stat = statat(dir.at(), c"l", Follow::Yes).expect("it leads to a");
    assert_eq!((stat.is_file(), stat.size), (true, 3));
    assert_eq!(readlinkat(dir.at(), c"l").expect("a link"), c"a");
    assert_eq!(readlinkat(dir.at(), c"a"), Err(Errno::EINVAL));
    std::fs::remove_dir_all(path).expect("ours");
}

#[test]
fn the_old_stat_and_statx_say_the_same() {
    let (path, dir) = directory();
    let new = file(&dir, c"a", b"abc");
    new.set_mtime(1_234_567_890).expect("our own file");
    new.chmod(0o6750).expect("our own file");
    let stat = new.stat().expect("an open file");
    assert_eq!((stat.mtime, stat.permissions(), stat.nlink), (1_234_567_890, 0o6750, 1));
    // The old one knows nothing of mounts.
    let old = |stat| Stat { is_within_mount: false, ..stat };
    assert_eq!(word::old_stat(dir.argument(), c"a", 0), Ok(old(stat)));
    let null = statat(At::CWD, c"/dev/null", Follow::No);
    assert_eq!(word::old_stat(At::CWD.argument(), c"/dev/null", 0), null.map(old));
    std::fs::remove_dir_all(path).expect("ours");
}

#[test]
fn rename_refuses_replaces_or_exchanges_as_told() {
    let (path, dir) = directory();
    file(&dir, c"a", b"a");
    file(&dir, c"b", b"bb");
    let size = |name| statat(dir.at(), name, Follow::No).map(|stat| stat.size);
    let rename = |how| renameat2(dir.at(), c"a", dir.at(), c"b", how);
    assert_eq!(rename(Rename::NoReplace), Err(Errno::EEXIST));
    rename(Rename::Exchange).expect("both are there");
    assert_eq!((size(c"a"), size(c"b")), (Ok(2), Ok(1)));
    rename(Rename::Replace).expect("both are there");
    assert_eq!((size(c"a"), size(c"b")), (Err(Errno::ENOENT), Ok(2)));
    std::fs::remove_dir_all(path).expect("ours");
}

#[test]
fn a_directory_lists_every_name_once_and_itself_never() {
    let (path, dir) = directory();
    for index in 0..500 {
        file(&dir, &CString::new(format!("a-name-that-fills-the-buffer-{index:03}")).expect("no NUL"), b"");
    }
    mkdirat(dir.at(), c"sub", 0o700).expect("a new directory");
    let mut names: Vec<_> = dir.entries().map(|entry| entry.expect("no error")).collect();
    names.sort_by(|one, other| one.name.cmp(other.name));
    names.dedup();
    assert_eq!(names.len(), 501);
    assert!(names.iter().any(|entry| entry.name == c"sub" && entry.kind == Kind::Dir));
    let plain = file(&dir, c"f", b"");
    assert_eq!(plain.entries().next(), Some(Err(Errno::ENOTDIR)));
    assert_eq!(unlinkat(dir.at(), c"sub"), Err(Errno::EISDIR));
    assert_eq!(rmdirat(dir.at(), c"f"), Err(Errno::ENOTDIR));
    rmdirat(dir.at(), c"sub").expect("an empty directory");
    std::fs::remove_dir_all(path).expect("ours");
}

#[test]
fn a_second_opener_gets_eagain_until_the_lock_is_dropped() {
    let (path, dir) = directory();
    let first = file(&dir, c"a", b"");
    let second = openat(dir.at(), c"a", OFlags::READ, 0).expect("it is there");
    first.flock(Lock::TryExclusive).expect("free");
    assert_eq!(second.flock(Lock::TryShared), Err(Errno::EAGAIN));
    drop(first);
    second.flock(Lock::TryExclusive).expect("free again");
    std::fs::remove_dir_all(path).expect("ours");
}

#[test]
fn reading_behind_the_end_is_an_error_and_a_mapping_shows_the_bytes() {
    let (path, dir) = directory();
    let file = file(&dir, c"a", b"hello");
    let mut buffer = [0; 4];
    assert_eq!(file.pread_exact(&mut buffer, 2), Err(Errno::EIO));
    file.pread_exact(&mut buffer, 1).expect("four bytes from the second");
    assert_eq!(&buffer, b"ello");
    assert_eq!(Mapping::of_file(&file, 1, 4).err(), Some(Errno::EINVAL));
    assert_eq!(&*Mapping::of_file(&file, 0, 5).expect("five bytes"), b"hello");
    let mut pages = Pages::zeroed(3).expect("a page");
    pages[2] = 7;
    assert_eq!(*pages, [0, 0, 7]);
    std::fs::remove_dir_all(path).expect("ours");
}

#[test]
fn a_list_for_exec_keeps_its_order_and_what_it_owns() {
    let mut argv = Argv::new();
    assert!(argv.is_empty());
    argv.push(c"one");
    argv.push_owned(CString::new("two").expect("no NUL"));
    argv.extend([c"three", c""]);
    let strings: Vec<_> = argv.iter().collect();
    assert_eq!(strings, [c"one", c"two", c"three", c""]);
}

#[test]
fn exec_of_no_program_returns_why() {
    let (path, dir) = directory();
    let list = Argv::new();
    assert_eq!(execve(c"/no/such/program", &list, &list), Errno::ENOENT);
    let text = file(&dir, c"text", b"no program");
    assert_eq!(execveat(&text, &list, &list), Errno::EACCES);
    std::fs::remove_dir_all(path).expect("ours");
}

#[test]
fn a_variable_is_found_by_its_whole_name_and_the_first_one_counts() {
    let process = Process::new(&[], &[c"AB=no", c"A", c"A=1", c"A=2", c"B="]).with_aux(23, 1);
    assert_eq!(process.var(b"A"), Some(c"1"));
    assert_eq!(process.var(b"B"), Some(c""));
    assert_eq!(process.var(b"C"), None);
    assert!(process.secure());
    assert!(!Process::default().secure());
}

#[test]
fn an_unknown_error_keeps_its_number() {
    let errno = Errno::from_code(4095);
    assert_eq!((errno.code(), errno.name(), errno.text()), (4095, &b"E?"[..], &b"unknown error"[..]));
    assert_eq!((Errno::ENOENT.code(), Errno::ENOENT.name()), (2, &b"ENOENT"[..]));
}

#[test]
fn the_file_size_signal_is_ignored_for_a_while_and_then_again_what_it_was() {
    let ignored = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap() >> (linux_raw_sys::general::SIGXFSZ - 1) & 1
    };
    assert_eq!(ignored(), 0);
    let before = file_size_signal(Disposition::IGNORED);
    assert_eq!(ignored(), 1);
    assert_eq!(file_size_signal(before), Disposition::IGNORED);
    assert_eq!(ignored(), 0);
}

#[test]
fn the_launcher_as_built_starts_with_the_stub() {
    assert!(!starts_as_elf());
}
