//! Exact flips and swaps of the stored voxels.

use rayon::prelude::*;
use volkit_core::{Affine, AxisMap, Element, Volume, VolumeMeta, with_voxels};

use crate::error::{check_len, zeros};
use crate::{GeomError, Orientation};

/// Side of the blocks in which a swap of axes goes through memory, in voxels.
const BLOCK: usize = 32;
/// Planes that are written together where the old first axis becomes the third: as many voxels as share a cache line.
const SLAB: usize = 16;

/// The volume in another orientation, and the map that took it there (whose [`AxisMap::inverse`], given to
/// [`apply_axis_map`], takes a result of the same grid back).
///
/// Voxels are moved, never converted: any element type, and axes past the third stay as they are. Every voxel keeps its
/// place in the world.
///
/// # Errors
/// [`GeomError::NoDirection`], [`GeomError::NotFinite`].
pub fn reorient(volume: &Volume, to: Orientation) -> Result<(Volume, AxisMap), GeomError> {
    let map = Orientation::of(volume.affine())?.axis_map_to(to)?;
    Ok((apply_axis_map(volume, &map)?, map))
}

/// The volume with its spatial axes flipped and swapped; affine and recorded spacing follow.
///
/// A volume of fewer than three axes keeps their number where the moved axes allow it.
///
/// # Errors
/// [`GeomError::Parameter`] when `map` is not a permutation.
pub fn apply_axis_map(volume: &Volume, map: &AxisMap) -> Result<Volume, GeomError> {
    check_permutation(map)?;
    let meta = moved_meta(volume.meta(), map)?;
    let size = volume.meta().spatial_size();
    let voxels = with_voxels!(Voxels, volume.voxels(), values => into_voxels(moved_frames(values, size, map)?));
    Ok(Volume::from_meta(meta, voxels)?)
}

/// `values` of `size` with axes flipped and swapped, as a new vector of size `map.new_size(size)`.
///
/// # Errors
/// [`GeomError::Length`], [`GeomError::Parameter`] when `map` is not a permutation.
pub fn reorient_slice<T: Element>(values: &[T], size: [usize; 3], map: &AxisMap) -> Result<Vec<T>, GeomError> {
    check_len("reorient", size, values.len())?;
    check_permutation(map)?;
    moved_frames(values, size, map)
}

fn into_voxels<T: Element>(values: Vec<T>) -> volkit_core::Voxels {
    T::into_voxels(values)
}

fn check_permutation(map: &AxisMap) -> Result<(), GeomError> {
    if (0..3).all(|axis| map.source_axis.contains(&axis)) {
        return Ok(());
    }
    let value = format!("{:?}", map.source_axis);
    Err(GeomError::Parameter { op: "reorient", name: "source_axis", value, why: "is not a permutation of 0, 1, 2" })
}

fn moved_meta(meta: &VolumeMeta, map: &AxisMap) -> Result<VolumeMeta, GeomError> {
    let old_size = meta.spatial_size();
    let old_spacing = |axis: usize| meta.spacing().get(axis).copied().unwrap_or(1.0);
    let mut shape = map.new_size(old_size).to_vec();
    let mut spacing = map.source_axis.map(old_spacing).to_vec();
    shape.extend(meta.shape().iter().skip(3));
    spacing.extend(meta.spacing().iter().skip(3));
    while shape.len() > meta.shape().len() && shape.last() == Some(&1) {
        shape.pop();
        spacing.pop();
    }
    let affine: Affine = map.new_affine(meta.affine(), old_size);
    Ok(VolumeMeta::new(shape, meta.dtype(), affine)?.with_spacing(spacing)?)
}

/// Every block of `size` in `values`, moved.
fn moved_frames<T: Element>(values: &[T], size: [usize; 3], map: &AxisMap) -> Result<Vec<T>, GeomError> {
    let frame = size.iter().product::<usize>();
    if map.is_identity() || frame == 0 {
        return Ok(values.to_vec());
    }
    let mut moved = zeros("reorient", [frame, values.len() / frame, 1])?;
    for (old, new) in values.chunks_exact(frame).zip(moved.chunks_exact_mut(frame)) {
        move_frame(old, size, map, new);
    }
    Ok(moved)
}

/// Writes the moved copy of one block.
fn move_frame<T: Element>(old: &[T], size: [usize; 3], map: &AxisMap, new: &mut [T]) {
    let new_size = map.new_size(size);
    let strides = [1, size[0], size[0] * size[1]];
    let source = |new_axis: usize| {
        let axis = map.source_axis[new_axis];
        let last = if map.flipped[new_axis] { (size[axis] - 1) * strides[axis] } else { 0 };
        let step = if map.flipped[new_axis] { -(strides[axis] as isize) } else { strides[axis] as isize };
        (last, step)
    };
    let [(x0, dx), (y0, dy), (z0, dz)] = [source(0), source(1), source(2)];
    let origin = (x0 + y0 + z0) as isize;
    let [nx, ny, _] = new_size;
    // Whichever new axis runs along the old rows is walked within a block, so that each cache line is used whole.
    let old_rows = map.source_axis.iter().position(|&axis| axis == 0).unwrap_or(0);
    let (slab, block) = if old_rows == 2 { (SLAB, 1) } else { (1, BLOCK) };
    new.par_chunks_mut(nx * ny * slab).enumerate().for_each(|(s, planes)| {
        let slab_origin = origin + (s * slab) as isize * dz;
        if old_rows == 0 {
            for (j, row) in planes.chunks_exact_mut(nx).enumerate() {
                copy_row(old, slab_origin + j as isize * dy, dx, row);
            }
            return;
        }
        for j0 in (0..ny).step_by(block) {
            for i0 in (0..nx).step_by(BLOCK) {
                let columns = i0..(i0 + BLOCK).min(nx);
                for (k, plane) in planes.chunks_exact_mut(nx * ny).enumerate() {
                    for j in j0..(j0 + block).min(ny) {
                        let row = &mut plane[j * nx..(j + 1) * nx];
                        let first = slab_origin + k as isize * dz + j as isize * dy + i0 as isize * dx;
                        for (i, voxel) in row[columns.clone()].iter_mut().enumerate() {
                            *voxel = old[(first + i as isize * dx) as usize];
                        }
                    }
                }
            }
        }
    });
}

fn copy_row<T: Copy>(old: &[T], first: isize, step: isize, row: &mut [T]) {
    let first = first as usize;
    if step > 0 {
        row.copy_from_slice(&old[first..first + row.len()]);
    } else {
        let backwards = &old[first + 1 - row.len()..=first];
        for (voxel, &value) in row.iter_mut().zip(backwards.iter().rev()) {
            *voxel = value;
        }
    }
}
