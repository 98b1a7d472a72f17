//! The stub under every shell that may be `/bin/sh`: what it starts, what it leaves, and what it refuses.

mod cache;
mod fixture;
mod places;
mod refusal;
mod start;
