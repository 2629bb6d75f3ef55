//! Public behaviour of volkit-bench.
#![allow(clippy::unwrap_used)]

mod clock;
mod measure;
mod metrics;
mod phantoms;
