//! Integration tests of volkit-psi.
#![allow(clippy::unwrap_used)]

mod bad_weights;
mod golden;
mod net;
mod tiled;
