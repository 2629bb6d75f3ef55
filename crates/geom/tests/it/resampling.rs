//! Resampling from grid to grid, resizing, and what NaN does.

use proptest::prelude::*;
use volkit_core::{Affine, Volume};
use volkit_geom::{
    GeomError, Grid, Order, Outside, Resampling, ResizeRule, SpacingMethod, SpacingResize, resample, resample_map,
    resample_slice, resize, resize_slice, spline_coefficients, zoomed_size,
};

use crate::noise;

const ORDERS: [Order; 5] = [Order::Nearest, Order::Linear, Order::Quadratic, Order::Cubic, Order::Quintic];
const OUTSIDES: [Outside; 7] = [
    Outside::Constant(-2.0),
    Outside::Nearest,
    Outside::Mirror,
    Outside::Reflect,
    Outside::GridConstant(-2.0),
    Outside::GridWrap,
    Outside::Wrap,
];
const SIZES: [[usize; 3]; 5] = [[1, 1, 1], [5, 1, 3], [1, 7, 2], [9, 8, 7], [2, 2, 33]];

fn shift(by: [f64; 3]) -> Affine {
    Affine::IDENTITY.with_translation(by)
}

/// A turn and shear about a point inside `size`, with entries that no axis shares.
fn tilted(size: [usize; 3]) -> Affine {
    let linear = [[0.93, 0.21, -0.1], [-0.17, 0.88, 0.23], [0.05, -0.19, 1.07]];
    let centre = size.map(|n| (n as f64 - 1.0) / 2.0);
    let turned = Affine::from_parts(linear, [0.0; 3]).apply_linear(centre);
    Affine::from_parts(linear, std::array::from_fn(|a| centre[a] - turned[a] + 0.013))
}

#[test]
fn the_identity_gives_every_voxel_back() {
    for size in SIZES {
        let values = noise(1, size.iter().product());
        for order in ORDERS {
            for outside in OUTSIDES {
                let how = Resampling::new(order).with_outside(outside);
                let same = resample_map(&values, size, &Affine::IDENTITY, size, &how).unwrap();
                assert_eq!(same, values, "{order:?} {outside:?} {size:?}");
            }
        }
    }
}

#[test]
fn a_grid_that_is_the_same_but_for_rounding_keeps_its_last_voxels() {
    let size = [9, 8, 7];
    let values: Vec<f32> = noise(2, 504).iter().map(|&x| x as f32 + 1.0).collect();
    let affine = Affine::from_rows([[0.7, 0.61, 0.1, -30.3], [-0.6, 0.71, 0.23, 7.7], [0.05, -0.25, 0.9, 71.1]]);
    let third = 1.0 / 3.0;
    let rescaled = Affine::from_rows(affine.rows().map(|row| row.map(|x| (x * third) * 3.0 + 1e-13)));
    for order in ORDERS {
        let (from, to) = (Grid::new(size, affine), Grid::new(size, rescaled));
        assert_eq!(resample_slice(&values, &from, &to, &Resampling::new(order)).unwrap(), values, "{order:?}");
    }
}

#[test]
fn whole_steps_move_voxels_exactly() {
    let size = [6, 5, 4];
    let values: Vec<i32> = (1..=120).collect();
    for order in ORDERS {
        let moved = resample_map(&values, size, &shift([2.0, -1.0, 1.0]), size, &Resampling::new(order)).unwrap();
        for (at, &got) in moved.iter().enumerate() {
            let (i, j, k) = (at % 6 + 2, (at / 6 % 5).wrapping_sub(1), at / 30 + 1);
            let inside = i < 6 && j < 5 && k < 4;
            assert_eq!(got, if inside { (1 + i + 6 * (j + 5 * k)) as i32 } else { 0 }, "{order:?} {at}");
        }
    }
}

#[test]
fn swapped_axes_are_swapped() {
    let size = [4, 3, 2];
    let values = noise(3, 24);
    // Input axis 0 runs along output axis 2, 1 along 0 backwards, 2 along 1.
    let map = Affine::from_rows([[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, 0.0]]);
    for order in ORDERS {
        let got = resample_map(&values, size, &map, [3, 2, 4], &Resampling::new(order)).unwrap();
        for (at, got) in got.into_iter().enumerate() {
            let (a, b, c) = (at % 3, at / 3 % 2, at / 6);
            assert_eq!(got, values[c + 4 * ((2 - a) + 3 * b)]);
        }
    }
}

