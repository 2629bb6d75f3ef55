//! Runs of the program.
#![allow(clippy::unwrap_used)]

mod tiny;
