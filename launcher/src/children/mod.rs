//! Programs that the app starts. The host's kernel refuses programs of the app's CPU, unless their execve is
//! turned into one of the emulator.
//!
//! The launcher does not do that itself: it executes the bundle's broker for this host, as for all else that
//! is no warm start. The broker is the same program compiled with all of this; it chooses the same route and
//! starts the app.

#[cfg(feature = "children")]
pub mod binfmt;
#[cfg(feature = "children")]
pub mod broker;
#[cfg(feature = "children")]
pub mod emulators;
#[cfg(feature = "children")]
pub mod exec;
#[cfg(feature = "children")]
pub mod opaque;
#[cfg(feature = "children")]
pub mod place;
#[cfg(feature = "children")]
pub mod plan;
#[cfg(feature = "children")]
pub mod program;
#[cfg(feature = "children")]
pub mod rights;
#[cfg(feature = "children")]
pub mod scratch;
#[cfg(feature = "children")]
pub mod variables;
#[cfg(feature = "children")]
pub mod words;

#[cfg(feature = "children")]
mod choice;
#[cfg(not(feature = "children"))]
mod hand_over;

#[cfg(feature = "children")]
pub use choice::attend;
#[cfg(not(feature = "children"))]
pub use hand_over::{
    become_broker, is_for_broker, leave_to_broker, leave_to_broker_in, leave_to_broker_in_memory,
};
