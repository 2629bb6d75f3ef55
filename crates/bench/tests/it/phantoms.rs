//! Phantoms: shapes, labels, determinism.

use std::collections::BTreeMap;

use volkit_bench::{BenchError, Grid, HEAD_TISSUES, HeadPhantom, Random, SeededMeshNet, ShellsPhantom};
use volkit_core::{Affine, ArrayStore};

fn head(grid: Grid) -> HeadPhantom {
    HeadPhantom::new(grid).with_seed(3)
}

fn coarse() -> Grid {
    Grid::new([48, 48, 48]).with_spacing([4.0; 3])
}

fn volumes_ml(labels: &[u8], voxel_mm3: f64) -> BTreeMap<u8, f64> {
    let mut volumes = BTreeMap::new();
    for label in labels {
        *volumes.entry(*label).or_insert(0.0) += voxel_mm3 / 1000.0;
    }
    volumes
}

#[test]
fn grids_are_centred_and_turned() {
    let affine = Grid::new([4, 5, 3]).with_spacing([1.0, 2.0, 3.0]).with_orientation("LIA").affine().unwrap();
    let expected = Affine::from_rows([[-1.0, 0.0, 0.0, 1.5], [0.0, 0.0, 3.0, -3.0], [0.0, -2.0, 0.0, 4.0]]);
    assert_eq!(affine, expected);
    assert_eq!(affine.apply([1.5, 2.0, 1.0]), [0.0; 3]);
}

#[test]
fn grids_that_can_not_be_are_refused() {
    for orientation in ["", "RA", "RASS", "RAL", "RAX", "RRA"] {
        let error = Grid::new([2, 2, 2]).with_orientation(orientation).affine().unwrap_err();
        assert!(matches!(error, BenchError::Parameter { name: "orientation", .. }), "{orientation}: {error}");
    }
    for size in [[0, 2, 2], [usize::MAX, 2, 2], [1 << 12, 1 << 12, 1 << 12]] {
        assert!(matches!(Grid::new(size).affine(), Err(BenchError::Parameter { name: "size", .. })));
    }
    for spacing in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = head(Grid::new([2, 2, 2]).with_spacing([1.0, spacing, 1.0])).generate().unwrap_err();
        assert!(matches!(error, BenchError::Parameter { name: "spacing", .. }));
    }
    assert!(head(Grid::new([2, 2, 2])).with_noise(-1.0).generate().is_err());
    assert!(head(Grid::new([2, 2, 2])).with_bias(f64::NAN).generate().is_err());
}

#[test]
fn shells_have_the_volumes_of_the_formula() {
    let phantom = ShellsPhantom::new(Grid::new([96, 96, 96]).with_spacing([1.5; 3])).generate().unwrap();
    let volumes = volumes_ml(phantom.labels.as_slice().unwrap(), 1.5f64.powi(3));
    let ball = |r: f64| 4.0 / 3.0 * std::f64::consts::PI * r.powi(3) / 1000.0;
    for (label, expected) in [(1, ball(20.0)), (2, ball(40.0) - ball(20.0)), (3, ball(60.0) - ball(40.0))] {
        let got = volumes[&label];
        assert!((got / expected - 1.0).abs() < 0.01, "shell {label}: {got} ml, formula {expected} ml");
    }
    let image = phantom.image.as_slice::<i16>().unwrap();
    assert!(image.iter().zip(phantom.labels.as_slice::<u8>().unwrap()).all(|(&v, &l)| v == 100 * i16::from(l)));
    for radii in [vec![2.0, 1.0], vec![0.0], vec![1.0, 1.0], vec![f64::NAN]] {
        assert!(ShellsPhantom::new(Grid::new([2, 2, 2])).with_radii(radii).generate().is_err());
    }
    assert!(ShellsPhantom::new(Grid::new([1, 1, 1])).with_radii(vec![]).generate().is_ok());
}

#[test]
fn a_head_has_every_tissue_in_plausible_amounts() {
    let phantom = head(Grid::new([96, 96, 96]).with_spacing([2.0; 3])).generate().unwrap();
    let volumes = volumes_ml(phantom.labels.as_slice().unwrap(), 8.0);
    for tissue in &HEAD_TISSUES {
        assert!(volumes.contains_key(&tissue.label), "{} is missing", tissue.name);
    }
    assert_eq!(volumes.len(), HEAD_TISSUES.len());
    // Wide ranges around adult volumes, in millilitres, so that a broken shape shows and a tuned one does not.
    let total = |labels: &[u8]| labels.iter().map(|label| volumes[label]).sum::<f64>();
    for (what, labels, low, high) in [
        ("white matter", &[2u8, 41][..], 200.0, 600.0),
        ("cortex", &[3, 42], 250.0, 700.0),
        ("lateral ventricles", &[4, 43], 10.0, 50.0),
        ("thalamus", &[10, 49], 4.0, 16.0),
        ("cerebellum", &[7, 8, 46, 47], 50.0, 180.0),
        ("air", &[0], 2000.0, 5000.0),
    ] {
        assert!((low..high).contains(&total(labels)), "{what}: {} ml", total(labels));
    }
    for (left, right) in [(2, 41), (3, 42), (4, 43), (10, 49), (17, 53)] {
        let ratio = volumes[&left] / volumes[&right];
        assert!((0.7..1.4).contains(&ratio), "left to right of {left}: {ratio}");
    }
}

