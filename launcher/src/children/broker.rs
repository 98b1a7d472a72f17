//! The broker: a process that traces the app and all its descendants. Each of them stops at execve until the
//! broker has looked at the call. The broker ends with the last of them. If it is killed they go on, but
//! every later execve fails with `ENOSYS`.

use alloc::vec::Vec;
use core::ffi::CStr;

use super::exec::Attendant;
use crate::sys::trace::{self, Event, Registers, Resume, Thread};
use crate::sys::{self, Errno, Fd};

/// What the broker's process is called.
pub const NAME: &CStr = c"unibin-broker";

/// What the broker says once it traces the app; anything else is the number of an error.
const READY: u8 = 0;

/// Lets a broker attend to this process from now on.
pub fn start(attendant: Attendant<'_>) -> Result<(), Errno> {
    let app = sys::getpid();
    let (answer, to_us) = sys::pipe()?;
    trace::allow_tracers(true);
    let begun = sys::beside(to_us, |to_app| run(app, to_app, attendant));
    let mut word = [0];
    let read = begun.and_then(|()| answer.read(&mut word));
    trace::allow_tracers(false);
    match (read?, word) {
        (1, [READY]) => {}
        (1, [code]) => return Err(Errno::from_number(code)),
        _ => return Err(Errno::ESRCH),
    }
    match sys::stop_at_exec() {
        // Who may not, has to give something up for it.
        Err(Errno::EACCES) => sys::no_new_privileges().and_then(|()| sys::stop_at_exec()),
        done => done,
    }
}

/// The broker's whole life.
fn run(app: u32, to_app: Fd, mut attendant: Attendant<'_>) -> i32 {
    sys::set_name(NAME);
    let seized = Thread::seize(app);
    let word = seized.err().map_or(READY, |errno| u8::try_from(errno.code()).unwrap_or(u8::MAX));
    let told = to_app.write_all(&[word]);
    drop(to_app);
    if word != READY || told.is_err() {
        return 1;
    }
    // Threads whose call was changed and has not returned, with their registers before.
    let mut changed: Vec<(Thread, Registers)> = Vec::new();
    while let Ok((thread, event)) = trace::wait() {
        let how = match event {
            Event::Ended => {
                changed.retain(|(other, _)| *other != thread);
                continue;
            }
            Event::Call => match attendant.attend(thread) {
                Some(before) => {
                    changed.push((thread, before));
                    Resume::ToEndOfCall
                }
                None => Resume::Run(0),
            },
            Event::Executed => {
                // A thread that was not its process's first has that one's number now.
                let before = thread.message().unwrap_or(thread);
                changed.retain(|(other, _)| *other != thread && *other != before);
                Resume::Run(0)
            }
            Event::CallEnded => {
                if let Some(at) = changed.iter().position(|(other, _)| *other == thread) {
                    let (_, before) = changed.swap_remove(at);
                    if let Ok(mut registers) = thread.registers() {
                        registers.restore(&before);
                        let _ = thread.set_registers(&registers);
                    }
                }
                Resume::Run(0)
            }
            Event::GroupStop => Resume::StayStopped,
            Event::Signal(signal) => Resume::Run(signal),
            Event::Other => Resume::Run(0),
        };
        thread.resume(how);
    }
    0
}
