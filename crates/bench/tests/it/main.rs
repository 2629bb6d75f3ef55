//! Public behaviour of volkit-bench.
#![allow(clippy::unwrap_used)]

mod animal;
mod baseline;
mod clock;
mod measure;
mod metrics;
mod phantoms;
mod series;
