//! Programs that the app starts. A program of the app's own CPU is refused by the host's kernel, unless somebody turns its execve
//! into one of the emulator.
//!
//! A launcher is too small for that: it only finds the bundle's broker for this host and becomes it. The broker is the same
//! program with all of this in it; it comes to the same route, and starts the app attended.

#[cfg(feature = "children")]
pub mod binfmt;
#[cfg(feature = "children")]
pub mod broker;
#[cfg(feature = "children")]
pub mod emulators;
#[cfg(feature = "children")]
pub mod exec;
#[cfg(feature = "children")]
pub mod place;
#[cfg(feature = "children")]
pub mod program;
#[cfg(feature = "children")]
pub mod scratch;
#[cfg(feature = "children")]
pub mod variables;

#[cfg(feature = "children")]
mod choice;
#[cfg(not(feature = "children"))]
mod hand_over;

#[cfg(feature = "children")]
pub use choice::attend;
#[cfg(not(feature = "children"))]
pub use hand_over::{become_broker, clean_by_broker};
