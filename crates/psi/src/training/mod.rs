//! What is trained on patches: the network, its data, and what it minimises.

mod data;
mod height_net;
mod pinn;
mod tasks;
mod unet_predictor;

pub use data::{Curriculum, PatchData, PsiSample, network_input};
pub use height_net::{HeightNet, HeightNetConfig, NetInput, NetKind};
pub use pinn::{PinnConfig, PinnProblem};
pub use tasks::{FringeTask, HeightTask};
pub use unet_predictor::UNetPredictor;
