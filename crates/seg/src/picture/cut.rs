//! Where a slice is cut and how its pixels lie in the world.

use super::View;
use super::slice::{Plane, Sample, Stack, WorldBox};

/// First and last slice, as fractions of the labelled box.
const SPAN: [f64; 2] = [0.24, 0.78];

/// A slice: a plane at one position, seen one way, in square pixels.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) plane: Plane,
    pub(super) view: View,
    /// Position along the world axis that the plane is normal to.
    pub(super) position_mm: f64,
    /// Width and height, in pixels.
    pub(super) size: [usize; 2],
    /// World position of the centre of the first pixel, at the top left.
    corner: [f64; 3],
    /// World step per pixel along a row and down a column.
    steps: [[f64; 3]; 2],
}

/// Fraction of the box at which slice `index` of `count` is cut.
pub(super) fn fraction(index: usize, count: usize) -> f64 {
    if count == 1 { 0.5 } else { SPAN[0] + (SPAN[1] - SPAN[0]) * index as f64 / (count - 1) as f64 }
}

/// The fraction between the first slice and the last.
pub(super) fn middle_fraction() -> f64 {
    (SPAN[0] + SPAN[1]) / 2.0
}

/// Pixels that show the extent of a box along an axis.
pub(super) fn pixels(shown: &WorldBox, axis: usize, pixel_mm: f64) -> usize {
    (shown.extent(axis) / pixel_mm).ceil().max(1.0) as usize
}

impl Cut {
    /// A slice through `shown` at a fraction of its extent.
    pub(super) fn new(shown: &WorldBox, plane: Plane, fraction: f64, pixel_mm: f64, view: View) -> Self {
        let [across, up] = plane.axes();
        let mirrored = across == 0 && view == View::Radiological;
        let position_mm = shown.at(plane.normal(), fraction);
        let mut corner = [position_mm; 3];
        let mut steps = [[0.0; 3]; 2];
        let half = pixel_mm / 2.0;
        corner[across] = if mirrored { shown.high[across] - half } else { shown.low[across] + half };
        corner[up] = shown.high[up] - half;
        steps[0][across] = if mirrored { -pixel_mm } else { pixel_mm };
        steps[1][up] = -pixel_mm;
        let size = [pixels(shown, across, pixel_mm), pixels(shown, up, pixel_mm)];
        Self { plane, view, position_mm, size, corner, steps }
    }

    /// World position of the centre of a pixel, counted from the top left.
    pub(super) fn world(&self, x: usize, y: usize) -> [f64; 3] {
        let [across, down] = self.steps;
        std::array::from_fn(|a| self.corner[a] + x as f64 * across[a] + y as f64 * down[a])
    }

    /// The pixels, row by row from the top, with the nearest label or the one of most weight.
    pub(super) fn samples(&self, stack: &Stack, smooth: bool) -> Vec<Sample> {
        let [width, height] = self.size;
        let pixel = |(x, y): (usize, usize)| {
            let p_world = self.world(x, y);
            if smooth { stack.sample_smooth(p_world) } else { stack.sample(p_world) }
        };
        (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(pixel).collect()
    }
}
