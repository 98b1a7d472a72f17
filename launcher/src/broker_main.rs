//! The bare program around the broker: with feature `children` the whole story, of which a launcher has only
//! room for the start of what is unpacked, and attending to the programs that the app starts. A launcher
//! unpacks it and executes it with its own arguments.
//!
//! Built by `cargo xtask launchers` only, for the eight hosts.
#![no_std]
#![no_main]

launcher::entry!(launcher::run::main);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The brokers are built so that a panic is a trap of the CPU and never comes here; other builds of it do.
    // Nothing is left to try if standard error is closed.
    let _ = launcher::sys::stderr(b"unibin: internal error: the broker panicked\n");
    launcher::sys::exit(launcher::error::EXIT_OURS)
}
