//! Criterion suite of volkit-kernels: the layers that are timed, and the clock.
#![forbid(unsafe_code)]

mod case;
mod clock;

pub use case::{Case, Layer, cases};
pub use clock::{Speeds, cpu_secs, measure};
