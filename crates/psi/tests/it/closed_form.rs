//! Heights without training.

use std::f64::consts::PI;
use std::sync::Arc;

use volkit_core::{
    Affine, Batch, DType, MemorySink, Predictor as _, SilentProgress, Volume, VolumeMeta, VolumeSink as _, Voxels,
};
use volkit_kernels::Threads;
use volkit_psi::{
    ClosedForm, ClosedFormOptions, ClosedFormPredictor, FringeOrder, HeightErrors, HeightStream, Interferometer,
    Levels, PsiScene, Sensor,
};

const ORDERS: [FringeOrder; 2] = [FringeOrder::BeatChain, FringeOrder::Residual];

fn solver(instrument: &Interferometer, order: FringeOrder) -> ClosedForm {
    ClosedForm::new(instrument, ClosedFormOptions::default().with_fringe_order(order)).unwrap()
}

fn greys(voxels: &Voxels) -> Vec<f64> {
    voxels.view().to_real().unwrap()
}

#[test]
fn the_default_scene_as_the_specification_measured_it() {
    let (instrument, scene) = (Interferometer::default(), PsiScene::reference());
    let truth = scene.height_um([256, 256]);
    let (low, high) = truth.iter().fold((f64::MAX, f64::MIN), |(low, high), &h| (low.min(h), high.max(h)));
    assert!((low + 1.36).abs() < 0.01 && (high - 25.72).abs() < 0.01, "{low} {high}");
    for order in ORDERS {
        let solver = solver(&instrument, order);
        let errors = |images: &[f64]| {
            let got = solver.solve(images, &Threads::single()).unwrap();
            HeightErrors::of(&got.height_um, &truth).unwrap()
        };
        let exact = errors(&instrument.images(&truth));
        assert!(exact.rmse_um < 4e-15 && exact.max_um < 3e-14, "{order:?}: {exact:?}");
        let eight_bits = errors(&greys(&Sensor::default().record(&instrument, &truth, 0).unwrap()));
        assert!(eight_bits.rmse_um < 7e-4 && eight_bits.max_um < 3e-3, "{order:?}: {eight_bits:?}");
        let noisy = errors(&greys(&Sensor::default().with_noise(2.0).record(&instrument, &truth, 1).unwrap()));
        // A wrong order would be an error of 2.5 um.
        assert!(noisy.rmse_um < 4e-3 && noisy.max_um < 5e-2, "{order:?}: {noisy:?}");
    }
}

#[test]
fn every_height_of_the_range_is_found() {
    let height: Vec<f64> = (0..5001).map(|i| -10.0 + 50.0 * f64::from(i) / 5000.0).collect();
    let instruments = [
        Interferometer::default(),
        Interferometer::new([5.0, 5.5, 6.05, 6.655], 3),
        Interferometer::default().with_phase_steps([0.0, 1.3, 2.9, 4.0, 5.5]),
        Interferometer::default().with_levels(30_000.0, 25_000.0),
    ];
    for instrument in &instruments {
        for order in ORDERS {
            let got = solver(instrument, order).solve(&instrument.images(&height), &Threads::single()).unwrap();
            let errors = HeightErrors::of(&got.height_um, &height).unwrap();
            assert!(errors.max_um < 1e-12, "{instrument:?} {order:?}: {errors:?}");
            let modulation = instrument.modulation as f32;
            assert!(got.modulation.iter().all(|m| (m / modulation - 1.0).abs() < 1e-6));
            assert!(got.residual.iter().all(|r| *r < 1e-11));
        }
    }
}

