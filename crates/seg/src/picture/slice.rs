//! Slices through a scan and its labels, cut in world space.

use std::collections::BTreeMap;

use volkit_core::{Affine, Volume};

use super::View;
use crate::SegError;

/// The three anatomical planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    Sagittal,
    Coronal,
    Axial,
}

impl Plane {
    pub(super) const ALL: [Self; 3] = [Self::Sagittal, Self::Coronal, Self::Axial];

    /// World axis that a slice has one position on.
    pub(super) fn normal(self) -> usize {
        match self {
            Self::Sagittal => 0,
            Self::Coronal => 1,
            Self::Axial => 2,
        }
    }

    /// World axes along the picture's rows and up its columns.
    pub(super) fn axes(self) -> [usize; 2] {
        match self {
            Self::Sagittal => [1, 2],
            Self::Coronal => [0, 2],
            Self::Axial => [0, 1],
        }
    }

    /// Letters at the upper and the lower edge of a slice.
    pub(super) fn ends(self) -> [&'static str; 2] {
        match self {
            Self::Axial => ["A", "P"],
            Self::Sagittal | Self::Coronal => ["S", "I"],
        }
    }

    pub(super) fn axis_name(self) -> char {
        ['x', 'y', 'z'][self.normal()]
    }

    /// Letters at the left and the right edge of a slice.
    pub(super) fn sides(self, view: View) -> [&'static str; 2] {
        match (self, view) {
            (Self::Sagittal, _) => ["P", "A"],
            (_, View::Neurological) => ["L", "R"],
            (_, View::Radiological) => ["R", "L"],
        }
    }
}

/// A box in world space, in mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct WorldBox {
    pub(super) low: [f64; 3],
    pub(super) high: [f64; 3],
}

impl WorldBox {
    pub(super) fn extent(&self, axis: usize) -> f64 {
        self.high[axis] - self.low[axis]
    }

    /// Position at a fraction of the way along an axis.
    pub(super) fn at(&self, axis: usize, fraction: f64) -> f64 {
        self.low[axis] + fraction * self.extent(axis)
    }
}

/// A scan and its labels on one grid, ready to be cut.
pub(super) struct Stack {
    size: [usize; 3],
    voxel_from_world: Affine,
    world_from_voxel: Affine,
    values: Vec<f32>,
    labels: Vec<u32>,
}

/// One pixel of a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) value: f32,
    pub(super) label: u32,
    pub(super) inside: bool,
}

impl Stack {
    pub(super) fn new(scan: &Volume, labels: &Volume) -> Result<Self, SegError> {
        let size = labels.meta().spatial_size();
        let n_voxels: usize = size.iter().product();
        if scan.meta().spatial_size() != size || labels.meta().n_voxels() != n_voxels {
            return Err(SegError::Option {
                name: "labels",
                value: format!("shape {:?}", labels.shape()),
                why: "a picture needs labels on the scan's grid",
            });
        }
        let mut values = scan.to_real::<f32>()?;
        values.truncate(n_voxels);
        Ok(Self {
            size,
            voxel_from_world: labels.affine().inverse()?,
            world_from_voxel: *labels.affine(),
            values,
            labels: labels.to_real()?,
        })
    }

    /// Values that black and white stand for: the 1st and 99.5th percentile of the finite voxels of a thinned scan.
    pub(super) fn window(&self) -> [f32; 2] {
        const SAMPLES: usize = 200_000;
        let step = (self.values.len() / SAMPLES).max(1);
        let mut sample: Vec<f32> = self.values.iter().copied().step_by(step).filter(|v| v.is_finite()).collect();
        if sample.is_empty() {
            return [0.0, 1.0];
        }
        sample.sort_by(f32::total_cmp);
        let at = |fraction: f64| sample[((sample.len() - 1) as f64 * fraction) as usize];
        let (low, high) = (at(0.01), at(0.995));
        if high > low { [low, high] } else { [low, low + 1.0] }
    }

