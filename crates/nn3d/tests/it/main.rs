//! Behaviour of the public ops and layers.
#![allow(clippy::unwrap_used)]

mod activation;
mod blocks;
mod check;
mod conv;
mod errors;
mod golden;
mod kernels;
mod layers;
mod norm;
mod pool;
mod sums;
mod tape;
mod u_net;
mod upsample;
