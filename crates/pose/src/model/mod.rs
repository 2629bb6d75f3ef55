//! Hulls to Gaussians: the network, its loss, its training and its measures.

mod evaluate;
mod gaussians;
mod initial;
mod loss;
mod metrics;
mod recording;
mod reference;
mod render;
mod scene_model;
mod trainer;
mod unet;

pub use evaluate::evaluate_frame;
pub use gaussians::{ModelConfig, PoseModel};
pub use loss::{LossParts, LossWeights};
pub use metrics::{MetricsTable, ViewMetrics, view_metrics};
pub use recording::{Recording, Split};
pub use reference::ReferenceModel;
pub use render::scene_of;
pub use scene_model::SceneModel;
pub use trainer::{EpochReport, TrainConfig, Trainer};
pub use unet::{UNet3d, UNet3dConfig};
