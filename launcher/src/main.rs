//! The bare program around the launcher: entry, panic, exit.
#![no_std]
#![no_main]
fn main() {}
