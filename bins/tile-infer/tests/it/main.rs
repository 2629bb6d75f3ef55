//! The program, run as its users run it.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod bench;
mod networks;
mod resume;
mod runs;
#[cfg(feature = "stacks")]
mod stacks;
#[cfg(feature = "stores")]
mod stores;
