//! Published weights against logits of an independent program.

use std::path::PathBuf;

use half::f16;
use volkit_core::ArrayStore;
use volkit_io::SafetensorsStore;
use volkit_kernels::Threads;
use volkit_seg::{MeshNet, Segmenter as _, subcortical};

/// Sums of f32 in another order, as the golden folder's README allows.
const ATOL: f32 = 2e-4;
const RTOL: f32 = 1e-5;

/// A file or folder of the golden files and models, where it is.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VOLKIT_SHARED")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// From `[x][y][z]` with z fastest to x fastest.
fn x_fastest(values: &[f32], [nx, ny, nz]: [usize; 3]) -> Vec<f32> {
    let voxels = (0..nx * ny * nz).map(|i| (i % nx, i / nx % ny, i / (nx * ny)));
    voxels.map(|(x, y, z)| values[(x * ny + y) * nz + z]).collect()
}

fn check_crop(model: &str) {
    let (Some(weights), Some(crop)) = (
        shared(&format!("models/meshnet/{model}.safetensors")),
        shared(&format!("golden/meshnet/{model}_crop.safetensors")),
    ) else {
        return;
    };
    let net = MeshNet::from_store(&SafetensorsStore::open(&weights).unwrap()).unwrap();
    let crop = SafetensorsStore::open(&crop).unwrap();
    let input: Vec<f32> = crop.get("input").unwrap().to_real().unwrap();
    let center = crop.get("logits_center").unwrap();
    let wanted: Vec<f32> = center.to_real().unwrap();
    let n_classes = net.n_classes();
    assert_eq!(center.shape(), [1, n_classes, 32, 32, 32]);
    let logits = net.logits(&x_fastest(&input, [64; 3]), [64; 3], &Threads::new(0)).unwrap();
    let at = |i: usize| {
        let (z, y, x, class) = (i % 32, i / 32 % 32, i / 1024 % 32, i / 32_768);
        logits[((x + 16) + 64 * ((y + 16) + 64 * (z + 16))) * n_classes + class]
    };
    let is_rounded = wanted.iter().all(|&value| f16::from_f32(value).to_f32() == value);
    if is_rounded {
        println!("{model}: every expected logit is a binary16 number: half a step of that format is allowed besides");
    }
    // Larger than 1 where the tolerance is exceeded.
    let excess = |(i, &wanted): (usize, &f32)| {
        let rounding = if is_rounded { half_step(wanted) } else { 0.0 };
        ((at(i) - wanted).abs() - rounding) / (ATOL + RTOL * wanted.abs())
    };
    let worst = wanted.iter().enumerate().map(excess).fold(0.0, f32::max);
    println!("{model}: largest difference {worst:.4} of the tolerance");
    assert!(worst <= 1.0, "{model}: {worst} of the tolerance");
}

/// Most that rounding to binary16 moves a number that became `value`.
fn half_step(value: f32) -> f32 {
    let rounded = f16::from_f32(value.abs());
    let next = f16::from_bits(rounded.to_bits() + 1);
    (next.to_f32() - rounded.to_f32()) / 2.0
}

#[test]
fn subcortical_crop() {
    check_crop("subcortical");
}

#[test]
fn tissue_crop() {
    check_crop("model5_gw_ae");
}

#[test]
fn the_published_network_is_known_by_its_weights() {
    let Some(weights) = shared("models/meshnet/subcortical.safetensors") else { return };
    let net = MeshNet::from_store(&SafetensorsStore::open(&weights).unwrap()).unwrap();
    assert_eq!(net.info().table, subcortical());
    let Some(other) = shared("models/meshnet/model18cls.safetensors") else { return };
    let net = MeshNet::from_store(&SafetensorsStore::open(&other).unwrap()).unwrap();
    assert_eq!((net.n_classes(), net.info().table.name(7)), (18, "label 7".to_owned()));
}
