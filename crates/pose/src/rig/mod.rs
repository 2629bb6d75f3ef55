//! The cameras of a recording.

mod camera;
mod colmap;
mod dannce;
mod distortion;
mod frame;
mod import;
mod middlebury;
mod up;

pub use camera::{Rig, RigCamera};
pub use distortion::Distortion;
pub use frame::{FrameKind, WorldFrame};
pub use up::{UpLine, up_from_lines, up_from_rig};
