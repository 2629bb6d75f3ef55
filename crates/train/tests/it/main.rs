//! Tests of the whole crate.
#![allow(clippy::unwrap_used)]

mod checkpoint;
mod gradients;
mod lbfgs;
mod optimizers;
mod schedules;
