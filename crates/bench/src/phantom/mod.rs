//! Volumes, and a network, made by code: inputs of any size that are known exactly and need no download.

mod animal;
mod grid;
mod head;
mod head_shape;
mod meshnet;
mod posteriors;
mod shells;
mod unet;

pub use animal::{AnimalCamera, AnimalPart, AnimalPhantom, AnimalPose, AnimalView};
pub use grid::Grid;
pub use head::HeadPhantom;
pub use head_shape::{HEAD_TISSUES, Tissue};
pub use meshnet::SeededMeshNet;
pub use posteriors::seeded_posteriors;
pub use shells::ShellsPhantom;
pub use unet::SeededUNet;

use volkit_core::Volume;

/// A volume made by code, with the labels that it was made from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Phantom {
    /// Intensities, `i16`.
    pub image: Volume,
    /// Labels on the same grid, `u8`.
    pub labels: Volume,
}

/// Turns intensities into an `i16` image and pairs it with its labels.
fn finish(grid: &Grid, intensity: &[f32], labels: Vec<u8>) -> Result<Phantom, crate::BenchError> {
    let to_stored = |&value: &f32| value.round_ties_even().clamp(0.0, f32::from(i16::MAX)) as i16;
    let affine = grid.affine()?;
    let image = Volume::new(grid.size, intensity.iter().map(to_stored).collect::<Vec<i16>>(), affine)?;
    Ok(Phantom { image, labels: Volume::new(grid.size, labels, affine)? })
}
