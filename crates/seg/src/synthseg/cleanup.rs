//! Which voxels of a structure are believed: the largest connected parts.

use rayon::prelude::*;
use volkit_geom::{components, keep_largest};

use super::placement::Bounds;
use super::sums::pairwise;
use crate::SegError;

/// A structure, or all of them together, is somewhere where its posterior is larger.
const THRESHOLD: f32 = 0.25;
/// Bit of the channels that are not cleaned up by themselves: set wherever the head is.
pub(super) const HEAD: u32 = 1;
/// Bit of a voxel whose channels are stored; it tells nothing of the head and of classes, and stays.
pub(super) const CHANNELS_KEPT: u32 = 1 << 31;
/// Bits of a mark: the head and the topological classes.
const N_BITS: usize = u32::BITS as usize;

/// Reduces marks of a volume of `size` (x fastest; see [`mark_of`]) to the largest connected part of the head and, with
/// `has_classes`, to that of each class in it.
pub(super) fn keep_largest_parts(marks: &mut [u32], size: [usize; 3], has_classes: bool) -> Result<(), SegError> {
    if marks.is_empty() {
        return Ok(());
    }
    let mut head: Vec<u8> = marks.par_iter().map(|mark| (mark & HEAD) as u8).collect();
    keep_largest(&mut head, size)?;
    marks.par_iter_mut().zip(&head).filter(|(_, inside)| **inside == 0).for_each(|(mark, _)| *mark &= CHANNELS_KEPT);
    drop(head);
    if has_classes {
        keep_largest_classes(marks, size)?;
    }
    Ok(())
}

/// The bit that each channel needs to stay.
pub(super) fn class_bits(class_of: Option<&[u8]>, channels: usize) -> Vec<u32> {
    class_of.map_or(vec![HEAD; channels], |classes| classes.iter().map(|&class| 1 << class).collect())
}

/// The mark of a voxel: bit 0 where the posteriors of all structures together exceed 0.25, and there bit `t` for each
/// topological class `t` with a structure whose posterior does.
#[inline]
pub(super) fn mark_of(voxel: &[f32], class_bits: &[u32]) -> u32 {
    if pairwise(&voxel[1..]) > THRESHOLD {
        let present = voxel.iter().zip(class_bits).skip(1);
        present.fold(HEAD, |mark, (&value, bit)| mark | (u32::from(value > THRESHOLD) * bit))
    } else {
        0
    }
}

/// Clears the bit of each class outside its largest part.
fn keep_largest_classes(marks: &mut [u32], size: [usize; 3]) -> Result<(), SegError> {
    let [nx, ny, _] = size;
    let boxes = class_boxes(marks, size);
    let stray_runs = |(class, bounds): (usize, &Bounds)| -> Result<Vec<(usize, usize)>, SegError> {
        let [bx, by, _] = bounds.size();
        if bounds.is_empty() {
            return Ok(Vec::new());
        }
        let cut = bounds.cut(marks, size);
        let mask: Vec<u8> = cut.into_iter().map(|mark| (mark >> class & 1) as u8).collect();
        let found = components(&mask, bounds.size())?;
        let largest = found.largest();
        let strays = found.runs().filter(|(number, _)| Some(*number) != largest);
        let in_volume = strays.map(|(_, run)| {
            let (row, x) = (run.start / bx, run.start % bx);
            (bounds.row_start(size, row % by, row / by) + x, run.len())
        });
        Ok(in_volume.collect())
    };
    debug_assert!(nx * ny > 0);
    let strays: Vec<Vec<(usize, usize)>> =
        boxes.par_iter().enumerate().skip(1).map(stray_runs).collect::<Result<_, _>>()?;
    for (class, runs) in strays.into_iter().enumerate().map(|(at, runs)| (at + 1, runs)) {
        for (start, len) in runs {
            marks[start..start + len].iter_mut().for_each(|mark| *mark &= !(1 << class));
        }
    }
    Ok(())
}

/// The box of each bit; empty where it is nowhere set.
fn class_boxes(marks: &[u32], size: [usize; 3]) -> [Bounds; N_BITS] {
    let [nx, ny, _] = size;
    let nowhere = Bounds { start: [usize::MAX; 3], end: [0; 3] };
    let merge = |a: &mut Bounds, b: &Bounds| {
        for axis in 0..3 {
            a.start[axis] = a.start[axis].min(b.start[axis]);
            a.end[axis] = a.end[axis].max(b.end[axis]);
        }
    };
    let of_plane = |(z, plane): (usize, &[u32])| {
        let mut boxes = [nowhere; N_BITS];
        for (at, &mark) in plane.iter().enumerate() {
            let mut left = mark & !CHANNELS_KEPT;
            while left != 0 {
                let p = [at % nx, at / nx, z];
                merge(&mut boxes[left.trailing_zeros() as usize], &Bounds { start: p, end: p.map(|i| i + 1) });
                left &= left - 1;
            }
        }
        boxes
    };
    let planes = marks.par_chunks_exact(nx * ny).enumerate().map(of_plane);
    planes.reduce(
        || [nowhere; N_BITS],
        |mut a, b| {
            a.iter_mut().zip(&b).for_each(|(a, b)| merge(a, b));
            a
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{THRESHOLD, class_bits, keep_largest_parts, mark_of};

    fn marks(voxels: &[[f32; 4]], classes: Option<&[u8]>) -> Vec<u32> {
        let bits = class_bits(classes, 4);
        let mut marks: Vec<u32> = voxels.iter().map(|voxel| mark_of(voxel, &bits)).collect();
        keep_largest_parts(&mut marks, [voxels.len(), 1, 1], classes.is_some()).unwrap();
        marks
    }

    /// A row of voxels with background, one structure of class 0 and two of class 1.
    #[test]
    fn the_largest_part_of_the_head_and_of_each_class_stays() {
        let (none, outer, a, b) =
            ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.1, 0.1, 0.8, 0.0], [0.2, 0.0, 0.0, 0.8]);
        let row = [a, none, a, outer, a, b, none];
        // Head: voxels 2 to 5. Class 1: voxel 2 alone, voxels 4 and 5 together.
        assert_eq!(marks(&row, Some(&[0, 0, 1, 1])), [0, 0, 1, 1, 3, 3, 0]);
        assert_eq!(marks(&row, None), [0, 0, 1, 1, 1, 1, 0]);
        assert_eq!(marks(&row[..3], None), [1, 0, 0]);
    }

    #[test]
    fn thresholds_are_strict_and_ties_go_to_the_first() {
        let exact = [0.75, 0.0, THRESHOLD, 0.0];
        let spread = [0.4, 0.2, 0.2, 0.2];
        assert_eq!(marks(&[exact, spread, exact, spread], Some(&[0, 0, 1, 1])), [0, 1, 0, 0]);
        assert_eq!(marks(&[], Some(&[0, 0, 1, 1])), [0u32; 0]);
    }
}
