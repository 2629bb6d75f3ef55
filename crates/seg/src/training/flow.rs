//! Smooth invertible deformations: a velocity field, integrated by scaling and squaring.

use rayon::prelude::*;

use super::field::{Field, Zoom};
use super::random::Random;

/// What flows are made of; see [`super::DeformationConfig`].
#[derive(Clone, Copy, Debug)]
pub(super) struct FlowShape {
    /// Voxels of the map.
    pub(super) map_size: [usize; 3],
    /// Control points a voxel.
    pub(super) scale: f64,
    /// Voxels of the map to one of the grid of integration.
    pub(super) reduction: usize,
    /// Doublings.
    pub(super) steps: u32,
}

/// Displacements, in voxels of the map, on a part of a coarse grid.
#[derive(Debug)]
pub(super) struct Flow {
    /// Coarse voxels of the whole map.
    whole: [usize; 3],
    /// First coarse voxel of the part.
    start: [usize; 3],
    field: Field<4>,
    zoom: [Zoom; 3],
}

/// The reference integrates displacements of half-size voxels as if they were whole ones.
const REFERENCE_REDUCTION: f32 = 2.0;

impl Flow {
    /// A random flow, known where it is asked for: at voxels `needed` (first and last along each axis) of the map. The same
    /// values come out as for the whole map.
    pub(super) fn new(shape: &FlowShape, deviation: f64, needed: [[f64; 2]; 3], random: &mut Random) -> Self {
        let points = shape.map_size.map(|n| ((n as f64 * shape.scale).ceil() as usize).max(1));
        let velocity = Field::<4>::random(points, deviation, 3, random);
        let whole = shape.map_size.map(|n| (n / shape.reduction).max(1));
        let per_step = REFERENCE_REDUCTION / shape.reduction as f32;
        // Each doubling looks as far as its displacements reach, and to the next point: in all this far.
        let reach = (velocity.largest() * per_step).ceil() as usize + shape.steps as usize + 1;
        let (mut start, mut size) = ([0; 3], whole);
        for axis in 0..3 {
            let ratio = whole[axis] as f64 / shape.map_size[axis] as f64;
            let [low, high] = needed[axis].map(|at| (at * ratio).clamp(0.0, (whole[axis] - 1) as f64));
            start[axis] = (low.floor() as usize).saturating_sub(reach);
            let end = (high.ceil() as usize + reach + 1).min(whole[axis]);
            size[axis] = end - start[axis];
        }
        let scaled = resized(&velocity, whole, start, size, 0.5f32.powi(shape.steps as i32));
        let mut flow = Self {
            whole,
            start,
            field: scaled,
            zoom: std::array::from_fn(|axis| Zoom::new(whole[axis], shape.map_size[axis] as f64)),
        };
        for _ in 0..shape.steps {
            flow.double(per_step);
        }
        flow
    }

    /// `v(p) += v(p + v(p))`.
    fn double(&mut self, per_step: f32) {
        let [nx, ny, _] = self.field.size;
        let (field, whole, start) = (&self.field, self.whole, self.start);
        let mut values = vec![[0.0f32; 4]; field.values.len()];
        values.par_chunks_exact_mut(nx * ny).enumerate().for_each(|(z, plane)| {
            for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
                let own = &field.values[nx * (y + ny * z)..][..nx];
                for (x, (out, v)) in row.iter_mut().zip(own).enumerate() {
                    let index = [x, y, z];
                    let moved = std::array::from_fn(|axis| {
                        let at = (index[axis] + start[axis]) as f32 + v[axis] * per_step;
                        at.clamp(0.0, (whole[axis] - 1) as f32) - start[axis] as f32
                    });
                    let further = field.at(moved);
                    *out = std::array::from_fn(|k| v[k] + further[k]);
                }
            }
        });
        self.field.values = values;
    }

    /// Points of a row of the coarse part.
    pub(super) fn row_len(&self) -> usize {
        self.field.size[0]
    }

    /// The coarse row at `y` and `z` of the map (not whole numbers in general).
    pub(super) fn row(&self, y: f32, z: f32, row: &mut [[f32; 4]]) {
        self.field.row(self.part(1, y), self.part(2, z), row);
    }

    /// Position along an axis of the map in the part: the points around it.
    pub(super) fn part(&self, axis: usize, at: f32) -> (usize, usize, f32) {
        let (low, high, share) = self.zoom[axis].locate(at);
        let last = self.field.size[axis] - 1;
        let within = |index: usize| index.saturating_sub(self.start[axis]).min(last);
        (within(low), within(high), share)
    }

    #[cfg(test)]
    pub(super) fn at(&self, p: [f32; 3]) -> [f32; 3] {
        let mut row = vec![[0.0; 4]; self.row_len()];
        self.row(p[1], p[2], &mut row);
        let (low, high, share) = self.part(0, p[0]);
        std::array::from_fn(|k| row[low][k] + (row[high][k] - row[low][k]) * share)
    }
}

