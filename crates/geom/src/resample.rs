//! Resampling from grid to grid.

use volkit_core::{Affine, AxisMap, Element, Volume, Voxels, with_real_voxels, with_voxels};

use crate::error::{check_len, zeros};
use crate::oblique::{self, Source};
use crate::prefilter::Coefficients;
use crate::reorient::reorient_slice;
use crate::sample::Accumulator;
use crate::separable::{self, AxisTable, is_whole};
use crate::taps::AxisRule;
use crate::{GeomError, Grid, Order, Outside, Resampling, Sample, finite};

const OP: &str = "resample";
/// A shear that moves no voxel of the row by more than this counts as none.
const NO_SHEAR: f64 = 2.5e-10;

/// The volume as it looks on another grid, in its own element type. Axes past the third are resampled one by one.
///
/// Integers round half away from zero and clamp; order 0 copies, so it takes colours and complex numbers too.
///
/// # Errors
/// [`GeomError::Parameter`] (see [`Resampling::validate`]), [`GeomError::DType`] for colours and complex numbers with
/// another order or another constant than 0, [`GeomError::Empty`], [`GeomError::TooLarge`], a singular affine.
pub fn resample(volume: &Volume, to: &Grid, how: &Resampling) -> Result<Volume, GeomError> {
    let from = Grid::of(volume);
    let in_from_out = from.affine.inverse()?.compose(&to.affine);
    let meta = to.meta_like(volume.meta())?;
    let voxels = with_real_voxels!(
        Voxels,
        volume.voxels(),
        values => Voxels::from(by_frame(values, from.size, to.size, |frame, out| {
            resample_into(frame, from.size, &in_from_out, out, to.size, how)
        })?),
        copied(volume, &in_from_out, to.size, how)?
    );
    Ok(Volume::from_meta(meta, voxels)?)
}

/// The values of `from` on the grid `to`, in a new vector.
///
/// # Errors
/// As [`resample`], and [`GeomError::Length`].
pub fn resample_slice<T: Sample>(values: &[T], from: &Grid, to: &Grid, how: &Resampling) -> Result<Vec<T>, GeomError> {
    resample_map(values, from.size, &from.affine.inverse()?.compose(&to.affine), to.size, how)
}

/// The values at the positions `p = in_from_out * o` of the input, for each index `o` of the output.
///
/// Positions are taken from a fresh product at the start of each row (and every 1024 voxels), and those within 1e-9 of
/// a whole number are that number: so the identity and whole steps give the voxels back exactly.
/// Where the map only scales, flips and swaps axes, one axis is done after the other.
///
/// # Errors
/// [`GeomError::Length`], [`GeomError::Empty`] for an input without voxels, [`GeomError::NotFinite`],
/// [`GeomError::TooLarge`], [`GeomError::Parameter`].
pub fn resample_map<T: Sample>(
    values: &[T],
    size: [usize; 3],
    in_from_out: &Affine,
    out_size: [usize; 3],
    how: &Resampling,
) -> Result<Vec<T>, GeomError> {
    let mut out = zeros(OP, out_size)?;
    resample_into(values, size, in_from_out, &mut out, out_size, how)?;
    Ok(out)
}

/// Applies `task` to each block of `size` in `values`, giving blocks of `out_size`.
pub(crate) fn by_frame<T: Element>(
    values: &[T],
    size: [usize; 3],
    out_size: [usize; 3],
    task: impl Fn(&[T], &mut [T]) -> Result<(), GeomError>,
) -> Result<Vec<T>, GeomError> {
    let frame = crate::error::n_voxels(OP, size)?;
    if frame == 0 || values.is_empty() {
        return Err(GeomError::Empty { op: OP });
    }
    let out_frame = crate::error::n_voxels(OP, out_size)?;
    let mut out = zeros(OP, [out_frame, values.len() / frame, 1])?;
    for (from, to) in values.chunks_exact(frame).zip(out.chunks_exact_mut(out_frame.max(1))) {
        task(from, to)?;
    }
    Ok(out)
}

fn copied(volume: &Volume, in_from_out: &Affine, out_size: [usize; 3], how: &Resampling) -> Result<Voxels, GeomError> {
    let refused = GeomError::DType { op: OP, dtype: volume.dtype() };
    let constant = constant_of(how.outside);
    if how.order != Order::Nearest || constant != 0.0 {
        return Err(refused);
    }
    fn frames<T: Element>(
        values: &[T],
        size: [usize; 3],
        in_from_out: &Affine,
        out_size: [usize; 3],
        outside: Outside,
    ) -> Result<Voxels, GeomError> {
        let black = zeros::<T>(OP, [1; 3])?[0];
        let out = by_frame(values, size, out_size, |frame, out| {
            nearest_into(frame, size, in_from_out, outside, black, out, out_size)
        })?;
        Ok(T::into_voxels(out))
    }
    let size = volume.meta().spatial_size();
    with_voxels!(Voxels, volume.voxels(), values => frames(values, size, in_from_out, out_size, how.outside))
}

