//! Overlap-discard equals direct inference.

use volkit_core::{Batch, Predictor as _};
use volkit_tile::{AxisSpec, Blend, ImportanceMap, NamedWindow, TilePlan, TiledInference};

use crate::bench::{bits, largest_difference, noise, run_one, volume};
use crate::models::ConvNet;

const CHANNELS: [usize; 5] = [1, 4, 4, 4, 1];

/// The whole image in one pass.
fn direct(shape: [usize; 2], values: &[f32]) -> Vec<f32> {
    let input = Batch::new([1, 1, shape[0], shape[1]], values.to_vec()).unwrap();
    ConvNet::new(&CHANNELS).predict(&input).unwrap().remove(0).into_values()
}

fn tiled(shape: [usize; 2], values: &[f32], plan: &TilePlan, blend: impl Into<Blend>) -> Vec<f32> {
    let image = volume(&[1, shape[0], shape[1]], values.to_vec());
    run_one(TiledInference::new(plan).with_blend(blend), &image, &mut ConvNet::new(&CHANNELS), &shape)
}

#[test]
fn four_convolutions_to_the_bit() {
    let mut model = ConvNet::new(&CHANNELS);
    let radius = model.spec().receptive_radius.clone().unwrap();
    assert!(matches!(Blend::for_model(model.spec()), Blend::Crop));
    assert!(model.predict(&Batch::new([1, 1, 2], vec![0.0; 2]).unwrap()).is_err());
    for shape in [[100, 83], [40, 200], [17, 9], [1, 33]] {
        let values = noise(shape[0] * shape[1], 9);
        let wanted = direct(shape, &values);
        for tile in [24, 33, 64] {
            let plan = TilePlan::for_receptive_field(&shape, &[tile; 2], &radius, 1).unwrap();
            assert_eq!(bits(&tiled(shape, &values, &plan, Blend::Crop)), bits(&wanted), "{shape:?}, tile {tile}");
        }
    }
}

#[test]
fn a_smaller_overlap_shows_seams() {
    let shape = [64, 64];
    let values = noise(64 * 64, 2);
    let plan = TilePlan::for_receptive_field(&shape, &[32; 2], &[3; 2], 1).unwrap();
    assert!(largest_difference(&tiled(shape, &values, &plan, Blend::Crop), &direct(shape, &values)) > 1e-6);
}

#[test]
fn blending_leaves_less_than_the_plain_average() {
    let shape = [128, 128];
    let values = noise(128 * 128, 4);
    let wanted = direct(shape, &values);
    let plan = TilePlan::new(&shape, &[AxisSpec::new(64, 16); 2]).unwrap();
    let error = |blend: Blend| largest_difference(&tiled(shape, &values, &plan, blend), &wanted);
    let hann = error(NamedWindow::Hann.into());
    let constant = error(NamedWindow::Constant.into());
    let monai = error(ImportanceMap::MonaiGaussian { sigma: vec![0.125] }.into());
    assert!(hann < monai && monai < constant && hann > 0.0, "{hann:e} {monai:e} {constant:e}");
}

#[test]
fn tiles_shrink_as_far_as_their_number_allows() {
    for (length, tile, radius) in [(1024, 512, 4), (1000, 100, 7), (513, 512, 0), (97, 96, 40), (60, 64, 3)] {
        let plan = TilePlan::for_receptive_field(&[length], &[tile], &[radius], 1).unwrap();
        let (n, least) = (plan.n_tiles(), plan.axes()[0].tile());
        let plan_of = |tile: usize| TilePlan::new(&[length], &[AxisSpec::new(tile, 2 * radius)]).unwrap();
        assert_eq!(n, plan_of(tile.min(length)).n_tiles(), "{length}");
        assert_eq!(plan_of(least).n_tiles(), n, "{length}");
        if n > 1 && least > 2 * radius + 1 {
            assert!(plan_of(least - 1).n_tiles() > n, "{length}: {least}");
        }
    }
}
