//! Integration tests of volkit-pose.
#![allow(clippy::unwrap_used)]

mod carve;
mod colmap;
mod frames;
mod model;
mod prepare;
mod real_rig;
mod rig;
mod scene;
mod track;
mod world;