#[test]
fn the_same_settings_give_the_same_head() {
    let first = head(coarse()).generate().unwrap();
    assert_eq!(first, head(coarse()).generate().unwrap());
    let other = head(coarse()).with_seed(4).generate().unwrap();
    assert_ne!(first.labels, other.labels);
}

#[test]
fn orientation_moves_voxels_and_not_the_head() {
    let plain = head(coarse()).with_noise(0.0).generate().unwrap();
    let turned = head(coarse().with_orientation("LIA")).with_noise(0.0).generate().unwrap();
    let back = turned.labels.affine().inverse().unwrap().compose(plain.labels.affine());
    let mut random = Random::new(1);
    let (a, b) = (plain.labels.as_slice::<u8>().unwrap(), turned.labels.as_slice::<u8>().unwrap());
    let (x, y) = (plain.image.as_slice::<i16>().unwrap(), turned.image.as_slice::<i16>().unwrap());
    for _ in 0..5000 {
        let index: [usize; 3] = std::array::from_fn(|_| random.range(0.0, 48.0) as usize);
        let other = back.apply(index.map(|i| i as f64)).map(|i| i.round() as usize);
        let (here, there) = (plain.labels.offset(index), turned.labels.offset(other));
        assert_eq!(a[here], b[there], "{index:?}");
        // The order of the smoothing sums differs.
        assert!((x[here] - y[there]).abs() <= 1, "{index:?}");
    }
}

#[test]
fn noise_and_bias_do_what_they_say() {
    let clean = head(coarse()).with_noise(0.0).with_bias(0.0).generate().unwrap();
    let noisy = head(coarse()).with_noise(5.0).with_bias(0.0).generate().unwrap();
    let (clean, noisy) = (clean.image.to_real::<f64>().unwrap(), noisy.image.to_real::<f64>().unwrap());
    // Where the signal is far above the noise, Rician noise is normal noise.
    let residuals: Vec<f64> = clean.iter().zip(&noisy).filter(|(c, _)| **c > 100.0).map(|(c, n)| n - c).collect();
    let sd = (residuals.iter().map(|r| r * r).sum::<f64>() / residuals.len() as f64).sqrt();
    assert!(residuals.len() > 3000 && (4.6..5.4).contains(&sd), "{} voxels, sd {sd}", residuals.len());
    let biased = head(coarse()).with_noise(0.0).with_bias(0.3).generate().unwrap().image.to_real::<f64>().unwrap();
    let ratios: Vec<f64> = clean.iter().zip(&biased).filter(|(c, _)| **c > 100.0).map(|(c, b)| b / c).collect();
    let (low, high) = ratios.iter().fold((f64::MAX, 0.0f64), |(l, h), &r| (l.min(r), h.max(r)));
    assert!(low >= 0.73 && high <= 1.36 && high - low > 0.02, "{low} {high}");
}

#[test]
fn odd_grids_work() {
    for size in [[1, 1, 1], [1, 7, 2], [3, 1, 1]] {
        let phantom = head(Grid::new(size).with_spacing([20.0; 3])).generate().unwrap();
        assert_eq!(phantom.image.shape(), size);
    }
}

#[test]
fn seeded_networks_have_the_published_layout() {
    let store = SeededMeshNet::new().with_channels(4).with_classes(3).with_seed(1).generate().unwrap();
    assert_eq!(store.names().len(), 20);
    let config: serde_json::Value = serde_json::from_str(&store.metadata("config").unwrap()).unwrap();
    let layers = config["layers"].as_array().unwrap();
    assert_eq!((layers.len(), config["activation"].as_str()), (10, Some("relu")));
    for (index, layer) in layers.iter().enumerate() {
        let size = |key: &str| layer[key].as_u64().unwrap() as usize;
        let k = size("kernel");
        let weight = store.get(&format!("layers.{index}.weight")).unwrap();
        assert_eq!(weight.shape(), [size("out"), size("in"), k, k, k]);
        assert_eq!(store.get(&format!("layers.{index}.bias")).unwrap().shape(), [size("out")]);
        if k == 3 {
            // Each hidden channel is a weighted mean of one channel.
            for kernel in weight.to_real::<f64>().unwrap().chunks(27 * size("in")) {
                assert!((kernel.iter().sum::<f64>() - 1.0).abs() < 1e-6);
            }
        }
    }
    let same = SeededMeshNet::new().with_channels(4).with_classes(3).with_seed(1).generate().unwrap();
    let other = SeededMeshNet::new().with_channels(4).with_classes(3).with_seed(2).generate().unwrap();
    assert!(store == same && store != other);
    for net in [SeededMeshNet::new().with_channels(0), SeededMeshNet::new().with_classes(1)] {
        assert!(matches!(net.generate(), Err(BenchError::Parameter { .. })));
    }
}
