//! The cameras around the animal.

use std::f64::consts::TAU;

use super::body::{M3, V3, apply};

/// What all cameras look at, in millimetres.
const TARGET: V3 = [0.0, 0.0, 20.0];
/// Distance of the ring from it.
const RING_MM: f64 = 400.0;
/// Where the camera above stands.
const TOP: V3 = [1.0, 0.0, 430.0];
/// Focal length as a part of the width of the picture.
const FOCAL: f64 = 1.90;

/// A pinhole camera; its axes are x right, y down, z forward, and the centre of the first pixel is at (0, 0).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnimalCamera {
    /// Rotation of a point of the world to the camera.
    pub rotation: [[f64; 3]; 3],
    /// Translation behind the rotation, in millimetres.
    pub translation: [f64; 3],
    /// Focal length along both axes.
    pub focal_px: f64,
    /// Principal point x, y.
    pub centre_px: [f64; 2],
    /// Columns and rows.
    pub size: [usize; 2],
}

pub(super) fn cameras(n: usize, size: [usize; 2]) -> Vec<AnimalCamera> {
    let n_ring = n - 1;
    let ring = (0..n_ring).map(|k| {
        let azimuth = TAU * k as f64 / n_ring as f64 + 0.1;
        let elevation = if k % 2 == 0 { 25.0f64 } else { 15.0 }.to_radians();
        let reach = RING_MM * elevation.cos();
        let eye = [reach * azimuth.cos(), reach * azimuth.sin(), TARGET[2] + RING_MM * elevation.sin()];
        camera(eye, [0.0, 0.0, 1.0], size)
    });
    ring.chain([camera(TOP, [1.0, 0.0, 0.0], size)]).collect()
}

fn camera(eye: V3, up: V3, size: [usize; 2]) -> AnimalCamera {
    let forward = unit(std::array::from_fn(|k| TARGET[k] - eye[k]));
    let right = unit(cross(forward, up));
    let rotation: M3 = [right, cross(forward, right), forward];
    let translation = apply(&rotation, eye).map(|x| -x);
    let centre_px = size.map(|n| 0.5 * (n as f64 - 1.0));
    AnimalCamera { rotation, translation, focal_px: FOCAL * size[0] as f64, centre_px, size }
}

fn cross(a: V3, b: V3) -> V3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(super) fn unit(v: V3) -> V3 {
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    v.map(|x| x / length)
}
