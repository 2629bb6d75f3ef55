//! Tiles become one image: exactness, order of additions, memory.

use proptest::prelude::*;
use volkit_core::Predictor;
use volkit_tile::{
    AxisSpec, BatchSize, Blend, ImportanceMap, Layout, ModelMemory, NamedWindow, NotFinite, Pointwise, Precision,
    TileError, TilePlan, TiledInference,
};

use crate::bench::{bits, largest_difference, noise_volume, run, run_one, volume};
use crate::models::ConvNet;
use crate::weights::windows;

fn with_channels(channels: usize, shape: &[usize]) -> Vec<usize> {
    [&[channels], shape].concat()
}

/// An identity model over noise: largest and relative L2 error.
fn reconstruction(shape: &[usize], axes: &[AxisSpec], blend: Blend, precision: Precision) -> (f64, f64) {
    let shape_c = with_channels(2, shape);
    let image = noise_volume(&shape_c, 7);
    let plan = TilePlan::new(shape, axes).unwrap();
    let inference = TiledInference::new(&plan).with_blend(blend).with_precision(precision);
    let got = run_one(inference, &image, &mut Pointwise::identity(2, shape.len()), &shape_c);
    let wanted = image.as_slice::<f32>().unwrap();
    let error = |(g, w): (&f32, &f32)| f64::from(g - w);
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let relative = got.iter().zip(wanted).map(|pair| error(pair).abs() / f64::from(pair.1.abs()).max(1e-30));
    let l2 = squares(&mut got.iter().zip(wanted).map(error)) / squares(&mut wanted.iter().map(|&w| f64::from(w)));
    (relative.fold(0.0, f64::max), l2.sqrt())
}

#[test]
fn awkward_sizes_come_back_through_every_window() {
    // Length, tile and overlap: one sample more than a tile, primes, nearly whole overlaps, images below the tile.
    let cases = [(33, 32, 8), (97, 30, 20), (71, 24, 18), (20, 32, 8), (101, 64, 48), (1, 4, 1), (63, 7, 5)];
    for window in windows() {
        for (length, tile, overlap) in cases {
            let axes = [AxisSpec::new(tile, overlap), AxisSpec::new(16, 12).with_layout(Layout::Even)];
            let blend = Blend::from(window.clone());
            let (largest, l2) = reconstruction(&[length, 45], &axes, blend, Precision::F32);
            assert!(largest <= 1e-6 && l2 <= 2e-7, "{window:?} {length} {tile} {overlap}: {largest:e} {l2:e}");
        }
    }
}

#[test]
fn overlaps_beyond_three_quarters_stay_within_4e_6() {
    let axes = [AxisSpec::new(8, 7); 3];
    let (largest, _) = reconstruction(&[13, 11, 12], &axes, Blend::default(), Precision::F32);
    assert!(largest <= 4e-6, "{largest:e}");
    let (largest, _) = reconstruction(&[13, 11, 12], &axes, Blend::default(), Precision::F64);
    assert!(largest <= 6.0e-8, "{largest:e}");
}

#[test]
fn whatever_one_tile_covers_is_copied_bit_for_bit() {
    let values = vec![-0.0f32, 0.0, f32::MIN_POSITIVE / 4.0, -1.5, 3.0e38, 1.0 / 3.0, -0.0];
    let image = volume(&[1, 7], values.clone());
    for (axes, blend) in [
        (AxisSpec::new(3, 0), Blend::default()),
        (AxisSpec::new(7, 3), Blend::from(NamedWindow::gaussian())),
        (AxisSpec::new(16, 3), Blend::from(NamedWindow::SymmetricHann)),
        (AxisSpec::new(4, 2), Blend::Crop),
    ] {
        let plan = TilePlan::new(&[7], &[axes]).unwrap();
        let inference = TiledInference::new(&plan).with_blend(blend.clone());
        let got = run_one(inference, &image, &mut Pointwise::identity(1, 1), &[7]);
        assert_eq!(bits(&got), bits(&values), "{blend:?}");
    }
}

#[test]
fn averages_of_two_and_four_are_exact() {
    // Every sample is in 1, 2 or 4 tiles.
    let plan = TilePlan::new(&[32, 32], &[AxisSpec::new(16, 8); 2]).unwrap();
    let image = noise_volume(&[1, 32, 32], 3);
    let inference = TiledInference::new(&plan).with_blend(NamedWindow::Constant);
    let got = run_one(inference, &image, &mut Pointwise::identity(1, 2), &[32, 32]);
    assert_eq!(bits(&got), bits(image.as_slice().unwrap()));
}