fn resample_into<T: Sample>(
    values: &[T],
    size: [usize; 3],
    in_from_out: &Affine,
    out: &mut [T],
    out_size: [usize; 3],
    how: &Resampling,
) -> Result<(), GeomError> {
    how.validate()?;
    check_len(OP, size, values.len())?;
    if values.is_empty() {
        return Err(GeomError::Empty { op: OP });
    }
    if !in_from_out.is_finite() {
        return Err(GeomError::NotFinite { op: OP, rows: *in_from_out.rows() });
    }
    let constant = stored::<T>(how.outside);
    if how.finite_only && how.order == Order::Linear && finite::has_gaps(values) {
        finite::linear(values, size, in_from_out, how.outside, constant, out, out_size);
        return Ok(());
    }
    if how.order == Order::Nearest {
        return nearest_into(values, size, in_from_out, how.outside, constant, out, out_size);
    }
    if let Some(aligned) = Aligned::of(in_from_out, out_size) {
        let positions = aligned.positions(out_size);
        if aligned.map.is_identity() {
            return along_axes_into(values, size, &positions, how, out);
        }
        let swapped = reorient_slice(values, size, &aligned.map)?;
        return along_axes_into(&swapped, aligned.map.new_size(size), &positions, how, out);
    }
    let rules = |pad: [usize; 3]| std::array::from_fn(|axis| AxisRule::new(size[axis], pad[axis], how.outside));
    if !Coefficients::<T::Acc>::are_needed(how.order, how.outside) {
        let source = Source { samples: values, rules: rules([0; 3]) };
        oblique::spline::<T, T, 2>(source, in_from_out, constant, out, out_size);
        return Ok(());
    }
    let Coefficients { values, pad } = Coefficients::new(values, size, how.order, how.outside, [true; 3])?;
    let source = Source { samples: values.as_slice(), rules: rules(pad) };
    let constant = stored::<T::Acc>(how.outside);
    let mut wide = zeros::<T::Acc>(OP, out_size)?;
    match how.order {
        Order::Nearest | Order::Linear => {
            oblique::spline::<_, _, 2>(source, in_from_out, constant, &mut wide, out_size);
        }
        Order::Quadratic => oblique::spline::<_, _, 3>(source, in_from_out, constant, &mut wide, out_size),
        Order::Cubic => oblique::spline::<_, _, 4>(source, in_from_out, constant, &mut wide, out_size),
        Order::Quintic => oblique::spline::<_, _, 6>(source, in_from_out, constant, &mut wide, out_size),
    }
    narrow(&wide, out);
    Ok(())
}

/// Stores accumulated values in the element type.
fn narrow<T: Sample>(wide: &[T::Acc], out: &mut [T]) {
    for (voxel, &value) in out.iter_mut().zip(wide) {
        *voxel = T::from_acc(value);
    }
}

/// The values at the crossings of `positions` (in voxels, ascending or descending along each axis).
pub(crate) fn along_axes<T: Sample>(
    values: &[T],
    size: [usize; 3],
    positions: &[Vec<f64>; 3],
    how: &Resampling,
) -> Result<Vec<T>, GeomError> {
    check_len(OP, size, values.len())?;
    if values.is_empty() {
        return Err(GeomError::Empty { op: OP });
    }
    let mut out = zeros(OP, std::array::from_fn(|axis| positions[axis].len()))?;
    along_axes_into(values, size, positions, how, &mut out)?;
    Ok(out)
}

fn along_axes_into<T: Sample>(
    values: &[T],
    size: [usize; 3],
    positions: &[Vec<f64>; 3],
    how: &Resampling,
    out: &mut [T],
) -> Result<(), GeomError> {
    let whole = std::array::from_fn(|axis| is_whole(&positions[axis], how.order, size[axis], how.outside));
    if whole == [true; 3] {
        gather(values, size, positions, how.outside, stored(how.outside), out);
        return Ok(());
    }
    if !Coefficients::<T::Acc>::are_needed(how.order, how.outside) {
        let tables = tables::<T::Acc, 2>(positions, size, [0; 3], whole, how.outside);
        separable::interpolate(values, size, &tables, stored(how.outside), out, sizes_of(positions));
        return Ok(());
    }
    let coefficients = Coefficients::new(values, size, how.order, how.outside, whole.map(|whole| !whole))?;
    let wide = match how.order {
        Order::Nearest | Order::Linear => weigh::<T::Acc, 2>(&coefficients, size, positions, whole, how.outside),
        Order::Quadratic => weigh::<T::Acc, 3>(&coefficients, size, positions, whole, how.outside),
        Order::Cubic => weigh::<T::Acc, 4>(&coefficients, size, positions, whole, how.outside),
        Order::Quintic => weigh::<T::Acc, 6>(&coefficients, size, positions, whole, how.outside),
    }?;
    narrow(&wide, out);
    Ok(())
}

