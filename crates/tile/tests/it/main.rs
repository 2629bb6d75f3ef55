//! Public behaviour of volkit-tile.
#![allow(clippy::unwrap_used)]

mod batches;
mod bench;
mod crop;
mod errors;
mod merge;
mod models;
mod outputs;
mod padding;
mod plan;
mod planes;
mod resume;
mod skip;
mod weights;