#[test]
fn one_to_four_axes_and_several_images() {
    for n_axes in 1..=4 {
        let shape = &[9, 7, 6, 5][..n_axes];
        let axes = vec![AxisSpec::new(4, 2); n_axes];
        let whole = with_channels(3, &with_channels(2, shape));
        let image = noise_volume(&whole, 5);
        let plan = TilePlan::new(shape, &axes).unwrap();
        for blend in [Blend::Crop, Blend::default(), ImportanceMap::NnUnetGaussian.into()] {
            let inference = TiledInference::new(&plan).with_blend(blend.clone()).with_batch(BatchSize::Fixed(5));
            let got = run_one(inference, &image, &mut Pointwise::identity(2, n_axes), &whole);
            let difference = largest_difference(&got, image.as_slice().unwrap());
            assert!(difference < 1e-6, "{n_axes} axes, {blend:?}: {difference:e}");
        }
    }
}

/// The rule stated plainly, in one whole accumulator: `out += prod_axis w * tile`, tiles in order.
fn plainly(shape: [usize; 2], plan: &TilePlan, window: &NamedWindow, image: &[f32], model: &mut ConvNet) -> Vec<f32> {
    let mut out = vec![-0.0f32; shape[0] * shape[1]];
    let weights: Vec<_> =
        plan.axes().iter().enumerate().map(|(a, axis)| volkit_tile::axis_weights(a, axis, window).unwrap()).collect();
    let [h, w] = [plan.axes()[0].tile(), plan.axes()[1].tile()];
    for tile in plan.tiles() {
        let at = |y: usize, x: usize| [tile.origin[0] + y as isize, tile.origin[1] + x as isize];
        let sample = |[y, x]: [isize; 2]| image[y as usize * shape[1] + x as usize];
        let input = (0..h * w).map(|k| sample(at(k / w, k % w))).collect();
        let input = volkit_core::Batch::new([1, 1, h, w], input).unwrap();
        let result = model.predict(&input).unwrap().remove(0);
        for (k, value) in result.values().iter().enumerate() {
            let [y, x] = at(k / w, k % w).map(|p| p as usize);
            let weight = weights[0][tile.grid[0]][k / w] as f32 * weights[1][tile.grid[1]][k % w] as f32;
            out[y * shape[1] + x] += weight * value;
        }
    }
    out
}

