//! Networks as composites: whole tensors through candle's own operations, layer by layer, on any device candle has.
//!
//! Nothing here needs a kernel of ours. Batch norm is a multiply-add of whole 5-D tensors, as every device has it, and
//! not a fused operation that a device may refuse for more than four axes.

mod net;
mod run;

pub(crate) use net::{CompositeNet, ConvWeights, TensorIndex};
pub(crate) use run::CompositeRun;
