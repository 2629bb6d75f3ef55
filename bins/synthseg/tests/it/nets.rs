//! SynthSeg's networks in little: weights made by code that label by brightness.

use volkit_core::{Affine, Array, MemoryStore, Volume};

/// Brightness from which a voxel is white matter (label 2); half of it is cortex (label 3).
const STEEP: f32 = 40.0;
const NEVER: f32 = -100.0;
/// Channels of label 2 and 3.
const WHITE: usize = 1;
const CORTEX: usize = 2;
/// Channel of the parcel that each voxel of the cortex gets.
pub(crate) const PARCEL: usize = 5;

fn add(store: &mut MemoryStore, layer: &str, weight: &str, shape: &[usize], values: Vec<f32>) {
    store.insert(format!("{layer}/{weight}:0"), Array::new(shape.to_vec(), values).unwrap());
}

/// A convolution whose middle tap is `1` from each input to each output channel of the same number, with no bias.
fn add_conv(store: &mut MemoryStore, layer: &str, k: usize, [c_in, c_out]: [usize; 2]) {
    let mut kernel = vec![0.0; k * k * k * c_in * c_out];
    let middle = k * k * k / 2;
    for c in 0..c_in.min(c_out) {
        kernel[(middle * c_in + c) * c_out + c] = 1.0;
    }
    add(store, layer, "kernel", &[k, k, k, c_in, c_out], kernel);
    add(store, layer, "bias", &[c_out], vec![0.0; c_out]);
}

fn add_norm(store: &mut MemoryStore, layer: &str, channels: usize) {
    for (weight, value) in [("gamma", 1.0), ("beta", 0.0), ("moving_mean", 0.0), ("moving_variance", 0.999)] {
        add(store, layer, weight, &[channels], vec![value; channels]);
    }
}

/// One level of `features` channels; the head maps the first channel of each voxel by `head`: slope and offset of each
/// label.
fn add_net(store: &mut MemoryStore, prefix: &str, (k, c_in, features): (usize, usize, usize), head: &[(f32, f32)]) {
    add_conv(store, &format!("{prefix}_conv_downarm_0_0"), k, [c_in, features]);
    add_conv(store, &format!("{prefix}_conv_downarm_0_1"), k, [features, features]);
    add_norm(store, &format!("{prefix}_bn_down_0"), features);
    let mut kernel = vec![0.0; features * head.len()];
    for (label, (slope, _)) in head.iter().enumerate() {
        kernel[label] = *slope;
    }
    let likelihood = format!("{prefix}_likelihood");
    add(store, &likelihood, "kernel", &[1, 1, 1, features, head.len()], kernel);
    add(store, &likelihood, "bias", &[head.len()], head.iter().map(|(_, offset)| *offset).collect());
}

/// Lines of which each lies on top between their crossings: background below 0.25, cortex up to 0.75, white above.
fn by_brightness(labels: usize) -> Vec<(f32, f32)> {
    let mut head = vec![(0.0, NEVER); labels];
    head[0] = (0.0, 0.0);
    head[CORTEX] = (STEEP, -0.25 * STEEP);
    head[WHITE] = (2.0 * STEEP, -STEEP);
    head
}

/// A segmentation network of 33 labels (version 2) or 32 (version 1).
pub(crate) fn segmentation(labels: usize) -> MemoryStore {
    let mut store = MemoryStore::new();
    add_net(&mut store, "unet", (3, 1, 1), &by_brightness(labels));
    store
}

/// The robust chain.
pub(crate) fn robust() -> MemoryStore {
    let mut store = MemoryStore::new();
    add_net(&mut store, "unet", (3, 1, 1), &[(0.0, 0.0); 5]);
    add_net(&mut store, "l2l", (5, 5, 1), &[(0.0, 0.0); 5]);
    add_net(&mut store, "unet2", (3, 6, 1), &by_brightness(33));
    store
}

/// A parcellation network that says [`PARCEL`] everywhere.
pub(crate) fn parcellation() -> MemoryStore {
    let mut store = MemoryStore::new();
    let mut head = vec![(0.0, 0.0); 69];
    head[PARCEL] = (0.0, STEEP);
    add_net(&mut store, "unet_parc", (3, 3, 1), &head);
    store
}

/// A quality network that says `0.1 * group`.
pub(crate) fn quality() -> MemoryStore {
    let mut store = MemoryStore::new();
    add_conv(&mut store, "qc_conv_downarm_0_0", 5, [9, 1]);
    add_conv(&mut store, "qc_conv_downarm_0_1", 5, [1, 1]);
    add_conv(&mut store, "qc_expand_down_merge_0", 5, [9, 1]);
    add_norm(&mut store, "qc_bn_down_0", 1);
    for (number, c_in) in [1, 9].into_iter().enumerate() {
        let layer = format!("qc_final_conv_{number}");
        add(&mut store, &layer, "kernel", &[5, 5, 5, c_in, 9], vec![0.0; 125 * c_in * 9]);
        add(&mut store, &layer, "bias", &[9], (0..9).map(|group| 0.1 * group as f32).collect());
    }
    store
}

/// 24 x 20 x 16 voxels, running to the left: a block of cortex (6 voxels thick) with white matter in it.
pub(crate) fn head(spacing_mm: f64) -> Volume {
    let affine =
        Affine::from_rows([[-spacing_mm, 0.0, 0.0, 11.0], [0.0, spacing_mm, 0.0, -9.0], [0.0, 0.0, spacing_mm, 3.0]]);
    let voxel = |n: usize| {
        let p = [n % 24, n / 24 % 20, n / 480];
        let depth = (0..3).map(|axis| p[axis].min([24, 20, 16][axis] - 1 - p[axis])).min().unwrap();
        [0i16, 0, 500, 500, 500, 1000, 1000, 1000][depth]
    };
    Volume::new([24, 20, 16], (0..24 * 20 * 16).map(voxel).collect::<Vec<_>>(), affine).unwrap()
}
