//! Where the tiles of one output of a model go.

use std::ops::Range;
use std::sync::Arc;

use volkit_core::{OutputSpec, Scale};

use crate::accumulate::Sum;
use crate::{AxisPlan, Blend, TileError, TilePlan, axis_weights};

/// One axis of what a tile adds to an output.
#[derive(Clone, Debug)]
pub(crate) struct Part<A> {
    /// Samples of the image.
    pub(crate) dst: Range<usize>,
    /// Where they lie in the model's output, context included.
    pub(crate) src: usize,
    /// Where they lie in the tile, context left out.
    pub(crate) in_tile: usize,
    /// Their weights; none for 1.
    pub(crate) weights: Option<Arc<[A]>>,
    /// Samples at the front that tiles before this one hold too.
    pub(crate) begun: usize,
}

/// Geometry of one output. A 1-D output has a second axis of one sample, so that there always is a row.
#[derive(Clone, Debug)]
pub(crate) struct Output<A> {
    pub(crate) name: String,
    pub(crate) channels: usize,
    /// Samples of the image.
    pub(crate) shape: Vec<usize>,
    /// Samples of the model's output for one tile.
    pub(crate) tile_shape: Vec<usize>,
    /// What the tiles of each axis add.
    pub(crate) parts: Vec<Vec<Part<A>>>,
    /// A map over the tile without context, `map_shape`, in place of weights per axis.
    pub(crate) map: Option<Arc<[A]>>,
    pub(crate) map_shape: Vec<usize>,
    /// Planes leave in multiples of so many, but for the last.
    pub(crate) plane_step: usize,
    scale: Scale,
    /// Samples of the image along axis 0, before the scale.
    input_planes: usize,
}

impl<A: Sum> Output<A> {
    pub(crate) fn new(plan: &TilePlan, blend: &Blend, spec: &OutputSpec, plane_step: usize) -> Result<Self, TileError> {
        let axes = plan.scaled(spec.scale)?;
        let parts = axes.iter().enumerate().map(|(axis, plan)| parts(axis, plan, blend)).collect::<Result<_, _>>()?;
        let mut output = Self {
            name: spec.name.clone(),
            channels: spec.channels,
            shape: axes.iter().map(AxisPlan::length).collect(),
            tile_shape: axes.iter().map(|axis| axis.tile() + 2 * axis.context()).collect(),
            parts,
            map: None,
            map_shape: axes.iter().map(AxisPlan::tile).collect(),
            plane_step,
            scale: spec.scale,
            input_planes: plan.axes()[0].length(),
        };
        if let Blend::Importance(map) = blend {
            let tile: Vec<usize> = plan.axes().iter().map(AxisPlan::tile).collect();
            let map = map.resized(&tile, &output.map_shape)?;
            output.map = Some(map.into_iter().map(A::from_f32).collect());
        }
        if output.shape.len() == 1 {
            for shape in [&mut output.shape, &mut output.tile_shape, &mut output.map_shape] {
                shape.push(1);
            }
            output.parts.push(vec![Part { dst: 0..1, src: 0, in_tile: 0, weights: None, begun: 0 }]);
        }
        Ok(output)
    }

