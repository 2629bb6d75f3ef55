//! Scenes from seeds.

use std::collections::BTreeSet;

use volkit_core::DType;
use volkit_psi::{Interferometer, Levels, PsiScene, SceneOptions, Sensor, Shape, Split, area_average};

#[test]
fn the_reference_scene_by_hand() {
    // Corners of [-1, 1]^2, x along the width.
    let heights = PsiScene::reference().height_um([2, 2]);
    let at = |x: f64, y: f64| {
        15.0 * (-((x - 0.2).powi(2) + (y + 0.3).powi(2)) / 0.2).exp()
            + 5.0 * x
            + 2.5 * y
            + 10.0 * ((x + 0.5).powi(2) + (y - 0.4).powi(2)).sqrt()
    };
    let wanted = [at(-1.0, -1.0), at(1.0, -1.0), at(-1.0, 1.0), at(1.0, 1.0)];
    assert!(heights.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-14), "{heights:?} {wanted:?}");
}

#[test]
fn random_scenes_stay_in_their_range_and_differ() {
    let options = SceneOptions::default();
    let mut seen = BTreeSet::new();
    for index in 0..60 {
        for split in [Split::Train, Split::Test] {
            let scene = PsiScene::random(split.scene_seed(7, index), &options).unwrap();
            let heights = scene.height_um([24, 31]);
            assert!(heights.iter().all(|h| (-5.0..=35.0).contains(h)), "{index} {split:?}");
            let [low, high] = scene.bounds_um();
            assert!(heights.iter().all(|h| (low - 1e-9..=high + 1e-9).contains(h)));
            assert!(seen.insert(heights[0].to_bits()), "{index} {split:?} is there twice");
            assert_eq!(scene, PsiScene::random(split.scene_seed(7, index), &options).unwrap());
        }
    }
    let spread = |scene: PsiScene| scene.bounds_um()[1] - scene.bounds_um()[0];
    assert!((0..20).all(|seed| spread(PsiScene::random(seed, &options).unwrap()) > 0.4 * 39.0));
}

#[test]
fn seeds_of_training_and_test_never_meet() {
    for seed in [0, 1, u64::MAX] {
        let mut seeds = BTreeSet::new();
        for index in 0..5000 {
            assert!(seeds.insert(Split::Train.scene_seed(seed, index)));
            assert!(seeds.insert(Split::Test.scene_seed(seed, index)));
        }
    }
}

#[test]
fn a_scene_is_the_same_at_every_size() {
    let scene = PsiScene::random(3, &SceneOptions::default()).unwrap();
    let (small, large) = (scene.height_um([11, 11]), scene.height_um([21, 21]));
    for y in 0..11 {
        for x in 0..11 {
            assert!((small[y * 11 + x] - large[2 * y * 21 + 2 * x]).abs() < 1e-9);
        }
    }
    assert_eq!(scene.height_um([0, 4]).len(), 0);
    assert_eq!(scene.height_um([1, 1]).len(), 1);
}

#[test]
fn cone_bumps_are_where_they_should_be() {
    let scene = PsiScene::cone_bumps(256, 5).unwrap();
    assert_eq!(scene.shapes.len(), 5);
    let heights = scene.height_um([256, 256]);
    for shape in &scene.shapes {
        let Shape::Bump { centre: [x, y], height_um, .. } = shape else { panic!("{shape:?}") };
        let pixel = |at: &f64| ((at + 1.0) * 255.0 / 2.0).round() as usize;
        let (x, y) = (pixel(x), pixel(y));
        assert!((50..206).contains(&x) && (50..206).contains(&y));
        assert!(heights[y * 256 + x] >= height_um - 1e-9);
    }
    assert!(PsiScene::cone_bumps(100, 0).unwrap_err().to_string().contains("image_size = 100"));
}

