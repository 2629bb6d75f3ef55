//! Prints the rounding errors of each algorithm: against a sum in f64, divided by the root mean square of the outputs.
//!
//! `cargo bench -p volkit-benches-kernels --bench accuracy`: 24 -> 24 channels, 64^3 voxels, uniform noise, no epilogue,
//! every voxel of 8 planes.

use volkit_benches_kernels::Noise;
use volkit_kernels::{
    Activation, Algorithm, Conv3d, ConvOptions, ConvShape, Isa, KernelError, Layout, Planes, PlanesMut, Threads,
};

const CHANNELS: usize = 24;
const SIZE: usize = 64;
/// Planes that are compared: the first, and some across tiles.
const PLANES: [usize; 8] = [0, 1, 2, 3, 4, 30, 31, 63];

/// The sums of one plane, `[y][x][channel]`.
fn exact(z: usize, weight: &[f32], input: &[f32]) -> Vec<f64> {
    let mut out = vec![0.0; SIZE * SIZE * CHANNELS];
    let range = |at: usize| at.saturating_sub(1)..(at + 2).min(SIZE);
    // [tap][input channel][output channel], so that the inner loop runs over neighbours.
    let turned: Vec<f64> = (0..27 * CHANNELS * CHANNELS)
        .map(|i| {
            f64::from(weight[(i % CHANNELS * CHANNELS + i / CHANNELS % CHANNELS) * 27 + i / (CHANNELS * CHANNELS)])
        })
        .collect();
    for (voxel, sums) in out.chunks_exact_mut(CHANNELS).enumerate() {
        let (y, x) = (voxel / SIZE, voxel % SIZE);
        for (zz, yy, xx) in range(z).flat_map(|zz| range(y).flat_map(move |yy| range(x).map(move |xx| (zz, yy, xx)))) {
            let tap = (zz + 1 - z) * 9 + (yy + 1 - y) * 3 + xx + 1 - x;
            let from = ((zz * SIZE + yy) * SIZE + xx) * CHANNELS;
            for (c, value) in input[from..from + CHANNELS].iter().enumerate() {
                let row = &turned[(tap * CHANNELS + c) * CHANNELS..][..CHANNELS];
                for (sum, w) in sums.iter_mut().zip(row) {
                    *sum += f64::from(*value) * w;
                }
            }
        }
    }
    out
}

fn main() -> Result<(), KernelError> {
    let mut noise = Noise::new(5);
    let weight = noise.floats(27 * CHANNELS * CHANNELS, 0.1);
    let layout = Layout::dense([SIZE; 3], CHANNELS);
    let input = noise.floats(layout.len(), 1.0);
    let expected: Vec<Vec<f64>> = PLANES.iter().map(|z| exact(*z, &weight, &input)).collect();
    let count = (PLANES.len() * layout.plane_stride()) as f64;
    let scale = (expected.iter().flatten().map(|x| x * x).sum::<f64>() / count).sqrt();
    println!("{:<12} {:>10} {:>10}", "algorithm", "rms", "most");
    for algorithm in Algorithm::ALL {
        let options = ConvOptions::new(Isa::detect()).with_algorithm(algorithm);
        let shape = ConvShape::new(CHANNELS, CHANNELS, [3; 3]);
        let conv = Conv3d::new(shape, &weight, None, Activation::Identity.into(), options)?;
        let mut output = vec![0.0; layout.len()];
        let mut out = PlanesMut::new(&mut output, layout)?;
        conv.run(&[Planes::new(&input, layout)?], &mut out, 0..SIZE, &Threads::new(0))?;
        let (mut sum, mut most) = (0.0, 0.0_f64);
        for (z, expected) in PLANES.iter().zip(&expected) {
            let plane = &output[z * layout.plane_stride()..][..layout.plane_stride()];
            for (a, b) in plane.iter().zip(expected) {
                let error = (f64::from(*a) - b).abs() / scale;
                sum += error * error;
                most = most.max(error);
            }
        }
        println!("{:<12} {:>10.2e} {most:>10.2e}", algorithm.name(), (sum / count).sqrt());
    }
    Ok(())
}
