//! SynthSeg's networks in plain loops and f64, in the layout of the published program: `[x][y][z][c]`.

use volkit_core::{Array, ArrayStore as _, MemoryStore};

/// Repeatable numbers.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Numbers in `[low, high)`.
    pub(crate) fn floats(&mut self, n: usize, low: f32, high: f32) -> Vec<f32> {
        let mut next = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 40) as f32 / (1u64 << 24) as f32
        };
        (0..n).map(|_| low + (high - low) * next()).collect()
    }
}

/// Sizes of a U-Net.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) prefix: &'static str,
    pub(crate) c_in: usize,
    pub(crate) labels: usize,
    pub(crate) features: usize,
    pub(crate) levels: usize,
    pub(crate) kernel: usize,
    pub(crate) n_skipless: usize,
}

/// Adds a convolution with weights that keep the size of values.
pub(crate) fn add_conv(store: &mut MemoryStore, random: &mut Random, layer: &str, k: usize, channels: [usize; 2]) {
    let [c_in, c_out] = channels;
    let range = (6.0 / (c_in * k * k * k) as f32).sqrt();
    let kernel = random.floats(k * k * k * c_in * c_out, -range, range);
    store.insert(format!("{layer}/kernel:0"), Array::new([k, k, k, c_in, c_out], kernel).unwrap());
    store.insert(format!("{layer}/bias:0"), Array::new([c_out], random.floats(c_out, -0.3, 0.3)).unwrap());
}

/// Adds a batch norm whose factors have both signs.
pub(crate) fn add_norm(store: &mut MemoryStore, random: &mut Random, layer: &str, c: usize) {
    for (name, low, high) in
        [("gamma", -1.5, 1.5), ("beta", -0.5, 0.5), ("moving_mean", -0.5, 0.5), ("moving_variance", 0.2, 2.0)]
    {
        store.insert(format!("{layer}/{name}:0"), Array::new([c], random.floats(c, low, high)).unwrap());
    }
}

/// Adds a U-Net with seeded weights.
pub(crate) fn add_unet(store: &mut MemoryStore, sizes: Sizes, seed: u64) {
    let Sizes { prefix, c_in, labels, features, levels, kernel, n_skipless } = sizes;
    let mut random = Random::new(seed);
    let mut c = c_in;
    for level in 0..levels {
        for (number, c_in) in [c, features << level].into_iter().enumerate() {
            let name = format!("{prefix}_conv_downarm_{level}_{number}");
            add_conv(store, &mut random, &name, kernel, [c_in, features << level]);
        }
        c = features << level;
        add_norm(store, &mut random, &format!("{prefix}_bn_down_{level}"), c);
    }
    for step in 0..levels - 1 {
        let c_out = features << (levels - 2 - step);
        let skip = if step + n_skipless + 1 < levels { c_out } else { 0 };
        for (number, c_in) in [c + skip, c_out].into_iter().enumerate() {
            let name = format!("{prefix}_conv_uparm_{}_{number}", levels + step);
            add_conv(store, &mut random, &name, kernel, [c_in, c_out]);
        }
        add_norm(store, &mut random, &format!("{prefix}_bn_up_{step}"), c_out);
        c = c_out;
    }
    add_conv(store, &mut random, &format!("{prefix}_likelihood"), 1, [features, labels]);
}

/// A tensor `[x][y][z][c]`.
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) size: [usize; 3],
    pub(crate) channels: usize,
    pub(crate) values: Vec<f64>,
}

impl Tensor {
    /// From values whose first axis is fastest, one channel.
    pub(crate) fn of_image(image: &[f32], size: [usize; 3]) -> Self {
        Self::build(size, 1, |[x, y, z]| vec![f64::from(image[(z * size[1] + y) * size[0] + x])])
    }

    pub(crate) fn build(size: [usize; 3], channels: usize, voxel: impl Fn([usize; 3]) -> Vec<f64>) -> Self {
        let [nx, ny, nz] = size;
        let values = (0..nx * ny * nz).flat_map(|i| voxel([i / (ny * nz), i / nz % ny, i % nz])).collect();
        Self { size, channels, values }
    }

    pub(crate) fn at(&self, [x, y, z]: [usize; 3]) -> &[f64] {
        let voxel = (x * self.size[1] + y) * self.size[2] + z;
        &self.values[voxel * self.channels..(voxel + 1) * self.channels]
    }

    pub(crate) fn map(&self, f: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        let values: Vec<f64> = self.values.chunks(self.channels).flat_map(f).collect();
        Self { size: self.size, channels: values.len() / (self.values.len() / self.channels), values }
    }

    pub(crate) fn with(&self, other: &Self, f: impl Fn(&[f64], &[f64]) -> Vec<f64>) -> Self {
        let voxels = self.values.chunks(self.channels).zip(other.values.chunks(other.channels));
        let values: Vec<f64> = voxels.flat_map(|(a, b)| f(a, b)).collect();
        Self { size: self.size, channels: values.len() / (self.values.len() / self.channels), values }
    }

    pub(crate) fn concat(&self, other: &Self) -> Self {
        self.with(other, |a, b| [a, b].concat())
    }

    pub(crate) fn argmax(&self) -> Vec<usize> {
        let first_largest =
            |voxel: &[f64]| (0..voxel.len()).rev().max_by(|&a, &b| voxel[a].total_cmp(&voxel[b])).unwrap();
        self.values.chunks(self.channels).map(first_largest).collect()
    }