#[test]
fn cameras_cut_off_and_clamp() {
    let instrument = Interferometer::new([4.0], 4).with_levels(100.5, 60.7);
    // h = 0: phases 0, 90, 180, 270 degrees.
    let bytes = Sensor::default().record(&instrument, &[0.0], 0).unwrap();
    assert_eq!(bytes.as_slice::<u8>().unwrap(), [161, 100, 39, 100]);
    let loud = Interferometer::new([4.0], 4).with_levels(100.0, 300.0);
    assert_eq!(Sensor::default().record(&loud, &[0.0], 0).unwrap().as_slice::<u8>().unwrap(), [255, 100, 0, 99]);
    let words = Sensor::default().with_levels(Levels::U16).record(&loud, &[0.0], 0).unwrap();
    assert_eq!(words.as_slice::<u16>().unwrap()[0], 400);
    assert_eq!(Sensor::default().with_levels(Levels::F32).record(&loud, &[0.0], 0).unwrap().dtype(), DType::F32);
}

#[test]
fn faults_have_their_size() {
    let instrument = Interferometer::new([4.0], 4);
    let sensor = Sensor::default().with_levels(Levels::F32);
    let heights = vec![0.3; 20_000];
    let clean: Vec<f64> = instrument.images(&heights);
    let spread = |sensor: Sensor, seed| {
        let got: Vec<f64> = sensor.record(&instrument, &heights, seed).unwrap().view().to_real().unwrap();
        let squares = got.iter().zip(&clean).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        (squares / clean.len() as f64).sqrt()
    };
    // 80 000 numbers: the standard deviation is known to 0.25 %.
    assert!((spread(sensor.with_noise(2.0), 1) - 2.0).abs() < 0.03);
    assert!(spread(sensor, 1) < 1e-5);
    let gains: Vec<f64> = (0..200).map(|seed| spread(sensor.with_errors(0.01, 0.0), seed)).collect();
    let mean = gains.iter().sum::<f64>() / 200.0;
    assert!((0.5..2.5).contains(&mean), "{mean}");
    let steps = (0..200).map(|seed| spread(sensor.with_errors(0.0, 0.02), seed)).sum::<f64>() / 200.0;
    assert!((0.5..2.5).contains(&steps), "{steps}");
    assert_ne!(spread(sensor.with_noise(2.0), 1), spread(sensor.with_noise(2.0), 2));
}

#[test]
fn options_out_of_range_are_named() {
    let wrong = |options: SceneOptions| PsiScene::random(0, &options).unwrap_err().to_string();
    let usual = SceneOptions::default();
    assert!(wrong(usual.with_height_range_um([1.0, 1.0])).contains("height_range_um = [1, 1]"));
    assert!(wrong(usual.with_counts(0, 0)).contains("max_gaussians"));
    assert!(wrong(usual.with_roughness(-1.0, [1.0, 2.0])).contains("roughness_um = -1"));
    assert!(wrong(usual.with_roughness(0.1, [3.0, 2.0])).contains("roughness_band = [3, 2]"));
    let sensor = Sensor::default().with_noise(f64::NAN);
    let error = sensor.record(&Interferometer::default(), &[0.0], 0).unwrap_err().to_string();
    assert!(error.contains("noise_sigma = NaN"), "{error}");
}

#[test]
fn areas_are_averaged_by_hand() {
    let map = [1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 6.0, 8.0, 9.0, 9.0];
    let (coarse, size) = area_average(&map, [2, 5], 2).unwrap();
    // Rows 1 3 5 7 2 and 4 6 8 9 9: the fifth column fills no square.
    assert_eq!((coarse, size), (vec![3.5, 7.25], [1, 2]));
    assert_eq!(area_average(&map, [2, 5], 1).unwrap().0, map);
    assert!(area_average(&map, [2, 5], 3).unwrap().0.is_empty());
    assert!(area_average(&map, [2, 5], 0).is_err() && area_average(&map, [2, 4], 1).is_err());
}
