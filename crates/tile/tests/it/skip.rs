//! Tiles that are not run.

use volkit_core::Volume;
use volkit_tile::{
    AxisSpec, BatchSize, EmptyTest, InferReport, NamedWindow, Skip, SkipPolicy, TilePlan, TiledInference,
};

use crate::bench::{run, volume};
use crate::models::{Function, output, spec};

/// Adds 10 to the image, tile by tile.
fn plus_ten(image: &Volume, plan: &TilePlan, skip: Skip<'_>) -> (Vec<f32>, InferReport) {
    let run_tile = |shape: &[usize], x: &[f32]| vec![(shape.to_vec(), x.iter().map(|v| v + 10.0).collect())];
    let mut model = Function { spec: spec(1, 1, vec![output("plus", 1, 1, 1)]), run: run_tile };
    let inference = TiledInference::new(plan).with_blend(NamedWindow::Linear).with_skip(skip);
    let inference = inference.with_batch(BatchSize::Fixed(2));
    let (mut got, report) = run(inference, image, &mut [&mut model], &[&plan.shape()]).unwrap();
    (got.remove(0), report)
}

#[test]
fn empty_tiles_leave_the_fill_at_their_weights() {
    let image = volume(&[1, 12], vec![0., 0., 0., 0., 1., 1., 1., 1., 0., 0., 0., 0.]);
    let plan = TilePlan::new(&[12], &[AxisSpec::new(4, 0)]).unwrap();
    let skip = Skip::new().with_empty(EmptyTest::Background(0.0)).with_fill(-1.0);
    let (got, report) = plus_ten(&image, &plan, skip);
    assert_eq!(got, [-1., -1., -1., -1., 11., 11., 11., 11., -1., -1., -1., -1.]);
    assert_eq!((report.n_run, report.n_skipped), (1, 2));
    let flat = Skip::new().with_empty(EmptyTest::Flat { eps: 0.0 });
    assert_eq!(plus_ten(&image, &plan, flat).1.n_skipped, 3);
    // Overlapping: tiles 0..4, 2..6, ..; the first and the last are empty.
    let plan = TilePlan::new(&[12], &[AxisSpec::new(4, 2)]).unwrap();
    let (got, report) = plus_ten(&image, &plan, skip);
    assert_eq!((report.n_run, report.n_skipped), (3, 2));
    // Ramp 0.25, 0.75 between tile 0 (fill) and tile 1 (10 at these samples).
    assert_eq!(got[..4], [-1.0, -1.0, -0.75 + 10.0 * 0.25, -0.25 + 10.0 * 0.75]);
}

#[test]
fn renormalised_neighbours_take_over() {
    let image = volume(&[1, 12], vec![0., 0., 0., 0., 1., 1., 1., 1., 0., 0., 0., 0.]);
    let plan = TilePlan::new(&[12], &[AxisSpec::new(4, 2)]).unwrap();
    let skip = Skip::new().with_empty(EmptyTest::Background(0.0)).with_fill(-1.0).with_policy(SkipPolicy::Renormalize);
    let (got, _) = plus_ten(&image, &plan, skip);
    assert_eq!(got, [-1., -1., 10., 10., 11., 11., 11., 11., 10., 10., -1., -1.]);
}

#[test]
fn masks_of_any_resolution() {
    let image = volume(&[1, 12], (0..12).map(|v| v as f32).collect());
    let plan = TilePlan::new(&[12], &[AxisSpec::new(4, 0)]).unwrap();
    for (mask, wanted) in [
        (vec![0.0, 1.0, 0.0], 1),
        (vec![0.0; 12], 0),
        // A sample of a coarse mask that two tiles share.
        (vec![0.0, 1.0], 2),
        (vec![1.0], 3),
        ((0..24).map(|k| f32::from(u8::from(k == 8))).collect(), 1),
    ] {
        let mask = volume(&[mask.len()], mask);
        let (got, report) = plus_ten(&image, &plan, Skip::new().with_mask(&mask));
        assert_eq!((report.n_run, report.n_skipped), (wanted, 3 - wanted));
        let n_filled = got.iter().filter(|&&value| value == 0.0).count();
        assert_eq!(n_filled, 4 * (3 - wanted));
    }
}