#[test]
fn visible_light_and_one_laser() {
    let visible = Interferometer::new([0.635, 0.525, 0.45, 0.405], 3);
    let options = ClosedFormOptions::default().with_height_range_um([-2.0, 2.0]);
    let height: Vec<f64> = (0..=400).map(|i| -1.995 + 3.99 * f64::from(i) / 400.0).collect();
    let single = Interferometer::new([5.0], 4);
    let narrow = ClosedFormOptions::default().with_height_range_um([0.0, 2.5]);
    for order in ORDERS {
        let solver = ClosedForm::new(&visible, options.with_fringe_order(order)).unwrap();
        let got = solver.solve(&visible.images(&height), &Threads::single()).unwrap();
        assert!(HeightErrors::of(&got.height_um, &height).unwrap().max_um < 1e-12, "{order:?}");
        let solver = ClosedForm::new(&single, narrow.with_fringe_order(order)).unwrap();
        let got = solver.solve(&single.images(&[0.1, 1.25, 2.4]), &Threads::single()).unwrap();
        let near = got.height_um.iter().zip([0.1, 1.25, 2.4]).all(|(a, b)| (a - b).abs() < 1e-13);
        assert!(near, "{order:?}: {got:?}");
    }
}

#[test]
fn phases_by_hand() {
    let instrument = Interferometer::new([5.0, 5.5], 4);
    let solver = ClosedForm::new(&instrument, ClosedFormOptions::default().with_height_range_um([0.0, 20.0])).unwrap();
    // cos and sin of the phase: 1, 0; 0, 1; -1, 0; 0, -1, around a grey of 50, amplitude 10.
    let quarter = |c: f64, s: f64| [50.0 + 10.0 * c, 50.0 - 10.0 * s, 50.0 - 10.0 * c, 50.0 + 10.0 * s];
    let pixels = [quarter(1.0, 0.0), quarter(0.0, 1.0), quarter(-1.0, 0.0), quarter(0.0, -1.0)];
    let images: Vec<f64> = (0..2).flat_map(|_| (0..4).flat_map(|b| pixels.iter().map(move |pixel| pixel[b]))).collect();
    let wanted = [0.0, PI / 2.0, PI, -PI / 2.0];
    let phases = solver.phases(&images).unwrap();
    assert!(phases.iter().zip(wanted.iter().chain(&wanted)).all(|(a, b)| (a - b).abs() < 1e-14), "{phases:?}");
}

#[test]
fn threads_types_and_bands_change_no_bit() {
    let instrument = Interferometer::default();
    let truth = PsiScene::reference().height_um([37, 61]);
    let voxels = Sensor::default().with_noise(1.0).record(&instrument, &truth, 3).unwrap();
    let bytes: &[u8] = voxels.as_slice().unwrap();
    let solver = solver(&instrument, FringeOrder::BeatChain);
    let one = solver.solve(bytes, &Threads::single()).unwrap();
    let many = solver.solve(&greys(&voxels), &Threads::new(3)).unwrap();
    assert_eq!(one, many);
    let source = Volume::new([61, 37, 16], voxels.clone(), Affine::IDENTITY).unwrap();
    let meta = |dtype| VolumeMeta::new([61, 37], dtype, Affine::IDENTITY).unwrap();
    let (height, height_slot) = MemorySink::new(meta(DType::F64)).unwrap();
    let (modulation, modulation_slot) = MemorySink::new(meta(DType::F32)).unwrap();
    let threads = Threads::new(2);
    let stream = HeightStream::new(&solver, &threads).with_height(&height).with_modulation(&modulation);
    let mut rows = 0;
    stream
        .run(&source, &SilentProgress, &mut |first, heights| {
            assert_eq!(first, rows);
            rows += heights.height_um.len() / 61;
        })
        .unwrap();
    assert_eq!(rows, 37);
    Box::new(height).finish().unwrap();
    Box::new(modulation).finish().unwrap();
    assert_eq!(height_slot.lock().unwrap().take().unwrap().as_slice::<f64>().unwrap(), one.height_um);
    assert_eq!(modulation_slot.lock().unwrap().take().unwrap().as_slice::<f32>().unwrap(), one.modulation);
}