#[test]
fn linear_by_hand() {
    let values = [10.0, 20.0, 40.0];
    let at = |p: f64, outside| {
        let how = Resampling::linear().with_outside(outside);
        resample_map(&values, [3, 1, 1], &shift([p, 0.0, 0.0]), [1, 1, 1], &how).unwrap()[0]
    };
    assert_eq!(at(0.25, Outside::Constant(7.0)), 12.5);
    assert_eq!(at(1.5, Outside::Constant(7.0)), 30.0);
    assert_eq!([at(-0.25, Outside::Constant(7.0)), at(2.25, Outside::Constant(7.0))], [7.0, 7.0]);
    assert_eq!([at(-0.25, Outside::Nearest), at(2.25, Outside::Nearest)], [10.0, 40.0]);
    assert_eq!([at(-0.25, Outside::Mirror), at(2.25, Outside::Mirror)], [12.5, 35.0]);
    assert_eq!([at(-0.25, Outside::Reflect), at(2.25, Outside::Reflect)], [10.0, 40.0]);
    assert_eq!([at(-1.25, Outside::Reflect), at(2.75, Outside::GridWrap)], [12.5, 17.5]);
    assert_eq!([at(-0.25, Outside::GridConstant(0.0)), at(2.5, Outside::GridConstant(0.0))], [7.5, 20.0]);
    assert_eq!(at(-0.25, Outside::Wrap), 35.0);
}

#[test]
fn the_nearest_voxel_by_hand() {
    let values = [1u8, 2, 3];
    let at = |p: f64, outside| {
        let how = Resampling::nearest().with_outside(outside);
        resample_map(&values, [3, 1, 1], &shift([p, 0.0, 0.0]), [1, 1, 1], &how).unwrap()[0]
    };
    let constant = Outside::Constant(9.0);
    assert_eq!([0.49, 0.5, 1.5, 2.0, 2.01, -0.3].map(|p| at(p, constant)), [1, 2, 3, 3, 9, 9]);
    assert_eq!([-0.3, 2.3].map(|p| at(p, Outside::GridConstant(9.0))), [1, 3]);
    assert_eq!([-7.0, -1.0, 3.0].map(|p| at(p, Outside::Nearest)), [1, 1, 3]);
    assert_eq!([-2.0, -1.0, 3.0].map(|p| at(p, Outside::Mirror)), [3, 2, 2]);
}

#[test]
fn integers_round_half_away_and_clamp() {
    let half = shift([0.5, 0.0, 0.0]);
    let at = |values: [i16; 2]| resample_map(&values, [2, 1, 1], &half, [1, 1, 1], &Resampling::linear()).unwrap()[0];
    assert_eq!([at([2, 3]), at([-2, -3]), at([0, -1]), at([i16::MAX, i16::MAX])], [3, -3, -1, i16::MAX]);
    let overshoot = [0u8, 0, 255, 255, 0, 0];
    let cubic = resample_map(&overshoot, [6, 1, 1], &half, [5, 1, 1], &Resampling::cubic()).unwrap();
    assert_eq!((cubic[2], cubic[0]), (255, 0));
    let outside = Resampling::linear().with_outside(Outside::Constant(1e9));
    assert_eq!(resample_map(&[5i16], [1, 1, 1], &shift([3.0; 3]), [1, 1, 1], &outside).unwrap(), [i16::MAX]);
}

/// Interpolates with nothing but the definition: every voxel of an oblique grid by itself.
fn one_by_one(values: &[f64], size: [usize; 3], map: &Affine, out: [usize; 3], how: &Resampling) -> Vec<f64> {
    let mut got = Vec::new();
    for at in 0..out.iter().product() {
        let o = [at % out[0], at / out[0] % out[1], at / out[0] / out[1]];
        let p = map.apply(o.map(|n| n as f64));
        got.extend(resample_map(values, size, &shift(p), [1, 1, 1], how).unwrap());
    }
    got
}

