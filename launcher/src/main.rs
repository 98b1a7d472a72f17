//! The bare program around the launcher: where the kernel enters, what a panic does, how it ends.
//!
//! Built by `cargo xtask launchers` only, for the eight hosts.
#![no_std]
#![no_main]

launcher::entry!(launcher::run::main);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The launchers are built so that a panic is a trap of the CPU and never comes here; other builds of it
    // do. Nothing is left to try if standard error is closed.
    let _ = launcher::sys::stderr(b"unibin: internal error: the launcher panicked\n");
    launcher::sys::exit(launcher::error::EXIT_OURS)
}