    /// The box that holds nearly all labelled voxels, `margin_mm` wider; the whole scan where nothing is labelled.
    pub(super) fn labelled_box(&self, margin_mm: f64) -> WorldBox {
        let field = self.field_of_view();
        // Stray islands must not shrink the head in the picture.
        const STRAY: f64 = 0.001;
        let bins: [usize; 3] = std::array::from_fn(|axis| field.extent(axis).ceil() as usize + 1);
        let mut histograms = bins.map(|n| vec![0u64; n]);
        let mut total = 0u64;
        self.for_each_labelled(|p_world| {
            total += 1;
            for axis in 0..3 {
                let bin = (p_world[axis] - field.low[axis]).max(0.0) as usize;
                histograms[axis][bin.min(bins[axis] - 1)] += 1;
            }
        });
        if total == 0 {
            return field;
        }
        let mut labelled = field;
        let stray = (total as f64 * STRAY) as u64;
        for (axis, histogram) in histograms.iter().enumerate() {
            let end = |mut bins: Box<dyn Iterator<Item = (usize, &u64)> + '_>| {
                let mut seen = 0;
                bins.find(|(_, count)| {
                    seen += **count;
                    seen > stray
                })
                .map_or(0, |(bin, _)| bin)
            };
            let first = end(Box::new(histogram.iter().enumerate()));
            let last = end(Box::new(histogram.iter().enumerate().rev()));
            labelled.low[axis] = (field.low[axis] + first as f64 - margin_mm).max(field.low[axis]);
            labelled.high[axis] = (field.low[axis] + last as f64 + 1.0 + margin_mm).min(field.high[axis]);
        }
        labelled
    }

    /// Voxels of each label but the background.
    pub(super) fn label_counts(&self) -> BTreeMap<u32, u64> {
        let mut counts = BTreeMap::new();
        for run in self.labels.chunk_by(|a, b| a == b).filter(|run| run[0] != 0) {
            *counts.entry(run[0]).or_default() += run.len() as u64;
        }
        counts
    }

    fn for_each_labelled(&self, mut visit: impl FnMut([f64; 3])) {
        let [nx, ny, _] = self.size;
        for (index, _) in self.labels.iter().enumerate().filter(|&(_, &label)| label != 0) {
            let voxel = [index % nx, index / nx % ny, index / (nx * ny)];
            visit(self.world_from_voxel.apply(voxel.map(|i| i as f64)));
        }
    }

    fn field_of_view(&self) -> WorldBox {
        let mut field = WorldBox { low: [f64::INFINITY; 3], high: [f64::NEG_INFINITY; 3] };
        for corner in 0..8 {
            let voxel =
                std::array::from_fn(|axis| if corner >> axis & 1 == 1 { self.size[axis] as f64 - 0.5 } else { -0.5 });
            let p_world = self.world_from_voxel.apply(voxel);
            for (axis, x) in p_world.into_iter().enumerate() {
                field.low[axis] = field.low[axis].min(x);
                field.high[axis] = field.high[axis].max(x);
            }
        }
        field
    }

    /// The scan (linear) and its label (nearest) at a point of the world.
    pub(super) fn sample(&self, p_world: [f64; 3]) -> Sample {
        let p = self.voxel_from_world.apply(p_world);
        let mut nearest = [0; 3];
        for axis in 0..3 {
            let rounded = (p[axis] + 0.5).floor();
            if !(rounded >= 0.0 && rounded < self.size[axis] as f64) {
                return Sample::default();
            }
            nearest[axis] = rounded as usize;
        }
        Sample { value: self.linear(p), label: self.labels[self.offset(nearest)], inside: true }
    }

    /// The same with the label of most weight among the eight voxels around the point (each weighs as in linear
    /// interpolation; the lower label wins a tie): borders run smoothly, and the centre of a voxel has its own label.
    pub(super) fn sample_smooth(&self, p_world: [f64; 3]) -> Sample {
        let nearest = self.sample(p_world);
        let p = self.voxel_from_world.apply(p_world);
        let mut around = [(0, 0.0f32); 8];
        self.for_each_corner(p, |corner, at, weight| around[corner] = (self.labels[at], weight));
        if !nearest.inside || around.iter().all(|&(label, weight)| label == nearest.label || weight == 0.0) {
            return nearest;
        }
        let weight_of =
            |label: u32| -> f32 { around.iter().filter(|entry| entry.0 == label).map(|entry| entry.1).sum() };
        let mut best = (0.0, u32::MAX);
        for &(label, _) in &around {
            let weight = weight_of(label);
            if weight > best.0 || (weight == best.0 && label < best.1) {
                best = (weight, label);
            }
        }
        Sample { label: best.1, ..nearest }
    }

    fn offset(&self, [i, j, k]: [usize; 3]) -> usize {
        i + self.size[0] * (j + self.size[1] * k)
    }

    fn linear(&self, p: [f64; 3]) -> f32 {
        let mut sum = 0.0;
        self.for_each_corner(p, |_, at, weight| {
            let value = self.values[at];
            sum += weight * if value.is_finite() { value } else { 0.0 };
        });
        sum
    }

    /// Visits the voxels around a point, given in voxels, that have any weight in linear interpolation: the number of
    /// the corner, the voxel's offset, its weight.
    fn for_each_corner(&self, p: [f64; 3], mut visit: impl FnMut(usize, usize, f32)) {
        let last: [usize; 3] = self.size.map(|n| n - 1);
        let low: [usize; 3] = std::array::from_fn(|a| (p[a].max(0.0) as usize).min(last[a]));
        let t: [f32; 3] = std::array::from_fn(|a| (p[a] - low[a] as f64).clamp(0.0, 1.0) as f32);
        for corner in 0..8 {
            let step = [corner & 1, corner >> 1 & 1, corner >> 2 & 1];
            let weight: f32 = (0..3).map(|a| if step[a] == 1 { t[a] } else { 1.0 - t[a] }).product();
            if weight > 0.0 {
                visit(corner, self.offset(std::array::from_fn(|a| (low[a] + step[a]).min(last[a]))), weight);
            }
        }
    }
}