    /// Samples of a plane of the image, a slice of one sample along axis 0.
    pub(crate) fn plane(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Whether parts of the model's output are added to nothing.
    pub(crate) fn discards(&self) -> bool {
        let whole = |(axis, parts): (usize, &Vec<Part<A>>)| parts.iter().all(|p| p.dst.len() == self.tile_shape[axis]);
        !self.parts.iter().enumerate().all(whole)
    }

    /// Planes of the image's input as planes of this output.
    pub(crate) fn scaled_planes(&self, planes: &Range<usize>) -> Result<Range<usize>, TileError> {
        let Scale { numerator, denominator } = self.scale;
        let ends = [planes.start * numerator, planes.end * numerator];
        let is_last = planes.end == self.input_planes;
        if !ends[0].is_multiple_of(denominator) || !(is_last || ends[1].is_multiple_of(denominator)) {
            let why = format!("the planes of output '{}' begin and end between samples", self.name);
            return Err(TileError::Config { field: "planes", value: format!("{planes:?}"), why });
        }
        if planes.start > planes.end || planes.end > self.input_planes {
            let why = format!("the image has {} planes along axis 0", self.input_planes);
            return Err(TileError::Config { field: "planes", value: format!("{planes:?}"), why });
        }
        Ok(ends[0] / denominator..if is_last { self.shape[0] } else { ends[1] / denominator })
    }

    /// The rows of tiles that add to these planes.
    pub(crate) fn rows_for(&self, planes: &Range<usize>) -> Range<usize> {
        let touches = |part: &&Part<A>| part.dst.start < planes.end && part.dst.end > planes.start;
        let first = self.parts[0].iter().position(|part| touches(&part)).unwrap_or(0);
        let n = self.parts[0].iter().filter(touches).count();
        first..first + n
    }

    /// Samples of the model's output for one tile, all channels.
    pub(crate) fn tile_len(&self) -> usize {
        self.channels * self.tile_shape.iter().product::<usize>()
    }

    /// Most planes that are kept at a time: unfinished ones, and finished ones that do not make a whole step.
    pub(crate) fn ring_planes(&self) -> usize {
        let kept = |(row, part): (usize, &Part<A>)| part.dst.end - self.final_before(row).min(part.dst.start);
        self.parts[0].iter().enumerate().map(kept).max().unwrap_or(0)
    }

    /// The planes that leave after the row: all before this one. They are final, and whole steps but for the last.
    pub(crate) fn final_after(&self, row: usize) -> usize {
        let next = self.parts[0].get(row + 1);
        next.map_or(self.shape[0], |next| next.dst.start / self.plane_step * self.plane_step)
    }

    /// The planes that are final before the row.
    pub(crate) fn final_before(&self, row: usize) -> usize {
        if row == 0 { 0 } else { self.final_after(row - 1) }
    }

    /// The first row that adds to planes which are not final before the row `row`.
    pub(crate) fn first_row_for(&self, row: usize) -> usize {
        let done = self.final_before(row);
        self.parts[0].iter().position(|part| part.dst.end > done).unwrap_or(row).min(row)
    }
}

fn parts<A: Sum>(axis: usize, plan: &AxisPlan, blend: &Blend) -> Result<Vec<Part<A>>, TileError> {
    let weights = match blend {
        Blend::Window(window) => Some(shared(&axis_weights(axis, plan, window.as_ref())?)),
        Blend::Crop | Blend::Importance(_) => None,
    };
    if let Some(position) = first_gap(plan) {
        return Err(TileError::Uncovered { axis, position });
    }
    let held = |i: usize| if matches!(blend, Blend::Crop) { plan.core(i) } else { plan.covered(i) };
    let part = |i: usize| {
        let dst = held(i);
        let in_tile = (dst.start as isize - plan.starts()[i]) as usize;
        let weights = weights.as_ref().map(|weights| Arc::clone(&weights[i]));
        // Ends increase, so what any tile before holds the one before holds.
        let begun = if i == 0 { 0 } else { held(i - 1).end.saturating_sub(dst.start).min(dst.len()) };
        Part { dst, src: in_tile + plan.context(), in_tile, weights, begun }
    };
    Ok((0..plan.n_tiles()).map(part).collect())
}

/// Samples that no tile holds: those before a positive offset.
fn first_gap(plan: &AxisPlan) -> Option<usize> {
    (plan.covered(0).start > 0).then_some(0)
}

/// Converts weights; tiles that shared them still do.
fn shared<A: Sum>(weights: &[Arc<[f64]>]) -> Vec<Arc<[A]>> {
    let mut out: Vec<Arc<[A]>> = Vec::with_capacity(weights.len());
    for (i, own) in weights.iter().enumerate() {
        let same = i > 0 && Arc::ptr_eq(own, &weights[i - 1]);
        out.push(if same { Arc::clone(&out[i - 1]) } else { own.iter().map(|&w| A::from_f64(w)).collect() });
    }
    out
}
