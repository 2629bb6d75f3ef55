//! Public behaviour of volkit-splat.
#![allow(clippy::unwrap_used)]

mod cameras;
#[cfg(feature = "candle")]
mod composite;
mod differences;
mod extremes;
#[cfg(feature = "files")]
mod files;
mod ply;
mod protocol;
mod reference;
mod scenes;
#[cfg(feature = "candle")]
mod tensors;
mod train;
#[cfg(feature = "viewer")]
mod viewer;
