//! Training on label maps alone: synthetic scans, and what a network is told about its answers.

mod classes;
mod config;
mod contrast;
mod deform;
mod field;
mod flow;
mod generation_labels;
mod generator;
mod intensity;
mod label_map;
mod loss;
mod random;
mod resolution;
#[cfg(feature = "candle")]
mod unet;

pub use classes::as_subcortical;
pub use config::{
    BiasConfig, CropConfig, DeformationConfig, GammaConfig, GeneratorConfig, IntensityConfig, ResolutionConfig,
};
pub use contrast::FixedContrast;
pub use generator::{Generator, Sample};
pub use label_map::LabelMap;
pub use loss::{LossConfig, LossValue};
#[cfg(feature = "candle")]
pub use unet::{Parameter, Pass, Renorm, TrainableUNet, UNetConfig};
