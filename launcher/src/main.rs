//! The bare program around the launcher: where the kernel enters, what a panic does, how it ends.
//!
//! Built by `cargo xtask launchers` only, for the eight hosts.
#![no_std]
#![no_main]

use launcher::sys::{self, Process};

launcher::entry!(main);

fn main(process: Process) -> i32 {
    launcher::run::main(&process)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing is left to try if standard error is closed.
    let _ = sys::stderr(b"unibin: internal error: the launcher panicked\n");
    sys::exit(launcher::error::EXIT_OURS)
}
