//! Public behaviour of volkit-core.
#![allow(clippy::unwrap_used)]

mod conversions;
mod memory;
mod volume;
