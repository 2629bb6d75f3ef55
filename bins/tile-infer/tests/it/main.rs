//! The program, run as its users run it.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod bench;
mod resume;
mod runs;
