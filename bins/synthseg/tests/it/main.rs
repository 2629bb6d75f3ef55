//! The program, run as its users run it.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod batches;
mod bench;
mod compact;
mod interrupt;
mod nets;
mod single;
mod synthseg;
