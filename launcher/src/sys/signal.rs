//! The one signal that the launcher has to do with: SIGXFSZ, which ends a process that writes more into a
//! file than `ulimit -f` allows. While it is ignored, write(2) says `EFBIG` instead, and the next directory
//! can be tried.

use super::call::call;
use linux_raw_sys::general as raw;

/// What a signal does: its default or nothing. Nothing else survives an execution, and the launcher handles
/// none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disposition(usize);

impl Disposition {
    /// `SIG_IGN`.
    pub const IGNORED: Self = Self(1);
}

/// Sets what SIGXFSZ does; returns what it did before.
pub fn file_size_signal(disposition: Disposition) -> Disposition {
    // At least the `struct sigaction` of every kernel here: handler, flags, restorer, mask of 64 bits. On
    // every host it begins with the handler, and the rest is zero where there is none
    // (include/linux/signal_types.h).
    let mut action = [disposition.0, 0, 0, 0, 0, 0, 0, 0];
    let pointer = action.as_mut_ptr() as usize;
    // SAFETY: the structure is large enough, may be read and written (the kernel reads it first:
    // kernel/signal.c, `rt_sigaction`), and the last argument is the size of its mask. It cannot fail.
    let _ =
        unsafe { call(raw::__NR_rt_sigaction, [raw::SIGXFSZ as usize, pointer, pointer, size_of::<u64>()]) };
    Disposition(action[0])
}