fn sizes_of(positions: &[Vec<f64>; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| positions[axis].len())
}

fn tables<A: Accumulator, const N: usize>(
    positions: &[Vec<f64>; 3],
    size: [usize; 3],
    pad: [usize; 3],
    whole: [bool; 3],
    outside: Outside,
) -> [AxisTable<A, N>; 3] {
    std::array::from_fn(|axis| AxisTable::new(&positions[axis], size[axis], pad[axis], outside, whole[axis]))
}

fn gather<T: Copy + Send + Sync>(
    values: &[T],
    size: [usize; 3],
    positions: &[Vec<f64>; 3],
    outside: Outside,
    constant: T,
    out: &mut [T],
) {
    let tables = tables::<f32, 1>(positions, size, [0; 3], [true; 3], outside);
    separable::gather(values, size, &tables, constant, out, sizes_of(positions));
}

fn weigh<A: Accumulator, const N: usize>(
    coefficients: &Coefficients<A>,
    size: [usize; 3],
    positions: &[Vec<f64>; 3],
    whole: [bool; 3],
    outside: Outside,
) -> Result<Vec<A>, GeomError> {
    let Coefficients { values, pad } = coefficients;
    let out_size = sizes_of(positions);
    let mut out = zeros(OP, out_size)?;
    let tables = tables::<A, N>(positions, size, *pad, whole, outside);
    let padded_size = std::array::from_fn(|axis| size[axis] + 2 * pad[axis]);
    separable::interpolate(values, padded_size, &tables, stored::<A>(outside), &mut out, out_size);
    Ok(out)
}

fn nearest_into<T: Element>(
    values: &[T],
    size: [usize; 3],
    in_from_out: &Affine,
    outside: Outside,
    constant: T,
    out: &mut [T],
    out_size: [usize; 3],
) -> Result<(), GeomError> {
    let Some(aligned) = Aligned::of(in_from_out, out_size) else {
        let rules = size.map(|n| AxisRule::new(n, 0, outside));
        oblique::nearest(Source { samples: values, rules }, in_from_out, constant, out, out_size);
        return Ok(());
    };
    let positions = aligned.positions(out_size);
    if aligned.map.is_identity() {
        gather(values, size, &positions, outside, constant, out);
    } else {
        let swapped = reorient_slice(values, size, &aligned.map)?;
        gather(&swapped, aligned.map.new_size(size), &positions, outside, constant, out);
    }
    Ok(())
}

/// A map under which each input axis depends on one output axis alone.
struct Aligned {
    /// Brings the input axes into the order of the output axes.
    map: AxisMap,
    /// Position of index 0, per output axis.
    start: [f64; 3],
    /// Positions from one index to the next, per output axis.
    step: [f64; 3],
}

impl Aligned {
    fn of(in_from_out: &Affine, out_size: [usize; 3]) -> Option<Self> {
        let rows = in_from_out.linear();
        let moves = |r: usize, c: usize| rows[r][c].abs() * out_size[c].saturating_sub(1) as f64 > NO_SHEAR;
        let mut source_axis = [None; 3];
        let mut still: Vec<usize> = Vec::new();
        for r in 0..3 {
            match (0..3).filter(|&c| moves(r, c)).collect::<Vec<_>>()[..] {
                [] => still.push(r),
                [c] if source_axis[c].is_none() => source_axis[c] = Some(r),
                _ => return None,
            }
        }
        // Input axes that do not move go to the free output axes, to their own where they can.
        still.sort_by_key(|&r| source_axis[r].is_some());
        for r in still {
            let own = source_axis[r].is_none().then_some(r);
            let free = own.or_else(|| (0..3).find(|&c| source_axis[c].is_none()))?;
            source_axis[free] = Some(r);
        }
        let source_axis = [source_axis[0]?, source_axis[1]?, source_axis[2]?];
        let translation = in_from_out.translation();
        Some(Self {
            map: AxisMap { source_axis, flipped: [false; 3] },
            start: source_axis.map(|r| translation[r]),
            step: std::array::from_fn(|c| rows[source_axis[c]][c]),
        })
    }

    fn positions(&self, out_size: [usize; 3]) -> [Vec<f64>; 3] {
        std::array::from_fn(|axis| separable::positions(self.start[axis], self.step[axis], out_size[axis]))
    }
}

fn constant_of(outside: Outside) -> f64 {
    match outside {
        Outside::Constant(value) | Outside::GridConstant(value) => value,
        _ => 0.0,
    }
}

/// The constant as the element type stores it.
pub(crate) fn stored<T: Sample>(outside: Outside) -> T {
    T::from_acc(T::Acc::narrow(constant_of(outside)))
}
