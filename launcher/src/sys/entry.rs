//! From the kernel's first instruction to a safe `main`: what `_start` of each CPU calls.

use super::{Process, exit};

unsafe extern "Rust" {
    /// The program, which [`crate::entry!`] names.
    safe fn unibin_main(process: Process) -> i32;
}

/// `_start` of every CPU calls this with the stack pointer that the kernel set.
pub(super) extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: `_start` passes the untouched first stack, and nothing in this program writes above it.
    let process = unsafe { Process::from_stack(stack) };
    #[cfg(target_arch = "aarch64")]
    super::sha::learn(process.hwcap().0);
    exit(unibin_main(process))
}

/// Names the function that a bare program begins with, `fn(&Process) -> i32`; the result is the exit status.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(no_mangle)]
        fn unibin_main(process: $crate::sys::Process) -> i32 {
            $main(&process)
        }
    };
}
