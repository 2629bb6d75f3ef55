//! Behaviour of the public ops and layers.
#![allow(clippy::unwrap_used)]

mod activation;
mod blocks;
mod check;
mod conv;
mod device;
mod errors;
mod golden;
mod kernels;
mod layers;
mod memory;
mod norm;
mod pool;
mod sums;
mod tape;
mod u_net;
mod upsample;

/// Counts what a thread holds: see `memory`.
#[global_allocator]
static ALLOCATOR: volkit_kernels::Metered<std::alloc::System> = volkit_kernels::Metered(std::alloc::System);
