//! The network against sums written out.

use volkit_core::{ArrayStore, MemoryStore};
use volkit_kernels::{Isa, Threads};
use volkit_seg::MeshNet;

use crate::nets::{Layer, store};

/// Rounding of f32 sums of up to 810 products through seven layers, relative to the largest logit.
const RTOL: f64 = 5e-6;

/// Logits by the definition, in f64: arrays `[x][y][z]` as the networks were trained.
fn reference(store: &MemoryStore, layers: &[Layer], image: &[f32], [nx, ny, nz]: [usize; 3], norm: bool) -> Vec<f64> {
    let mut channels: Vec<Vec<f64>> = vec![image.iter().map(|&v| f64::from(v)).collect()];
    for (n, &(k, dilation, c_in, c_out)) in layers.iter().enumerate() {
        let weight: Vec<f64> = store.get(&format!("layers.{n}.weight")).unwrap().to_real().unwrap();
        let bias: Vec<f64> = store.get(&format!("layers.{n}.bias")).unwrap().to_real().unwrap();
        let mut out = Vec::new();
        for o in 0..c_out {
            let mut plane = Vec::with_capacity(nx * ny * nz);
            for z in 0..nz {
                for y in 0..ny {
                    for x in 0..nx {
                        let mut sum = bias[o];
                        for (c, channel) in channels.iter().enumerate().take(c_in) {
                            for tap in 0..k * k * k {
                                let (kx, ky, kz) = (tap / (k * k), tap / k % k, tap % k);
                                let at = |p: usize, t: usize, n: usize| {
                                    let q = p as isize + (t as isize - (k / 2) as isize) * dilation as isize;
                                    usize::try_from(q).ok().filter(|&q| q < n)
                                };
                                if let (Some(i), Some(j), Some(l)) = (at(x, kx, nx), at(y, ky, ny), at(z, kz, nz)) {
                                    let w = weight[(o * c_in + c) * k * k * k + tap];
                                    sum += w * channel[i + nx * (j + ny * l)];
                                }
                            }
                        }
                        plane.push(sum);
                    }
                }
            }
            if n + 1 < layers.len() {
                if norm {
                    let count = plane.len() as f64;
                    let mean = plane.iter().sum::<f64>() / count;
                    let variance = plane.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
                    plane.iter_mut().for_each(|v| *v = (*v - mean) / (variance + 1e-5).sqrt());
                }
                plane.iter_mut().for_each(|v| *v = if *v > 0.0 { *v } else { v.exp_m1() });
            }
            out.push(plane);
        }
        channels = out;
    }
    (0..nx * ny * nz).flat_map(|voxel| channels.iter().map(move |channel| channel[voxel]).collect::<Vec<_>>()).collect()
}

fn check(layers: &[Layer], size: [usize; 3], norm: bool) {
    let store = store(layers, "elu", if norm { "instance" } else { "none" });
    let image: Vec<f32> = (0..size.iter().product()).map(|i: usize| ((i * 31) % 97) as f32 / 97.0).collect();
    let wanted = reference(&store, layers, &image, size, norm);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let net = MeshNet::from_store_for(&store, isa).unwrap();
        let logits = net.logits(&image, size, &Threads::single()).unwrap();
        assert_eq!(logits.len(), wanted.len());
        let worst = logits.iter().zip(&wanted).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max);
        let scale = wanted.iter().fold(1.0f64, |scale, value| scale.max(value.abs()));
        assert!(worst < RTOL * scale, "{isa:?} {size:?}: {worst:e} of {scale}");
        assert_eq!(logits, net.logits(&image, size, &Threads::new(3)).unwrap(), "threads change nothing");
    }
}

#[test]
fn dilated_layers_on_ragged_sizes() {
    check(&[(3, 1, 1, 5), (3, 2, 5, 6), (3, 4, 6, 5), (1, 1, 5, 4)], [9, 7, 11], false);
    check(&[(3, 16, 1, 3), (5, 1, 3, 2), (1, 1, 2, 2)], [5, 17, 3], false);
    check(&[(3, 1, 1, 2)], [1, 1, 1], false);
}

#[test]
fn instance_norm_stands_before_the_activation() {
    check(&[(3, 1, 1, 4), (3, 2, 4, 4), (1, 1, 4, 3)], [6, 8, 7], true);
}

#[test]
fn a_size_that_is_not_the_image_is_refused() {
    let net = MeshNet::from_store(&store(&[(1, 1, 1, 2)], "relu", "none")).unwrap();
    let error = net.logits(&[0.0; 7], [2, 2, 2], &Threads::single()).unwrap_err();
    assert_eq!(error.to_string(), "option size = [2, 2, 2]: is not the number of voxels of the image");
    assert!(net.logits(&[], [0, 2, 2], &Threads::single()).is_err());
}

#[test]
fn the_widths_and_dilations_of_published_networks() {
    let mut layers: Vec<Layer> = [1, 2, 4, 8, 16, 1].map(|dilation| (3, dilation, 30, 30)).to_vec();
    layers[0].2 = 1;
    layers.push((1, 1, 30, 18));
    check(&layers, [9, 11, 10], false);
}
