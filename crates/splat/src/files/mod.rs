//! Posed pictures from files, and pictures to files. (Feature `files`.)

mod orbit;
mod picture;
mod transforms;

pub use orbit::{Orbit, Turntable};
pub use picture::{PosedImage, encode_png, write_png};
pub use transforms::{TransformsOptions, read_transforms};
