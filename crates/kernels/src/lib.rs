//! SIMD kernels for 3-D networks on the CPU, on plain slices: no tensor framework, no volume types.
//!
//! Activations are channels-last (`[d][h][w][c]`, see [`Layout`]) and may be kept as a ring of depth planes, so that a
//! whole network runs in memory that does not grow with the depth of the volume. Kernels are chosen once, at run time,
//! by [`Isa`]; every kernel has a scalar twin that performs the same operations in the same order.

mod background;
mod buffer;
mod carve;
mod conv;
mod dense;
mod device;
mod error;
mod exec;
mod isa;
mod layout;
mod meter;
mod ops;
mod peak;
mod raster;
mod simd;
mod threads;
mod vectorize;

pub use buffer::{Buffer, Element};
pub use carve::{Beyond, Carve, Silhouette};
pub use conv::{Activation, Algorithm, Conv3d, ConvOptions, ConvShape, Epilogue, Mode};
pub use dense::{
    ChannelMoments, Cores, Correlation, CorrelationShape, Elements, ElementsMut, Filter, Interpolation, Operand,
    ParameterGradients, Pointwise, Pooling, PoolingShape, Resize, Standardisation, channel_sums, convert,
};
pub use device::DeviceRequest;
pub use error::KernelError;
pub use exec::{
    Blocks, BoxError, Executor, Graph, GraphBuilder, LabelSink, Plan, PlanOptions, PlaneSink, PlaneSource, SliceSink,
    SliceSource, Source, TensorId, Transposed, Workspace, no_progress,
};
pub use isa::Isa;
pub use layout::{Layout, Planes, PlanesMut};
pub use meter::Metered;
pub use ops::{
    Activate, Add, InstanceNorm, Label, MaxPool, ScaleShift, Softmax, Statistics, argmax, depth_to_space, upsample,
};
pub use peak::burn_multiply_adds;
pub use raster::{Frame, ImageGradient, ImageMut, Raster, RasterOptions, Splat, SplatGradient};
pub use threads::Threads;
pub use vectorize::{Vectorized, vectorize};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
