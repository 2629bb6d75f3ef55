//! Synthetic scans, as callers see them.

use volkit_core::{Affine, Volume};
use volkit_seg::Structures;
use volkit_seg::training::{FixedContrast, Generator, GeneratorConfig, LabelMap};

/// A map of 48^3 voxels, stored LIA as the published ones are: a box of cortex (left label 3, right 42) around white matter
/// (2, 41) in a head of label 530.
fn stored_map() -> Volume {
    let n = 48;
    let label = |p: [usize; 3]| -> i16 {
        let far = p.map(|i| (i as f64 - 23.5).abs()).into_iter().fold(0.0, f64::max);
        // The first axis runs to the left.
        let is_left = p[0] >= 24;
        match far {
            far if far < 8.0 => {
                if is_left {
                    2
                } else {
                    41
                }
            }
            far if far < 14.0 => {
                if is_left {
                    3
                } else {
                    42
                }
            }
            far if far < 20.0 => 530,
            _ => 0,
        }
    };
    let labels: Vec<i16> = (0..n * n * n).map(|at| label([at % n, at / n % n, at / (n * n)])).collect();
    let lia = [[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]];
    Volume::new([n; 3], labels, Affine::from_parts(lia, [0.0; 3])).unwrap()
}

fn map() -> LabelMap {
    LabelMap::new(&stored_map(), false).unwrap()
}

fn channel(label: u32) -> u8 {
    Structures::v2().channel_of(label).unwrap() as u8
}

#[test]
fn without_deformation_the_map_comes_out() {
    let generator = Generator::new(GeneratorConfig::new().with_size(48).without_augmentation()).unwrap();
    let sample = generator.sample(&[map()], 0).unwrap();
    let at = |p: [usize; 3]| sample.channels[p[0] + 48 * (p[1] + 48 * p[2])];
    // x runs to the right now.
    assert_eq!([at([20, 24, 24]), at([27, 24, 24])], [channel(2), channel(41)]);
    assert_eq!([at([12, 24, 24]), at([36, 24, 24])], [channel(3), channel(42)]);
    assert_eq!([at([6, 24, 24]), at([0, 0, 0])], [0, 0]);
    let count = |label| sample.channels.iter().filter(|c| **c == channel(label)).count();
    assert_eq!((count(2), count(41)), (8 * 16 * 16, 8 * 16 * 16));
    let (low, high) = sample.image.iter().fold((1.0f32, 0.0f32), |(a, b), v| (a.min(*v), b.max(*v)));
    assert!(low >= 0.0 && high <= 1.0 && high > low);
}

#[test]
fn a_flip_mirrors_image_and_sides() {
    let config = GeneratorConfig::new().with_size(48).without_augmentation();
    let mut flipping = config.clone();
    flipping.flip_probability = 1.0;
    let of = |config| Generator::new(config).unwrap().sample(&[map()], 3).unwrap();
    let (plain, flipped) = (of(config), of(flipping));
    // The map is its own mirror image but for the labels of the sides, which are swapped back.
    assert_eq!(plain.channels, flipped.channels);
}

#[test]
fn samples_depend_on_their_index_and_not_on_threads() {
    let mut config = GeneratorConfig::new().with_size(32).with_seed(5);
    config.deformation.elastic_deviation_mm = [2.0, 3.0];
    let generator = Generator::new(config).unwrap();
    let maps = [map()];
    let in_pool = |threads: usize, index| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| generator.sample(&maps, index).unwrap())
    };
    assert_eq!(in_pool(1, 7), in_pool(3, 7));
    assert_ne!(in_pool(1, 7).image, in_pool(1, 8).image);
}

#[test]
fn coarser_samples_cover_as_much() {
    let mut config = GeneratorConfig::new().with_size(24).with_spacing_mm(2.0).without_augmentation();
    config.crop.deviation_mm = Some(0.0);
    let sample = Generator::new(config).unwrap().sample(&[map()], 0).unwrap();
    let count = |label| sample.channels.iter().filter(|c| **c == channel(label)).count();
    // An eighth of the voxels of 1 mm.
    assert_eq!((count(2), count(41)), (256, 256));
}

#[test]
fn deformed_maps_keep_about_their_volume() {
    let mut config = GeneratorConfig::new().with_size(48).with_seed(2);
    config.deformation.scaling = 0.0;
    let generator = Generator::new(config).unwrap();
    let maps = [map()];
    let volumes: Vec<f64> = (0..12)
        .map(|index| {
            let sample = generator.sample(&maps, index).unwrap();
            sample.channels.iter().filter(|c| [channel(2), channel(41)].contains(c)).count() as f64 / 4096.0
        })
        .collect();
    let mean = volumes.iter().sum::<f64>() / 12.0;
    assert!((0.7..1.3).contains(&mean) && volumes.iter().any(|v| (v - 1.0).abs() > 0.01), "{volumes:?}");
}

#[test]
fn named_contrasts_and_slices() {
    let mut config = GeneratorConfig::new().with_size(48).without_augmentation();
    config.crop.deviation_mm = Some(0.0);
    let generator = Generator::new(config).unwrap();
    let mean = |sample: &volkit_seg::training::Sample, label| {
        let of = sample.channels.iter().zip(&sample.image).filter(|(c, _)| **c == channel(label));
        let (sum, n) = of.fold((0.0f64, 0.0), |(sum, n), (_, v)| (sum + f64::from(*v), n + 1.0));
        sum / n
    };
    let t1 = generator.scan(&map(), FixedContrast::T1, 1.0, 0);
    let t2 = generator.scan(&map(), FixedContrast::T2, 1.0, 0);
    assert!(mean(&t1, 2) > mean(&t1, 3) && mean(&t2, 2) < mean(&t2, 3));
    // Slices of 5 mm: neighbours along z are more alike than along x, and labels are as they were.
    let thick = generator.scan(&map(), FixedContrast::T1, 5.0, 0);
    assert_eq!(thick.channels, t1.channels);
    let roughness = |sample: &volkit_seg::training::Sample, step: usize| {
        let pairs = sample.image.iter().zip(&sample.image[step..]);
        pairs.map(|(a, b)| f64::from((a - b).abs())).sum::<f64>()
    };
    assert!(roughness(&thick, 48 * 48) < 0.6 * roughness(&t1, 48 * 48));
}

#[test]
fn bad_maps_and_settings_are_refused() {
    let error = |volume: &Volume| LabelMap::new(volume, false).unwrap_err().to_string();
    let unknown = Volume::new([2, 2, 2], vec![7777i16; 8], Affine::IDENTITY).unwrap();
    assert!(error(&unknown).contains("7777"));
    let coarse = Volume::new([2, 2, 2], vec![0i16; 8], Affine::from_scale([2.0; 3])).unwrap();
    assert!(error(&coarse).contains("1 mm"));
    let flat = Volume::new([2, 2], vec![0i16; 4], Affine::IDENTITY).unwrap();
    assert!(error(&flat).contains("three"));
    let one = LabelMap::new(&Volume::new([1, 1, 1], vec![2i16], Affine::IDENTITY).unwrap(), false).unwrap();
    let generator = Generator::new(GeneratorConfig::new().with_size(4)).unwrap();
    // A map of one voxel is that voxel everywhere.
    assert!(generator.sample(&[one], 0).unwrap().channels.iter().all(|c| *c == channel(2) || *c == channel(41)));
    assert!(generator.sample(&[], 0).is_err());
    assert!(Generator::new(GeneratorConfig::new().with_size(0)).is_err());
    assert!(Generator::new(GeneratorConfig::new().with_spacing_mm(f64::NAN)).is_err());
}