#[test]
fn streaming_equals_one_whole_accumulator_to_the_bit() {
    let shape = [37, 53];
    let image = noise_volume(&[1, 37, 53], 11);
    for (axes, window) in [
        ([AxisSpec::new(16, 4), AxisSpec::new(24, 6)], NamedWindow::Hann),
        ([AxisSpec::new(12, 9), AxisSpec::new(20, 3)], NamedWindow::gaussian()),
    ] {
        let plan = TilePlan::new(&shape, &axes).unwrap();
        let mut model = ConvNet::new(&[1, 3, 1]);
        let wanted = plainly(shape, &plan, &window, image.as_slice().unwrap(), &mut model);
        let got = run_one(TiledInference::new(&plan).with_blend(window), &image, &mut model, &shape);
        assert_eq!(bits(&got), bits(&wanted));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn batches_workers_and_queues_change_nothing(
        batch in 1usize..9,
        n_workers in 1usize..5,
        queue_depth in 0usize..4,
        overlap in 0usize..9,
    ) {
        let plan = TilePlan::new(&[31, 29], &[AxisSpec::new(10, overlap), AxisSpec::new(9, overlap.min(6))]).unwrap();
        let image = noise_volume(&[2, 1, 31, 29], 1);
        let reference = run_one(TiledInference::new(&plan), &image, &mut ConvNet::new(&[1, 2, 1]), &[2, 1, 31, 29]);
        let mut workers: Vec<ConvNet> = (0..n_workers).map(|_| ConvNet::new(&[1, 2, 1])).collect();
        let mut models: Vec<&mut dyn Predictor> = workers.iter_mut().map(|model| model as &mut dyn Predictor).collect();
        let inference =
            TiledInference::new(&plan).with_batch(BatchSize::Fixed(batch)).with_queue_depth(queue_depth);
        let (got, report) = run(inference, &image, &mut models, &[&[2, 1, 31, 29]]).unwrap();
        prop_assert_eq!(bits(&got[0]), bits(&reference));
        prop_assert_eq!(report.n_run, 2 * plan.n_tiles());
    }
}

#[test]
fn nothing_of_an_image_is_left_for_the_next() {
    // Planes are not cleared between images: the first tile of a sample sets it.
    let values: Vec<f32> = (0..2 * 20 * 9).map(|i| if i < 180 { f32::NAN } else { i as f32 }).collect();
    let image = volume(&[2, 1, 20, 9], values.clone());
    let plan = TilePlan::new(&[20, 9], &[AxisSpec::new(6, 4), AxisSpec::new(5, 3)]).unwrap();
    for blend in [Blend::default(), Blend::Crop, ImportanceMap::MonaiConstant.into()] {
        for queue_depth in [0, 1] {
            let inference = TiledInference::new(&plan).with_blend(blend.clone()).with_not_finite(NotFinite::Keep);
            let inference = inference.with_queue_depth(queue_depth);
            let got = run_one(inference, &image, &mut Pointwise::identity(1, 2), &[2, 1, 20, 9]);
            assert!(got[..180].iter().all(|value| value.is_nan()));
            assert!(largest_difference(&got[180..], &values[180..]) < 1e-3, "{blend:?}");
        }
    }
}

#[test]
fn small_images_stay_on_one_thread_unless_told_otherwise() {
    let model = Pointwise::mean(16, 2);
    let plan = |n: usize| TilePlan::new(&[n, 1024], &[AxisSpec::new(256, 64); 2]).unwrap();
    let in_flight = |plan: &TilePlan, queue_depth: Option<usize>| {
        let mut inference = TiledInference::new(plan);
        inference.queue_depth = queue_depth;
        inference.estimate(model.spec(), 1).unwrap().inputs / (16 * 256 * 256 * 4)
    };
    // 17 values of 4 bytes a sample: 128 MiB are 1927 rows of 1024 samples.
    assert_eq!((in_flight(&plan(1927), None), in_flight(&plan(1928), None)), (1, 2));
    assert_eq!((in_flight(&plan(1927), Some(1)), in_flight(&plan(1928), Some(0))), (2, 1));
}

#[test]
fn a_model_that_works_in_place_has_no_outputs_of_its_own() {
    let model = Pointwise::identity(1, 2);
    let plan = TilePlan::new(&[512, 512], &[AxisSpec::new(256, 64); 2]).unwrap();
    let estimate = |batch| {
        let inference = TiledInference::new(&plan).with_model_memory(ModelMemory::default().in_place());
        inference.with_batch(batch).estimate(model.spec(), 1).unwrap()
    };
    assert_eq!(estimate(BatchSize::Fixed(2)).outputs, 0);
    // Where the batch may be halved, the input is kept.
    assert!(estimate(BatchSize::Budget { bytes: 1 << 30 }).outputs > 0);
    let shared = ModelMemory::new(10, 0).with_shared_bytes(7);
    let estimate = TiledInference::new(&plan).with_model_memory(shared).estimate(model.spec(), 3).unwrap();
    assert_eq!(estimate.parameters, 3 * 10 + 7);
}

#[test]
fn memory_does_not_grow_with_the_height() {
    let model = Pointwise::mean(16, 2);
    let estimate = |height: usize| {
        let plan = TilePlan::new(&[height, 7000], &[AxisSpec::new(512, 128); 2]).unwrap();
        TiledInference::new(&plan).estimate(model.spec(), 1).unwrap()
    };
    let one = estimate(9344);
    assert_eq!(one, estimate(2 * 9344));
    // One output channel: 512 x 7000 values.
    assert_eq!(one.accumulators, 512 * 7000 * 4);
    // A batch that is run and one that is read.
    assert_eq!((one.inputs, one.outputs), (2 * 16 * 512 * 512 * 4, 2 * 512 * 512 * 4));
}

#[test]
fn a_budget_decides_on_the_batch() {
    let model = Pointwise::mean(16, 2);
    let plan = TilePlan::new(&[4096, 4096], &[AxisSpec::new(256, 64); 2]).unwrap();
    let with = |bytes| {
        let inference = TiledInference::new(&plan).with_model_memory(ModelMemory::new(1 << 20, 8 << 20));
        inference.with_batch(BatchSize::Budget { bytes }).estimate(model.spec(), 1)
    };
    let estimate = with(200 << 20).unwrap();
    assert!(estimate.total() <= 200 << 20 && estimate.batch > 1, "{estimate:?}");
    let larger = TiledInference::new(&plan).with_model_memory(ModelMemory::new(1 << 20, 8 << 20));
    let larger = larger.with_batch(BatchSize::Fixed(estimate.batch + 1)).estimate(model.spec(), 1).unwrap();
    assert!(larger.total() > 200 << 20);
    assert_eq!(with(1 << 40).unwrap().batch, plan.n_tiles());
    let TileError::Budget { needed, allowed } = with(1 << 20).unwrap_err() else { panic!() };
    assert!(needed > allowed && allowed == 1 << 20);
}
