//! Normalisation over batch, instance and group, for any rank, never fused.
//!
//! What a device may refuse is a fused normalisation of five axes. Here there is none: statistics are sums, and the rest
//! is a broadcast multiply and add.

mod batch;
mod grouped;
mod standardise;

pub use batch::{BatchNorm, BatchNormConfig, BatchStatistics, batch_norm, batch_norm_training, fold_batch_norm};
pub use grouped::{GroupNorm, InstanceNorm, NormConfig, group_norm, instance_norm};