#[test]
fn oblique_grids_agree_with_single_positions() {
    // Single positions take the path along the axes, whole grids the path along rows.
    for (size, out) in
        [([9, 8, 7], [11, 6, 9]), ([40, 3, 5], [37, 4, 5]), ([1, 6, 5], [3, 5, 5]), ([12, 1, 1], [9, 2, 2])]
    {
        let values = noise(4, size.iter().product());
        let map = tilted(size);
        for order in ORDERS {
            for outside in OUTSIDES {
                let how = Resampling::new(order).with_outside(outside);
                let got = resample_map(&values, size, &map, out, &how).unwrap();
                let wanted = one_by_one(&values, size, &map, out, &how);
                let worst = got.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(worst < 1e-8, "{order:?} {outside:?} {size:?}: {worst:e}");
            }
        }
    }
}

#[test]
fn long_rows_stay_on_their_line() {
    let size = [3000, 3, 3];
    let values: Vec<f64> = (0..27_000).map(|at| (at % 3000) as f64).collect();
    let map = Affine::from_rows([[0.7, 0.01, 0.0, 3.3], [1e-4, 1.0, 0.0, 0.01], [0.0, 0.0, 0.5, 0.2]]);
    let got = resample_map(&values, size, &map, [4200, 2, 2], &Resampling::linear()).unwrap();
    for (at, got) in got.into_iter().enumerate() {
        let wanted = map.apply([(at % 4200) as f64, (at / 4200 % 2) as f64, 0.0])[0];
        assert!((got - wanted).abs() < 1e-8 || (wanted > 2999.0 && got == 0.0), "{at}: {got} {wanted}");
    }
}

#[test]
fn threads_change_nothing() {
    let size = [33, 29, 31];
    let values: Vec<f32> = noise(5, 33 * 29 * 31).iter().map(|&x| x as f32).collect();
    let straight = Affine::from_scale([0.8, 1.1, 0.9]).with_translation([0.1, -0.2, 0.3]);
    for map in [tilted(size), straight] {
        for order in [Order::Nearest, Order::Linear, Order::Cubic] {
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| resample_map(&values, size, &map, [30, 31, 32], &Resampling::new(order)).unwrap())
            };
            let (one, three) = (run(1), run(3));
            assert!(one.iter().zip(&three).all(|(a, b)| a.to_bits() == b.to_bits()), "{order:?}");
        }
    }
}

#[test]
fn nan_spreads_unless_left_out() {
    let mut values = vec![2.0f32; 125];
    values[62] = f32::NAN;
    let map = tilted([5; 3]);
    let how = Resampling::linear().with_outside(Outside::Nearest);
    let spread = resample_map(&values, [5; 3], &map, [5; 3], &how).unwrap();
    assert!(spread[62].is_nan() && spread.iter().filter(|x| x.is_nan()).count() < 30);
    let left_out = resample_map(&values, [5; 3], &map, [5; 3], &how.with_finite_only(true)).unwrap();
    assert!(left_out.iter().all(|x| (x - 2.0).abs() < 1e-6));
    // Whole positions copy; positions along an axis that has others weigh by 0, and 0 * NaN is NaN.
    let along =
        |map| resample_map(&[1.0f64, f64::NAN, 3.0], [3, 1, 1], &map, [3, 1, 1], &Resampling::linear()).unwrap();
    let copied = along(Affine::IDENTITY);
    assert!(copied[0] == 1.0 && copied[1].is_nan() && copied[2] == 3.0);
    assert!(along(Affine::from_scale([0.5, 1.0, 1.0]))[0].is_nan());
    let infinite = [f64::INFINITY, 4.0, f64::NAN];
    let how = Resampling::linear().with_finite_only(true);
    let got = resample_map(&infinite, [3, 1, 1], &shift([0.25, 0.0, 0.0]), [2, 1, 1], &how).unwrap();
    assert_eq!(got, [4.0, 4.0]);
    assert!(Resampling::cubic().with_finite_only(true).validate().is_err());
}

