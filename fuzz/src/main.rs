//! libFuzzer around one target, which `UNIBIN_FUZZ` names. Built and started by `cargo xtask fuzz`.
#![no_main]

use std::alloc::System;
use std::sync::OnceLock;

use launcher::Rewinding;

/// libFuzzer runs every input on one thread, and we start no other.
#[global_allocator]
static MEMORY: Rewinding<System> = Rewinding::new(System);

static RUN: OnceLock<fn(&[u8])> = OnceLock::new();

fn chosen() -> fn(&[u8]) {
    fuzz::ONCE.get_or_init(|| |work| MEMORY.once(work));
    let name = std::env::var("UNIBIN_FUZZ").unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| panic!("UNIBIN_FUZZ names no target: `{name}`")).run
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| RUN.get_or_init(chosen)(input));
