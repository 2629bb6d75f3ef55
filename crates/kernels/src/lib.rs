//! SIMD kernels for 3-D networks on the CPU, on plain slices: no tensor framework, no volume types.
//!
//! Activations are channels-last (`[d][h][w][c]`, see [`Layout`]) and may be kept as a ring of depth planes, so that a
//! whole network runs in memory that does not grow with the depth of the volume. Kernels are chosen once, at run time,
//! by [`Isa`]; every kernel has a scalar twin that performs the same operations in the same order.

mod error;
mod isa;
mod layout;
mod threads;

pub use error::KernelError;
pub use isa::Isa;
pub use layout::{Layout, Planes, PlanesMut};
pub use threads::Threads;