#[test]
fn volumes_of_many_frames_and_colours() {
    let values: Vec<i16> = (0..48).collect();
    let affine = Affine::from_scale([2.0, 2.0, 2.0]);
    let volume = Volume::new([2, 3, 4, 2], values, affine).unwrap();
    let finer = Grid::new([3, 3, 4], Affine::from_scale([1.0, 2.0, 2.0]));
    let resampled = resample(&volume, &finer, &Resampling::linear()).unwrap();
    assert_eq!((resampled.shape(), resampled.meta().spacing()), (&[3, 3, 4, 2][..], &[1.0, 2.0, 2.0, 1.0][..]));
    let got = resampled.as_slice::<i16>().unwrap();
    assert_eq!((&got[..3], &got[36..39]), (&[0, 1, 1][..], &[24, 25, 25][..]));
    let colours = Volume::new([2, 1, 1], vec![[1u8, 2, 3], [4, 5, 6]], affine).unwrap();
    let shifted = Grid::new([2, 1, 1], affine.window([1, 0, 0]));
    let moved = resample(&colours, &shifted, &Resampling::nearest()).unwrap();
    assert_eq!(moved.as_slice::<[u8; 3]>().unwrap(), [[4, 5, 6], [0, 0, 0]]);
    assert!(matches!(resample(&colours, &shifted, &Resampling::linear()), Err(GeomError::DType { .. })));
    let white = Resampling::nearest().with_outside(Outside::Constant(255.0));
    assert!(matches!(resample(&colours, &shifted, &white), Err(GeomError::DType { .. })));
}

#[test]
fn wrong_input_is_refused() {
    let how = Resampling::linear();
    let length = resample_map(&[1.0f32; 5], [2, 3, 1], &Affine::IDENTITY, [1; 3], &how);
    assert_eq!(length.unwrap_err().to_string(), "resample: size [2, 3, 1] holds 6 voxels, got 5");
    let nothing: [f32; 0] = [];
    assert_eq!(
        resample_map(&nothing, [0, 3, 1], &Affine::IDENTITY, [1; 3], &how),
        Err(GeomError::Empty { op: "resample" })
    );
    let nan = Affine::from_scale([f64::NAN, 1.0, 1.0]);
    assert!(matches!(resample_map(&[1.0f32], [1; 3], &nan, [1; 3], &how), Err(GeomError::NotFinite { .. })));
    let huge = resample_map(&[1.0f32], [1; 3], &Affine::IDENTITY, [usize::MAX, 2, 1], &how);
    assert!(matches!(huge, Err(GeomError::TooLarge { .. })));
    assert_eq!(resample_map(&[1.0f32], [1; 3], &Affine::IDENTITY, [4, 0, 2], &how).unwrap(), nothing);
    let flat = Grid::new([1; 3], Affine::from_scale([1.0, 0.0, 1.0]));
    assert!(resample_slice(&[1.0f32], &flat, &Grid::new([1; 3], Affine::IDENTITY), &how).is_err());
    let far = shift([1e300, -1e300, 0.0]);
    for outside in OUTSIDES {
        assert!(resample_map(&[1.0f64; 8], [2; 3], &far, [1; 3], &how.with_outside(outside)).is_ok());
    }
}

#[test]
fn splines_pass_through_the_voxels() {
    let values = noise(6, 360);
    for (order, outside) in
        [(Order::Cubic, Outside::Mirror), (Order::Quintic, Outside::Reflect), (Order::Quadratic, Outside::GridWrap)]
    {
        let map = Affine::from_scale([0.5, 0.5, 0.5]);
        let how = Resampling::new(order).with_outside(outside);
        let finer = resample_map(&values, [9, 8, 5], &map, [17, 15, 9], &how).unwrap();
        for (at, value) in values.iter().enumerate() {
            let (i, j, k) = (at % 9, at / 9 % 8, at / 72);
            assert!((finer[2 * i + 17 * (2 * j + 15 * 2 * k)] - value).abs() < 1e-12, "{order:?}");
        }
    }
    assert_eq!(spline_coefficients(&values, [9, 8, 5], Order::Linear).unwrap(), values);
}

