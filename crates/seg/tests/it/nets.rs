//! Small networks and scans made by code.

use serde_json::json;
use volkit_core::{Affine, Array, MemoryStore, Volume};

/// Kernel, dilation, input and output channels of a layer.
pub(crate) type Layer = (usize, usize, usize, usize);

/// A store of these layers with weights from a formula.
pub(crate) fn store(layers: &[Layer], activation: &str, norm: &str) -> MemoryStore {
    let mut store = MemoryStore::new();
    let mut config = Vec::new();
    for (n, &(k, dilation, c_in, c_out)) in layers.iter().enumerate() {
        let weight: Vec<f32> = (0..c_out * c_in * k * k * k)
            .map(|i| (((i * 37 + n * 11) % 101) as f32 - 50.0) / (50.0 * (c_in * k * k) as f32).sqrt())
            .collect();
        let bias: Vec<f32> = (0..c_out).map(|i| ((i * 7 + n) % 5) as f32 * 0.1 - 0.2).collect();
        store.insert(format!("layers.{n}.weight"), Array::new([c_out, c_in, k, k, k], weight).unwrap());
        store.insert(format!("layers.{n}.bias"), Array::new([c_out], bias).unwrap());
        config
            .push(json!({"kernel": k, "dilation": dilation, "padding": dilation * (k / 2), "in": c_in, "out": c_out}));
    }
    let config = json!({"architecture": "meshnet", "activation": activation, "norm": norm, "layers": config});
    store.set_metadata("config", config.to_string());
    store
}

/// A network that gives label `k` where the normalised value lies between `k / n` and `(k + 1) / n`.
pub(crate) fn threshold_store(n: usize) -> MemoryStore {
    let mut store = store(&[(1, 1, 1, n)], "relu", "none");
    // Lines that each lie on top between their crossings: slope k, crossing the line before at k / n.
    let slopes: Vec<f32> = (0..n).map(|k| k as f32).collect();
    let bias: Vec<f32> = (0..n).map(|k| -((k * (k + 1)) as f32) / (2 * n) as f32).collect();
    store.insert("layers.0.weight", Array::new([n, 1, 1, 1, 1], slopes).unwrap());
    store.insert("layers.0.bias", Array::new([n], bias).unwrap());
    store
}

/// A ball of bright voxels in the dark, of `radius_mm` about `centre_mm`.
pub(crate) fn ball(size: [usize; 3], affine: Affine, centre_mm: [f64; 3], radius_mm: f64) -> Volume {
    let mut values = Vec::with_capacity(size.iter().product());
    for k in 0..size[2] {
        for j in 0..size[1] {
            for i in 0..size[0] {
                let p = affine.apply([i as f64, j as f64, k as f64]);
                let square: f64 = p.iter().zip(centre_mm).map(|(a, b)| (a - b) * (a - b)).sum();
                values.push(if square <= radius_mm * radius_mm { 200u8 } else { 0 });
            }
        }
    }
    Volume::new(size, values, affine).unwrap()
}
