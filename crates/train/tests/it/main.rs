//! Tests of the whole crate.
#![allow(clippy::unwrap_used)]

mod checkpoint;
mod gradients;
mod lbfgs;
mod loading;
mod observers;
mod optimizers;
mod precision;
mod schedules;
mod trainer;
