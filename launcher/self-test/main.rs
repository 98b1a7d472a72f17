//! A bare program that makes every kind of system call once: `launcher::sys` on a CPU, real or emulated.
//!
//! It works in the current directory, ends with 42 if all is well, and without arguments executes itself
//! again.
#![no_std]
#![no_main]

launcher::entry!(self_test);

fn self_test(process: &launcher::sys::Process) -> i32 {
    use launcher::sys::*;
    let line = |text: &[u8]| {
        let _ = stdout(text);
        let _ = stdout(b"\n");
    };
    if process.args().len() > 1 {
        process.args().iter().for_each(|arg| line(arg.to_bytes()));
    }
    line(uname_machine().unwrap().as_bytes());
    line(process.execfn().unwrap().to_bytes());
    line(getcwd().unwrap().to_bytes());
    assert!(!process.secure() && process.page_size() >= 4096);
    let _ = unlinkat(At::CWD, c"t.tmp");
    let file =
        openat(At::CWD, c"t.tmp", OFlags::READ_WRITE | OFlags::CREATE | OFlags::EXCLUSIVE, 0o600).unwrap();
    file.truncate(0x1_8000_0000).unwrap();
    assert_eq!(file.stat().unwrap().size, 0x1_8000_0000);
    file.truncate(200_000).unwrap();
    file.write_all(b"hello").unwrap();
    let mut back = [0; 4];
    file.pread_exact(&mut back, 1).unwrap();
    assert_eq!(&back, b"ello");
    file.set_mtime(1_234_567_890).unwrap();
    set_mtime(At::CWD, c"t.tmp", 5_000_000_000, Follow::No).unwrap();
    let stat = statat(At::CWD, c"t.tmp", Follow::No).unwrap();
    assert_eq!((stat.mtime, stat.uid, stat.is_file()), (5_000_000_000, geteuid(), true));
    let map = Mapping::of_file(&file, 65536, 65536).unwrap();
    assert!(map.iter().all(|&byte| byte == 0));
    assert_eq!(&*Mapping::of_file(&file, 0, 5).unwrap(), b"hello");
    file.flock(Lock::TryExclusive).unwrap();
    symlinkat(c"t.tmp", At::CWD, c"l.tmp").unwrap();
    assert_eq!(readlinkat(At::CWD, c"l.tmp").unwrap(), c"t.tmp");
    linkat(At::CWD, c"t.tmp", At::CWD, c"k.tmp").unwrap();
    line(match renameat2(At::CWD, c"k.tmp", At::CWD, c"l.tmp", Rename::NoReplace) {
        Err(errno) => errno.name().as_bytes(),
        Ok(()) => b"replaced!",
    });
    let dir = openat(At::CWD, c".", OFlags::READ | OFlags::DIRECTORY, 0).unwrap();
    let names = dir.entries().map(Result::unwrap).filter(|e| e.name.to_bytes().ends_with(b".tmp")).count();
    assert_eq!(names, 3);
    for name in [c"t.tmp", c"l.tmp", c"k.tmp"] {
        unlinkat(dir.at(), name).unwrap();
    }
    let mut random = [0; 32];
    fill_random(&mut random).unwrap();
    assert_ne!(random, [0; 32]);
    let before = monotonic_milliseconds();
    sleep_milliseconds(20);
    assert!(monotonic_milliseconds() >= before + 19 && unix_seconds() > 1_700_000_000);
    memfd_create(c"x").unwrap().write_all(&random).unwrap();
    let signal = file_size_signal(Disposition::IGNORED);
    assert_eq!(file_size_signal(signal), Disposition::IGNORED);
    assert!(!starts_as_elf());
    if process.args().len() == 1 {
        let mut argv = Argv::new();
        argv.push(c"again");
        argv.push_owned(c"a b".into());
        let mut env = Argv::new();
        env.extend(process.env().iter().copied());
        let errno = execve(process.execfn().unwrap(), &argv, &env);
        line(errno.text().as_bytes());
        return 1;
    }
    42
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing is left to try if standard error is closed.
    let _ = launcher::sys::stderr(b"unibin: internal error: the launcher panicked\n");
    launcher::sys::exit(125)
}