/// The part `start`, `size` of `field` enlarged to `whole` voxels, times `factor`.
fn resized(field: &Field<4>, whole: [usize; 3], start: [usize; 3], size: [usize; 3], factor: f32) -> Field<4> {
    let zoom: [Zoom; 3] = std::array::from_fn(|axis| Zoom::new(field.size[axis], whole[axis] as f64));
    let [nx, ny, nz] = size;
    let mut values = vec![[0.0f32; 4]; nx * ny * nz];
    values.par_chunks_exact_mut(nx * ny).enumerate().for_each(|(z, plane)| {
        let mut points = vec![[0.0f32; 4]; field.size[0]];
        for (y, row) in plane.chunks_exact_mut(nx).enumerate() {
            field.row(zoom[1].locate((y + start[1]) as f32), zoom[2].locate((z + start[2]) as f32), &mut points);
            for (x, out) in row.iter_mut().enumerate() {
                let (low, high, share) = zoom[0].locate((x + start[0]) as f32);
                *out = std::array::from_fn(|k| factor * (points[low][k] + (points[high][k] - points[low][k]) * share));
            }
        }
    });
    Field { size, values }
}

/// The voxel nearest to a position that is clamped to the axis; halves go to the even one.
#[inline]
pub(super) fn nearest(at: f32, n: usize) -> usize {
    at.clamp(0.0, (n - 1) as f32).round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::{Flow, FlowShape, Random, nearest};

    const SHAPE: FlowShape = FlowShape { map_size: [64, 48, 56], scale: 0.08, reduction: 2, steps: 7 };

    #[test]
    fn a_part_equals_the_whole() {
        let whole = [[0.0, 63.0], [0.0, 47.0], [0.0, 55.0]];
        let part = [[20.0, 30.0], [0.0, 9.0], [40.0, 55.0]];
        for reduction in [1, 2, 4] {
            let shape = FlowShape { reduction, ..SHAPE };
            let of = |needed| Flow::new(&shape, 1.5, needed, &mut Random::new(3, &[]));
            let (whole, part) = (of(whole), of(part));
            assert!(part.field.values.len() < whole.field.values.len() || reduction > 1);
            for p in [[20.0, 0.0, 40.0], [25.5, 3.25, 47.0], [30.0, 9.0, 55.0]] {
                assert_eq!(whole.at(p), part.at(p), "{p:?}");
            }
        }
    }

    #[test]
    fn the_flow_follows_its_velocity() {
        // Euler's method with many steps integrates the same velocity.
        let whole = [[0.0, 63.0], [0.0, 47.0], [0.0, 55.0]];
        let of = |steps| {
            let shape = FlowShape { reduction: 1, steps, ..SHAPE };
            Flow::new(&shape, 1.5, whole, &mut Random::new(3, &[]))
        };
        let (flow, velocity) = (of(9), of(0));
        for p in [[30.0f32, 20.0, 25.0], [12.0, 33.0, 40.0]] {
            let mut at = p;
            for _ in 0..2000 {
                // One grid voxel is one of the map, yet displacements count twice, as in the reference.
                let v = velocity.at(at.map(|x| x.clamp(0.0, 63.0)));
                at = std::array::from_fn(|k| at[k] + 2.0 * v[k] / 2000.0);
            }
            let end = flow.at(p);
            for k in 0..3 {
                assert!((at[k] - p[k] - 2.0 * end[k]).abs() < 0.05, "{at:?} {end:?}");
            }
        }
    }

    #[test]
    fn halves_go_to_even() {
        assert_eq!([0.5f32, 1.5, 2.5, -3.0, 99.0].map(|at| nearest(at, 10)), [0, 2, 2, 0, 9]);
    }
}
