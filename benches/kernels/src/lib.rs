//! Criterion suite of volkit-kernels: the layers and the network that are timed, and the clocks.
#![forbid(unsafe_code)]

mod case;
mod clock;
mod network;

pub use case::{Case, Layer, Noise, cases};
pub use clock::{Speeds, cpu_secs, measure, process_cpu_secs};
pub use network::{LABELS, u_net};
