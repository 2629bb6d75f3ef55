//! Networks of Chebyshev polynomials, and how their first and second derivatives are carried forward with their values.

mod cheby;
mod cpikan;
mod jet;
mod layer_norm;

pub use cheby::ChebyKan;
pub use cpikan::{Domain, ScaledCpikan, ScaledCpikanConfig};
pub use jet::{Jet, tanh_jet};
pub use layer_norm::LayerNorm;
