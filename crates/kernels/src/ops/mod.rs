//! Element-wise operations, pooling and norms on ranges of depth planes.
//!
//! Each operation reads [`Planes`](crate::Planes), writes some planes of a [`PlanesMut`](crate::PlanesMut), never the
//! padding, and gives the same bits on every instruction set and for every number of threads.

mod activate;
mod add;
mod argmax;
mod depth_to_space;
mod instance_norm;
mod max_pool;
mod rows;
mod scale_shift;
mod softmax;
mod upsample;

pub use activate::Activate;
pub use add::Add;
pub use argmax::{Label, argmax};
pub use depth_to_space::depth_to_space;
pub use instance_norm::{InstanceNorm, Statistics};
pub use max_pool::MaxPool;
pub use scale_shift::ScaleShift;
pub use softmax::Softmax;
pub use upsample::upsample;
