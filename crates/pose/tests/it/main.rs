//! Integration tests of volkit-pose.
#![allow(clippy::unwrap_used)]

mod background;
mod brute;
mod carve;
mod colmap;
mod frames;
mod mat;
mod model;
mod pictures;
mod prepare;
mod project;
mod quality;
mod real_rig;
mod reference;
mod resume;
mod rig;
mod scene;
mod track;
mod world;
