//! The launcher: the small static program that a bundle's stub starts on the host.
//!
//! A library so that its logic is tested as an ordinary program; `main.rs` adds what a bare program needs.
//! No `std`, no libc: the kernel is reached through [`sys`] alone. [`run`] tells the story of one run:
//! [`start`] and [`controls`] say what is wanted, [`bundle_file`] what there is, [`route`] decides,
//! [`candidates`] and [`cache`] find a place, [`unpack`] fills it ([`workers`], [`frames`], [`zstd`],
//! [`tar`], [`pieces`]), [`launch`] builds what [`execute`] executes; [`memory`] and [`private`] are the
//! last resorts; [`tasks`] and `gc` are what else a bundle can be asked to do. A launcher only starts what is
//! unpacked, and leaves all else to its broker ([`children`]), so most of these steps are not in it.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod absolute;
#[path = "alloc.rs"] // `mod alloc` would hide the crate of that name
mod allocator;
pub mod attempt;
pub mod blob_reader;
pub mod bundle_file;
pub mod bytes;
pub mod cache;
pub mod candidates;
pub mod children;
pub mod compare;
pub mod controls;
pub mod directory;
pub mod durable;
pub mod error;
pub mod execute;
pub mod frames;
#[cfg(feature = "children")]
pub mod gc;
pub mod hash;
pub mod launch;
pub mod left_over;
pub mod log;
pub mod memory;
pub mod named;
pub mod pages;
pub mod pieces;
pub mod private;
pub mod probe;
pub mod proc;
pub mod progress;
pub mod route;
pub mod run;
mod slots;
pub mod start;
pub mod sys;
#[cfg(feature = "children")]
pub mod system;
pub mod tar;
pub mod tasks;
pub mod tracer;
pub mod unpack;
#[cfg(feature = "children")]
pub mod view;
pub mod way;
pub mod workers;
pub mod zstd;

#[cfg(feature = "rewind")]
pub use allocator::Rewinding;
