//! What a model sees beyond the border.

use std::sync::{Arc, Mutex};

use volkit_tile::{AxisSpec, Layout, Padding, TileError, TilePlan, TiledInference};

use crate::bench::{run, run_one, volume};
use crate::models::{Function, output, spec};

/// Runs an identity over an image `0, 1, 2, ..` and gives what the model saw of each tile.
fn seen(shape: &[usize], axes: &[AxisSpec], padding: Padding) -> Vec<Vec<f32>> {
    let tiles = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&tiles);
    let run = move |shape: &[usize], x: &[f32]| {
        record.lock().unwrap().push(x.to_vec());
        vec![(shape.to_vec(), x.to_vec())]
    };
    let mut model = Function { spec: spec(1, shape.len(), vec![output("same", 1, 1, 1)]), run };
    let values: Vec<f32> = (0..shape.iter().product()).map(|k: usize| k as f32).collect();
    let plan = TilePlan::with_padding(shape, axes, padding).unwrap();
    let got = run_one(TiledInference::new(&plan), &volume(shape, values.clone()), &mut model, shape);
    assert!(got.iter().zip(&values).all(|(got, wanted)| (got - wanted).abs() <= 1e-6 * wanted.abs()), "{got:?}");
    tiles.lock().unwrap().clone()
}

#[test]
fn all_modes_of_a_short_image() {
    let spec = [AxisSpec::new(7, 2)];
    let one = |padding| seen(&[4], &spec, padding).remove(0);
    assert_eq!(one(Padding::Constant(9.0)), [9.0, 0.0, 1.0, 2.0, 3.0, 9.0, 9.0]);
    assert_eq!(one(Padding::Reflect), [1.0, 0.0, 1.0, 2.0, 3.0, 2.0, 1.0]);
    assert_eq!(one(Padding::Symmetric), [0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 2.0]);
    assert_eq!(one(Padding::Replicate), [0.0, 0.0, 1.0, 2.0, 3.0, 3.0, 3.0]);
    assert_eq!(one(Padding::Circular), [3.0, 0.0, 1.0, 2.0, 3.0, 0.0, 1.0]);
}

#[test]
fn tiles_that_stick_out_of_a_long_image() {
    let spec = [AxisSpec::new(4, 1).with_layout(Layout::Pad { offset: -1 })];
    let tiles = seen(&[7], &spec, Padding::Circular);
    assert_eq!(tiles, [vec![6.0, 0.0, 1.0, 2.0], vec![2.0, 3.0, 4.0, 5.0], vec![5.0, 6.0, 0.0, 1.0]]);
    let context = [AxisSpec::new(4, 0).with_context(2)];
    let tiles = seen(&[8], &context, Padding::Reflect);
    assert_eq!(tiles[0], [2.0, 1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(tiles[1], [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 6.0, 5.0]);
}

#[test]
fn two_axes_at_once() {
    // 0 1 2 / 3 4 5, one sample around it.
    let axes = [AxisSpec::new(4, 0), AxisSpec::new(5, 0)];
    let tiles = seen(&[2, 3], &axes, Padding::Circular);
    #[rustfmt::skip]
    assert_eq!(tiles[0], [
        5.0, 3.0, 4.0, 5.0, 3.0,
        2.0, 0.0, 1.0, 2.0, 0.0,
        5.0, 3.0, 4.0, 5.0, 3.0,
        2.0, 0.0, 1.0, 2.0, 0.0,
    ]);
    let constant = seen(&[2, 3], &axes, Padding::Constant(-1.0));
    assert_eq!(constant[0][..7], [-1.0, -1.0, -1.0, -1.0, -1.0, -1.0, 0.0]);
}

#[test]
fn padding_that_reaches_too_far_is_refused() {
    let refused = |padding, tile| {
        matches!(
            TilePlan::with_padding(&[4], &[AxisSpec::new(tile, 0)], padding),
            Err(TileError::Padding { axis: 0, .. })
        )
    };
    assert!(!refused(Padding::Reflect, 10) && refused(Padding::Reflect, 11));
    assert!(!refused(Padding::Circular, 12) && refused(Padding::Circular, 13));
    assert!(!refused(Padding::Replicate, 1000));
}

#[test]
fn intensities_are_scaled_tile_by_tile() {
    let plan = TilePlan::new(&[6], &[AxisSpec::new(3, 1)]).unwrap();
    let image = volkit_core::Volume::new([6], vec![0u8, 51, 102, 153, 204, 255], volkit_core::Affine::IDENTITY);
    let inference = TiledInference::new(&plan).with_intensity(1.0 / 51.0, 1.0);
    let mut model = volkit_tile::Pointwise::identity(1, 1);
    let (got, report) = run(inference, &image.unwrap(), &mut [&mut model], &[&[6]]).unwrap();
    assert!(got[0].iter().enumerate().all(|(k, v)| (v - (k as f32 + 1.0)).abs() < 1e-5), "{got:?}");
    assert_eq!((report.bytes_read, report.bytes_written), (3 * 3 * 4, 6 * 4));
}
