//! The launcher: the small static program that a bundle's stub starts on the host.
//!
//! A library so that its logic is tested as an ordinary program; `main.rs` adds what a bare program needs.
//! No `std`, no libc: the kernel is reached through [`sys`] alone.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod sys;