    /// One channel a label.
    pub(crate) fn one_hot(&self, labels: &[usize], n: usize) -> Self {
        let values = labels.iter().flat_map(|&label| (0..n).map(move |c| if c == label { 1.0 } else { 0.0 })).collect();
        Self { size: self.size, channels: n, values }
    }

    pub(crate) fn mirrored(&self) -> Self {
        Self::build(self.size, self.channels, |[x, y, z]| self.at([self.size[0] - 1 - x, y, z]).to_vec())
    }

    /// Gaussian of sigma 0.5 on 3 x 3 x 3 voxels, zeros outside.
    pub(crate) fn smoothed(&self) -> Self {
        let weights = [(-2.0f64).exp(), 1.0, (-2.0f64).exp()].map(|w| w / (1.0 + 2.0 * (-2.0f64).exp()));
        Self::build(self.size, self.channels, |at| {
            let mut sum = vec![0.0; self.channels];
            for tap in 0..27 {
                let taps = [tap / 9, tap / 3 % 3, tap % 3];
                let weight: f64 = taps.map(|i| weights[i]).iter().product();
                if let Some(from) = place(at, taps, 3, self.size) {
                    sum.iter_mut().zip(self.at(from)).for_each(|(sum, v)| *sum += weight * v);
                }
            }
            sum
        })
    }
}

fn place(at: [usize; 3], taps: [usize; 3], k: usize, size: [usize; 3]) -> Option<[usize; 3]> {
    let mut from = [0; 3];
    for axis in 0..3 {
        from[axis] = (at[axis] + taps[axis]).checked_sub(k / 2).filter(|&i| i < size[axis])?;
    }
    Some(from)
}

fn weights(store: &MemoryStore, name: &str) -> (Vec<usize>, Vec<f64>) {
    let array = store.get(name).unwrap();
    (array.shape().to_vec(), array.to_real().unwrap())
}

pub(crate) fn conv(store: &MemoryStore, layer: &str, input: &Tensor, act: impl Fn(f64) -> f64) -> Tensor {
    let (shape, kernel) = weights(store, &format!("{layer}/kernel:0"));
    let (_, bias) = weights(store, &format!("{layer}/bias:0"));
    let (k, c_in, c_out) = (shape[0], shape[3], shape[4]);
    assert_eq!(c_in, input.channels, "{layer}");
    Tensor::build(input.size, c_out, |at| {
        let mut sums = bias.clone();
        for tap in 0..k * k * k {
            let Some(from) = place(at, [tap / (k * k), tap / k % k, tap % k], k, input.size) else { continue };
            for (i, value) in input.at(from).iter().enumerate() {
                let row = &kernel[(tap * c_in + i) * c_out..][..c_out];
                sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += value * w);
            }
        }
        sums.into_iter().map(&act).collect()
    })
}

pub(crate) fn norm(store: &MemoryStore, layer: &str, input: &Tensor) -> Tensor {
    let [gamma, beta, mean, variance] =
        ["gamma", "beta", "moving_mean", "moving_variance"].map(|name| weights(store, &format!("{layer}/{name}:0")).1);
    input.map(|voxel| {
        let normed = |(c, x): (usize, &f64)| gamma[c] * (x - mean[c]) / (variance[c] + 1e-3).sqrt() + beta[c];
        voxel.iter().enumerate().map(normed).collect()
    })
}

pub(crate) fn pooled(input: &Tensor) -> Tensor {
    Tensor::build(input.size.map(|n| n / 2), input.channels, |[x, y, z]| {
        let mut most = vec![f64::NEG_INFINITY; input.channels];
        for corner in 0..8 {
            let voxel = input.at([2 * x + corner / 4, 2 * y + corner / 2 % 2, 2 * z + corner % 2]);
            most.iter_mut().zip(voxel).for_each(|(most, v)| *most = most.max(*v));
        }
        most
    })
}

fn elu(x: f64) -> f64 {
    if x > 0.0 { x } else { x.exp_m1() }
}

pub(crate) fn relu(x: f64) -> f64 {
    x.max(0.0)
}

/// Softmax of a U-Net, as section 5.1 of the specification lists its layers.
pub(crate) fn unet(store: &MemoryStore, sizes: Sizes, input: &Tensor) -> Tensor {
    let Sizes { prefix, levels, n_skipless, .. } = sizes;
    let (mut tensor, mut skips) = (input.clone(), Vec::new());
    for level in 0..levels {
        for number in 0..2 {
            tensor = conv(store, &format!("{prefix}_conv_downarm_{level}_{number}"), &tensor, elu);
        }
        skips.push(tensor.clone());
        tensor = norm(store, &format!("{prefix}_bn_down_{level}"), &tensor);
        if level + 1 < levels {
            tensor = pooled(&tensor);
        }
    }
    for step in 0..levels - 1 {
        let skip = &skips[levels - 2 - step];
        tensor = Tensor::build(skip.size, tensor.channels, |at| tensor.at(at.map(|i| i / 2)).to_vec());
        if step + n_skipless + 1 < levels {
            tensor = skip.concat(&tensor);
        }
        for number in 0..2 {
            tensor = conv(store, &format!("{prefix}_conv_uparm_{}_{number}", levels + step), &tensor, elu);
        }
        tensor = norm(store, &format!("{prefix}_bn_up_{step}"), &tensor);
    }
    conv(store, &format!("{prefix}_likelihood"), &tensor, |x| x).map(|voxel| {
        let sum: f64 = voxel.iter().map(|x| x.exp()).sum();
        voxel.iter().map(|x| x.exp() / sum).collect()
    })
}
