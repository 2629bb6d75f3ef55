//! What is minimised when no true height is known.

mod fringes;
mod interface;
mod smoothness;

pub use fringes::{FringeLoss, LossParts};
pub use interface::{AugmentedInterface, InterfaceLoss, interface_loss};
