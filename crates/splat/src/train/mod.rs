//! Training of a scene from posed pictures, by the published rules of 3D Gaussian splatting.

mod config;
mod densify;
mod initial;
mod trainer;

pub use config::TrainerConfig;
pub use densify::{Densified, DensifyRules, Pulls};
pub use initial::{scene_from_points, scene_scale};
pub use trainer::{SplatTrainer, StepReport, TrainingView, adam_options, psnr};