#[test]
fn resizing_by_hand() {
    let corner = resize_slice(&[0.0, 10.0, 20.0], [3, 1, 1], [5, 1, 1], ResizeRule::Corner, Order::Linear).unwrap();
    assert_eq!(corner, [0.0, 5.0, 10.0, 15.0, 20.0]);
    let centre = resize_slice(&[0.0, 10.0], [2, 1, 1], [4, 1, 1], ResizeRule::Centre, Order::Linear).unwrap();
    assert_eq!(centre, [0.0, 2.5, 7.5, 10.0]);
    let one = resize_slice(&[3.0, 5.0, 9.0], [3, 1, 1], [1, 1, 1], ResizeRule::Corner, Order::Linear).unwrap();
    assert_eq!(one, [3.0]);
    assert_eq!(zoomed_size([5, 7, 10], [0.5, 0.5, 1.25]).unwrap(), [2, 4, 12]);
    assert!(zoomed_size([5, 7, 10], [0.01, 1.0, 1.0]).is_err());
    let volume = Volume::new([2, 1, 1], vec![0u8, 10], Affine::from_scale([2.0, 1.0, 1.0])).unwrap();
    let resized = resize(&volume, [4, 1, 1], ResizeRule::Centre, Order::Linear).unwrap();
    assert_eq!(resized.as_slice::<u8>().unwrap(), [0, 3, 8, 10]);
    assert_eq!((resized.affine().column(0), resized.affine().translation()), ([1.0, 0.0, 0.0], [-0.5, 0.0, 0.0]));
}

#[test]
fn the_spacing_resize_keeps_the_outer_faces_and_counts_by_integers() {
    let grid = Grid::new([10, 10, 10], Affine::from_scale([1.0, 2.0, 0.5]).with_translation([3.0, 4.0, 5.0]));
    let resize = SpacingResize::new(&grid, [1.0, 1.0, 1.0]).unwrap();
    assert_eq!(resize.blur_sigma(), [0.25, 0.0, 0.5]);
    assert_eq!(resize.grid().size, [10, 20, 5]);
    assert_eq!(resize.grid().affine.translation(), [3.0, 3.5, 5.25]);
    let nearest = resize.clone().with_method(SpacingMethod::Nearest).with_blur(false);
    let values: Vec<f64> = (0..1000).map(|at| f64::from(at / 10 % 10)).collect();
    let taken = nearest.apply_slice(&values).unwrap();
    assert_eq!((0..6).map(|j| taken[10 * j]).collect::<Vec<_>>(), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    assert_eq!(resize.clone().with_literal_count(true).grid().size, [10, 20, 5]);
    let volume = Volume::new([10, 10, 10], values, grid.affine).unwrap();
    assert_eq!(resize.apply(&volume).unwrap().shape(), [10, 20, 5]);
    assert!(SpacingResize::new(&grid, [0.0, 1.0, 1.0]).is_err());
}

proptest! {
    #[test]
    fn linear_keeps_straight_ramps(
        size in prop::array::uniform3(2usize..12),
        scale in prop::array::uniform3(0.3f64..1.0),
        tilt in -0.1f64..0.1,
    ) {
        let ramp = |p: [f64; 3]| 2.0 * p[0] - 3.0 * p[1] + 0.5 * p[2] + 1.0;
        let count: usize = size.iter().product();
        let index = |at: usize, n: [usize; 3]| [at % n[0], at / n[0] % n[1], at / n[0] / n[1]].map(|x| x as f64);
        let values: Vec<f64> = (0..count).map(|at| ramp(index(at, size))).collect();
        let map = Affine::from_rows([[scale[0], tilt, 0.0, 0.0], [0.0, scale[1], tilt, 0.0], [0.0, 0.0, scale[2], 0.0]]);
        let got = resample_map(&values, size, &map, size, &Resampling::linear().with_outside(Outside::Constant(1e6))).unwrap();
        for (at, got) in got.into_iter().enumerate() {
            prop_assert!(got == 1e6 || (got - ramp(map.apply(index(at, size)))).abs() < 1e-7);
        }
    }
}
