//! Layers on whole tensors `[N, C, D, H, W]`, as frameworks hold them, forward and backward.
//!
//! Where arithmetic dominates (convolutions) a sample is copied to channels-last memory, worked on there and copied
//! back: both copies together cost about a tenth of a 24 -> 24 convolution. Everything else works on the tensors in
//! place. Sums are cut by the shapes alone, never by the number of threads or lanes, so a result has the same bits on
//! every machine.

mod axis;
mod channels_last;
mod correlation;
mod elements;
mod general;
mod pointwise;
mod pool;
mod product;
mod resize;
mod same;
mod shared;
mod standardise;
mod sums;
mod weight_gradient;

pub use correlation::{Correlation, CorrelationShape, Filter};
pub use elements::{Elements, ElementsMut, Operand, convert};
pub use pointwise::Pointwise;
pub use pool::{Pooling, PoolingShape};
pub use resize::{Interpolation, Resize};
pub use standardise::{ChannelMoments, ParameterGradients, Standardisation};
pub use sums::channel_sums;

use crate::{Isa, Threads};

/// What a dense kernel runs on.
#[derive(Clone, Copy, Debug)]
pub struct Cores<'a> {
    /// Instruction set; one that this machine lacks is replaced by scalar code, which gives the same bits.
    pub isa: Isa,
    /// Who runs the tasks.
    pub threads: &'a Threads,
}

impl<'a> Cores<'a> {
    /// The best instruction set of this machine on `threads`.
    #[must_use]
    pub fn detect(threads: &'a Threads) -> Self {
        Self { isa: Isa::detect(), threads }
    }
}
