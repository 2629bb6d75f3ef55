//! The network against a plain sum, in every mode, at ragged sizes.

use std::sync::Arc;

use volkit_core::{ArrayStore as _, Batch, MemoryStore, Predictor as _};
use volkit_kernels::{ConvOptions, Isa, Mode, Threads};
use volkit_psi::SimpleUNet;

/// Numbers in [-1, 1) that look random.
pub(crate) fn noise(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i.wrapping_mul(2_654_435_761) % 8191) as f32 / 4095.5 - 1.0).collect()
}

/// The network as it is defined, in f64.
fn plain(store: &MemoryStore, channels: &[usize], image: &[f32], [height, width]: [usize; 2]) -> Vec<f64> {
    let mut values: Vec<f64> = image.iter().map(|&x| f64::from(x)).collect();
    for (layer, pair) in channels.windows(2).enumerate() {
        let get = |name: &str| store.get(&format!("{}.{name}", 2 * layer)).unwrap().to_real::<f64>().unwrap();
        let (weight, bias) = (get("weight"), get("bias"));
        let mut out = Vec::with_capacity(pair[1] * height * width);
        for o in 0..pair[1] {
            for y in 0..height as isize {
                for x in 0..width as isize {
                    let mut sum = bias[o];
                    for c in 0..pair[0] {
                        for (tap, w) in weight[(o * pair[0] + c) * 9..][..9].iter().enumerate() {
                            let (y, x) = (y + tap as isize / 3 - 1, x + tap as isize % 3 - 1);
                            if (0..height as isize).contains(&y) && (0..width as isize).contains(&x) {
                                sum += w * values[(c * height + y as usize) * width + x as usize];
                            }
                        }
                    }
                    out.push(if layer + 2 < channels.len() { sum.max(0.0) } else { sum });
                }
            }
        }
        values = out;
    }
    values
}

#[test]
fn every_mode_is_the_sum() {
    for (channels, size) in [
        (&[16, 32, 64, 32, 1][..], [9, 14]),
        (&[2, 3], [5, 4]),
        (&[1, 8, 9, 2], [1, 1]),
        (&[3, 16, 16, 3], [17, 2]),
        (&[3, 16, 1], [1, 33]),
    ] {
        let store = SimpleUNet::initial_weights(channels, 5).unwrap();
        let image = noise(channels[0] * size[0] * size[1]);
        let wanted = plain(&store, channels, &image, size);
        let scale = wanted.iter().fold(0.0f64, |most, x| most.max(x.abs()));
        for mode in Mode::ALL {
            let net = SimpleUNet::from_store(&store, ConvOptions::new(Isa::detect()).with_mode(mode)).unwrap();
            assert_eq!((net.channels(), net.receptive_radius()), (channels, channels.len() - 1));
            let batch = Batch::new([1, channels[0], size[0], size[1]], image.clone()).unwrap();
            let got = net.predictor().predict(&batch).unwrap().remove(0);
            assert_eq!(got.shape(), [1, channels[channels.len() - 1], size[0], size[1]]);
            // Sums of up to 576 products in f32.
            let error = got.values().iter().zip(&wanted).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(error <= 1e-5 * scale, "{mode}, {channels:?} on {size:?}: {error:e} of {scale:e}");
        }
    }
}

#[test]
fn batches_sizes_and_threads_change_no_bit() {
    let store = SimpleUNet::initial_weights(&[2, 8, 1], 3).unwrap();
    let net = SimpleUNet::from_store(&store, Isa::detect()).unwrap();
    let mut model = net.predictor().with_threads(Arc::new(Threads::new(3)));
    let values = noise(3 * 2 * 20 * 11);
    let all = model.predict(&Batch::new([3, 2, 20, 11], values.clone()).unwrap()).unwrap().remove(0);
    // Another size in between.
    let small = model.predict(&Batch::new([1, 2, 3, 3], noise(18)).unwrap()).unwrap().remove(0);
    assert_eq!(small.values().len(), 9);
    let mut single = net.predictor();
    for i in 0..3 {
        let one = Batch::new([1, 2, 20, 11], values[i * 440..(i + 1) * 440].to_vec()).unwrap();
        let one = single.predict(&one).unwrap().remove(0);
        let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(one.values()), bits(&all.values()[i * 220..(i + 1) * 220]));
    }
}

#[test]
fn other_images_are_refused() {
    let store = SimpleUNet::initial_weights(&[2, 3], 3).unwrap();
    let mut model = SimpleUNet::from_store(&store, Isa::detect()).unwrap().predictor();
    for shape in [vec![1, 3, 4, 4], vec![1, 2, 4], vec![1, 2, 4, 0], vec![1, 2, 4, 4, 4]] {
        let batch = Batch::new(shape.clone(), vec![0.0; shape.iter().product()]).unwrap();
        let error = model.predict(&batch).unwrap_err().to_string();
        assert!(error.contains(&format!("{shape:?}")) && error.contains("[B, 2, H, W]"), "{error}");
    }
    assert_eq!(model.predict(&Batch::new([0, 2, 4, 4], vec![]).unwrap()).unwrap()[0].shape(), [0, 1 + 2, 4, 4]);
}

#[test]
fn rows_stream_and_planes_do_not() {
    let store = SimpleUNet::initial_weights(&SimpleUNet::CHANNELS, 3).unwrap();
    let bytes = |mode, size| {
        let net = SimpleUNet::from_store(&store, ConvOptions::new(Isa::detect()).with_mode(mode)).unwrap();
        net.predictor().activation_bytes(size).unwrap()
    };
    let [low, high] = [300, 600].map(|height| bytes(Mode::Exact, [height, 256]));
    assert_eq!(low, high);
    // Two layers of 32 and 64 channels at the same time.
    assert!(low < 24 << 20 && bytes(Mode::Strict, [600, 256]) >= 600 * 256 * 96 * 4, "{low}");
}
