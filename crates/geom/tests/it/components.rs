//! 6-connected components.

use proptest::prelude::*;
use volkit_geom::{components, keep_largest};

use crate::noise;

/// Labels by flood fill, numbered in a scan that runs fastest along the last axis.
fn flood_fill(mask: &[bool], [nx, ny, nz]: [usize; 3]) -> Vec<u32> {
    let at = |i: usize, j: usize, k: usize| i + nx * (j + ny * k);
    let mut labels = vec![0u32; mask.len()];
    let mut next = 0;
    for (i, j, k) in (0..nx).flat_map(|i| (0..ny).flat_map(move |j| (0..nz).map(move |k| (i, j, k)))) {
        if !mask[at(i, j, k)] || labels[at(i, j, k)] != 0 {
            continue;
        }
        next += 1;
        let mut open = vec![(i, j, k)];
        labels[at(i, j, k)] = next;
        while let Some((i, j, k)) = open.pop() {
            let mut visit = |i: usize, j: usize, k: usize| {
                if i < nx && j < ny && k < nz && mask[at(i, j, k)] && labels[at(i, j, k)] == 0 {
                    labels[at(i, j, k)] = next;
                    open.push((i, j, k));
                }
            };
            for step in [1, usize::MAX] {
                visit(i.wrapping_add(step), j, k);
                visit(i, j.wrapping_add(step), k);
                visit(i, j, k.wrapping_add(step));
            }
        }
    }
    labels
}

fn check(mask: &[bool], size: [usize; 3]) {
    let found = components(mask, size).unwrap();
    let wanted = flood_fill(mask, size);
    assert_eq!(found.labels().unwrap(), wanted, "{size:?}");
    let count = wanted.iter().copied().max().unwrap_or(0);
    let sizes: Vec<usize> = (1..=count).map(|n| wanted.iter().filter(|&&label| label == n).count()).collect();
    assert_eq!(found.sizes(), sizes);
    let largest = (1..=sizes.len()).rev().max_by_key(|&n| sizes[n - 1]);
    assert_eq!(found.largest(), largest);
    let mut kept = mask.to_vec();
    let size_kept = keep_largest(&mut kept, size).unwrap();
    assert_eq!(size_kept, largest.map_or(0, |n| sizes[n - 1]));
    if let Some(largest) = largest {
        assert_eq!(kept, wanted.iter().map(|&label| label as usize == largest).collect::<Vec<_>>());
        assert_eq!(found.mask_of(largest).unwrap(), kept);
    }
}

#[test]
fn voxels_that_touch_by_edges_or_corners_stay_apart() {
    let mask = [true, false, false, true, false, true, true, false];
    let found = components(&mask, [2, 2, 2]).unwrap();
    assert_eq!((found.count(), found.sizes()), (4, &[1, 1, 1, 1][..]));
    // (0, 0, 0), then (0, 1, 1), then (1, 0, 1), then (1, 1, 0): the last axis runs fastest.
    assert_eq!(found.labels().unwrap(), [1, 0, 0, 4, 0, 3, 2, 0]);
}

#[test]
fn equal_sizes_go_to_the_scan_along_the_last_axis() {
    // Two pairs: along x at the far y, along z at the near end. Memory meets the first pair first, the scan the second.
    let size = [2, 3, 2];
    let mut mask = vec![0u8; 12];
    for (i, j, k) in [(1, 0, 0), (1, 0, 1), (0, 2, 0), (1, 2, 0)] {
        mask[i + 2 * (j + 3 * k)] = 9;
    }
    assert_eq!(keep_largest(&mut mask, size).unwrap(), 2);
    assert_eq!(mask, [0, 0, 0, 0, 9, 9, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn spirals_meet_late() {
    // A comb whose teeth join only in the last row: many unions of runs that were roots.
    let size = [9, 6, 2];
    let mask: Vec<bool> = (0..108).map(|at| at % 9 % 2 == 0 || at / 9 % 6 == 5).collect();
    check(&mask, size);
    assert_eq!(components(&mask, size).unwrap().count(), 1);
}

#[test]
fn empty_full_and_single() {
    check(&[], [0, 4, 2]);
    check(&[true], [1, 1, 1]);
    check(&[false], [1, 1, 1]);
    check(&[true; 60], [3, 4, 5]);
    check(&[false; 60], [3, 4, 5]);
    let mut nothing = [0.0f32; 6];
    assert_eq!(keep_largest(&mut nothing, [1, 2, 3]).unwrap(), 0);
    assert!(components(&[1u8; 5], [2, 3, 1]).is_err());
    let found = components(&[1.0f32, 0.0, 2.0, 2.0], [4, 1, 1]).unwrap();
    assert_eq!(found.runs().collect::<Vec<_>>(), [(1, 0..1), (2, 2..4)]);
}

proptest! {
    #[test]
    fn labels_are_those_of_a_flood_fill(size in prop::array::uniform3(1usize..9), density in 0.2f64..0.8, seed in 1u64..1000) {
        let mask: Vec<bool> = noise(seed, size.iter().product()).iter().map(|&x| x < density).collect();
        check(&mask, size);
    }
}
