//! Which voxels of a structure are believed: the largest connected parts.

use rayon::prelude::*;
use volkit_geom::{components, keep_largest};

use super::placement::Bounds;
use super::posteriors::Posteriors;
use super::sums::pairwise;
use crate::SegError;

/// A structure, or all of them together, is somewhere where its posterior is larger.
const THRESHOLD: f32 = 0.25;
/// Bit of the channels that are not cleaned up by themselves: set wherever the head is.
const HEAD: u32 = 1;
/// Bits of a mark: the head and the topological classes.
const N_BITS: usize = u32::BITS as usize;

/// For each voxel of `region` (x fastest) which channels stay, as a set of bits: bit 0 inside the largest connected part
/// of what is not background, bit `t` also inside the largest connected part of topological class `t`.
///
/// `class_of` gives each channel's class; without it there are no classes.
pub(crate) fn marks(posteriors: &Posteriors, region: &Bounds, class_of: Option<&[u8]>) -> Result<Vec<u32>, SegError> {
    let class_bits = class_bits(class_of, posteriors.channels);
    let mut marks = vec![0u32; region.len()];
    let size = region.size();
    if marks.is_empty() {
        return Ok(marks);
    }
    let [nx, ny, _] = size;
    marks.par_chunks_exact_mut(nx).enumerate().with_min_len(ny).for_each(|(row, marks)| {
        let first = region.row_start(posteriors.size, row % ny, row / ny) * posteriors.channels;
        let voxels = posteriors.values[first..].chunks_exact(posteriors.channels);
        for (mark, voxel) in marks.iter_mut().zip(voxels) {
            *mark = mark_of(voxel, &class_bits);
        }
    });
    let mut head: Vec<u8> = marks.par_iter().map(|mark| (mark & HEAD) as u8).collect();
    keep_largest(&mut head, size)?;
    marks.par_iter_mut().zip(&head).for_each(|(mark, inside)| *mark *= u32::from(*inside));
    drop(head);
    if class_of.is_some() {
        keep_largest_classes(&mut marks, size)?;
    }
    Ok(marks)
}

/// The bit that each channel needs to stay.
pub(crate) fn class_bits(class_of: Option<&[u8]>, channels: usize) -> Vec<u32> {
    class_of.map_or(vec![HEAD; channels], |classes| classes.iter().map(|&class| 1 << class).collect())
}

fn mark_of(voxel: &[f32], class_bits: &[u32]) -> u32 {
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
            let mut left = mark;
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
    use super::{THRESHOLD, marks};
    use crate::synthseg::{Bounds, Posteriors};

    /// A row of voxels with background, one structure of class 0 and two of class 1.
    fn row(values: &[[f32; 4]]) -> Posteriors {
        Posteriors::new([values.len(), 1, 1], 4, values.concat()).unwrap()
    }

    #[test]
    fn the_largest_part_of_the_head_and_of_each_class_stays() {
        let (none, outer, a, b) =
            ([1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.1, 0.1, 0.8, 0.0], [0.2, 0.0, 0.0, 0.8]);
        let posteriors = row(&[a, none, a, outer, a, b, none]);
        let whole = Bounds::whole(posteriors.size);
        // Head: voxels 2 to 5. Class 1: voxel 2 alone, voxels 4 and 5 together.
        let classes = [0, 0, 1, 1];
        assert_eq!(marks(&posteriors, &whole, Some(&classes)).unwrap(), [0, 0, 1, 1, 3, 3, 0]);
        assert_eq!(marks(&posteriors, &whole, None).unwrap(), [0, 0, 1, 1, 1, 1, 0]);
        let part = Bounds { start: [0, 0, 0], end: [3, 1, 1] };
        assert_eq!(marks(&posteriors, &part, None).unwrap(), [1, 0, 0]);
    }

    #[test]
    fn thresholds_are_strict_and_ties_go_to_the_first() {
        let exact = [0.75, 0.0, THRESHOLD, 0.0];
        let spread = [0.4, 0.2, 0.2, 0.2];
        let posteriors = row(&[exact, spread, exact, spread]);
        let whole = Bounds::whole(posteriors.size);
        assert_eq!(marks(&posteriors, &whole, Some(&[0, 0, 1, 1])).unwrap(), [0, 1, 0, 0]);
        assert_eq!(marks(&posteriors, &Bounds { start: [0; 3], end: [0, 1, 1] }, None).unwrap(), [0u32; 0]);
    }
}
