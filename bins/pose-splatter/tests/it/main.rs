//! Runs of the program.
#![allow(clippy::unwrap_used)]

mod inputs;
mod program;
mod reference;
mod tiny;
mod views;
