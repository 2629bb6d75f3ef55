//! MeshNet: a chain of dilated convolutions that labels a conformed head at full resolution.

mod config;
mod decide;
mod load;
mod network;
mod segment;
mod source;

pub use config::{MeshNetConfig, MeshNetLayer};
pub use decide::Decisions;
pub use network::MeshNet;