#[test]
fn as_a_model_of_tiles() {
    let instrument = Interferometer::default();
    let truth = PsiScene::reference().height_um([5, 7]);
    let images: Vec<f32> = instrument.images(&truth).iter().map(|&grey| grey as f32).collect();
    let solver = solver(&instrument, FringeOrder::BeatChain);
    let mut model = ClosedFormPredictor::new(solver).with_threads(Arc::new(Threads::new(2)));
    assert_eq!((model.spec().input_channels, model.spec().receptive_radius.clone()), (16, Some(vec![0, 0])));
    let got = model.predict(&Batch::new([2, 16, 5, 7], images.repeat(2)).unwrap()).unwrap().remove(0);
    assert_eq!(got.shape(), [2, 1, 5, 7]);
    // Greys of 1e-5 and heights of 2e-6 are what f32 tells.
    let near = |heights: &[f32]| heights.iter().zip(&truth).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5);
    assert!(near(&got.values()[..35]) && near(&got.values()[35..]));
    for shape in [vec![1, 15, 5, 7], vec![1, 16, 35], vec![1, 16, 5, 7, 1]] {
        let batch = Batch::new(shape.clone(), vec![0.0; shape.iter().product()]).unwrap();
        assert!(model.predict(&batch).unwrap_err().to_string().contains("[B, 16, H, W]"));
    }
    assert_eq!(model.predict(&Batch::new([1, 16, 0, 7], vec![]).unwrap()).unwrap()[0].shape(), [1, 1, 0, 7]);
}

#[test]
fn what_can_not_be_solved_is_refused() {
    let refused = |instrument: &Interferometer, options: ClosedFormOptions, wanted: &str| {
        let error = ClosedForm::new(instrument, options).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    };
    let usual = ClosedFormOptions::default();
    refused(&Interferometer::new([5.0], 2), usual, "three different");
    refused(&Interferometer::new([5.0, -1.0], 4), usual, "wavelengths_um = [5.0, -1.0]");
    refused(&Interferometer::new([], 4), usual, "wavelengths_um = []");
    refused(&Interferometer::default().with_levels(f64::NAN, 1.0), usual, "background = NaN");
    refused(&Interferometer::default().with_levels(1.0, 0.0), usual, "modulation = 0");
    refused(&Interferometer::new([5.0], 4), usual, "2.500000 um apart");
    refused(&Interferometer::default(), usual.with_height_range_um([3.0, 3.0]), "height_range_um = [3, 3]");
    let search = usual.with_fringe_order(FringeOrder::Residual).with_height_range_um([0.0, 1e9]);
    refused(&Interferometer::default(), search, "are not tried");
    let solver = solver(&Interferometer::default(), FringeOrder::BeatChain);
    assert!(solver.solve(&[0u8; 17], &Threads::single()).unwrap_err().to_string().contains("17 values, expected 32"));
    assert!(solver.solve::<u8>(&[], &Threads::single()).unwrap().height_um.is_empty());
    let flat = Volume::new([4, 4], vec![0u8; 16], Affine::IDENTITY).unwrap();
    let threads = Threads::single();
    let error = HeightStream::new(&solver, &threads).run(&flat, &SilentProgress, &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("[W, H, 16]"), "{error}");
}

#[test]
fn a_pixel_without_fringes_shows_it() {
    let instrument = Interferometer::default();
    let mut images = instrument.images(&[1.0, 2.0]);
    for image in images.chunks_mut(2) {
        image[1] = 60.0;
    }
    let got = solver(&instrument, FringeOrder::BeatChain).solve(&images, &Threads::single()).unwrap();
    assert!(got.modulation[0] > 99.0 && got.modulation[1] < 1e-6 && got.height_um[1].is_finite());
}

#[test]
fn sixteen_bits_are_better_than_eight() {
    let instrument = Interferometer::default().with_levels(32_000.0, 30_000.0);
    let truth = PsiScene::reference().height_um([64, 64]);
    let images = greys(&Sensor::default().with_levels(Levels::U16).record(&instrument, &truth, 0).unwrap());
    let got = solver(&instrument, FringeOrder::BeatChain).solve(&images, &Threads::single()).unwrap();
    assert!(HeightErrors::of(&got.height_um, &truth).unwrap().rmse_um < 5e-6);
}
