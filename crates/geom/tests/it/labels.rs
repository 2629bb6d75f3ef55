//! Label maps on other grids.

use volkit_core::{Affine, Volume};
use volkit_geom::{GeomError, Grid, resample_labels, resample_labels_slice};

fn grid(size: [usize; 3], start: f64, step: f64) -> Grid {
    Grid::new(size, Affine::from_scale([step, 1.0, 1.0]).with_translation([start, 0.0, 0.0]))
}

#[test]
fn the_strongest_label_wins_and_ties_go_to_the_lowest() {
    let labels = [7u16, 7, 2, 41];
    let from = grid([4, 1, 1], 0.0, 1.0);
    let got = resample_labels_slice(&labels, &from, &grid([13, 1, 1], 0.0, 0.25)).unwrap();
    assert_eq!(got, [7, 7, 7, 7, 7, 7, 2, 2, 2, 2, 2, 41, 41]);
    assert_eq!(resample_labels_slice(&labels, &from, &grid([2, 1, 1], -0.5, 5.0)).unwrap(), [0, 0]);
}

#[test]
fn two_weak_neighbours_beat_one_strong() {
    // At the middle of a square of voxels nearer to label 9, three corners say 5.
    let labels = [9u8, 5, 5, 5];
    let from = Grid::new([2, 2, 1], Affine::IDENTITY);
    let to = Grid::new([1, 1, 1], Affine::IDENTITY.with_translation([0.4, 0.4, 0.0]));
    assert_eq!(resample_labels_slice(&labels, &from, &to).unwrap(), [5]);
}

#[test]
fn the_same_grid_gives_the_same_labels() {
    let labels: Vec<i32> = (0..210).map(|at| (at * 7919) % 13 - 3).collect();
    let affine = Affine::from_rows([[0.0, -2.0, 0.1, 3.0], [1.0, 0.2, 0.0, -8.0], [0.0, 0.1, 3.0, 1.0]]);
    let volume = Volume::new([5, 6, 7], labels, affine).unwrap();
    assert_eq!(resample_labels(&volume, &Grid::of(&volume)).unwrap(), volume);
    let colours = Volume::new([1, 1, 1], vec![[0u8; 3]], affine).unwrap();
    assert!(matches!(resample_labels(&colours, &Grid::of(&colours)), Err(GeomError::DType { .. })));
    let nothing: [u8; 0] = [];
    assert!(resample_labels_slice(&nothing, &Grid::new([0, 1, 1], affine), &Grid::of(&volume)).is_err());
}
