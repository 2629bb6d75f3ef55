//! Training steps of layers and of a U-Net, for the timing of volkit-nn3d.
#![forbid(unsafe_code)]

mod step;
mod u_net;

pub use step::{ConvStep, Step, StepResult, UNetStep};
pub use u_net::UNet;
