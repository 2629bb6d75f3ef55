//! Writes a row-major `.npy` of f32, `[channels, height, width]`, of numbers that look random, a few rows at a time:
//! `cargo run --release -p tile-infer --example stack -- OUT.npy 16 9344 7000`. With one more name it writes weights of the
//! network 16-32-64-32-1 there, from a seed: `.. 7000 net.safetensors`.

use volkit_core::{Affine, BoxError, DType, Region, VolumeMeta};
use volkit_io::WriteOptions;
use volkit_psi::SimpleUNet;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, channels, height, width, weights @ ..] = arguments.as_slice() else {
        return Err("usage: stack OUT.npy CHANNELS HEIGHT WIDTH [NET.safetensors]".into());
    };
    let (channels, height, width): (usize, usize, usize) = (channels.parse()?, height.parse()?, width.parse()?);
    if let Some(weights) = weights.first() {
        volkit_io::write_safetensors(weights, &SimpleUNet::initial_weights(&SimpleUNet::CHANNELS, 1)?)?;
    }
    let meta = VolumeMeta::new([width, height, channels], DType::F32, Affine::IDENTITY)?;
    let sink = volkit_io::create_array(path, &meta, &WriteOptions::new())?;
    let mut state = 1u64;
    let rows = (1 << 20) / width.max(1) + 1;
    for channel in 0..channels {
        for first in (0..height).step_by(rows) {
            let n = rows.min(height - first);
            let next = |_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1u64 << 24) as f32
            };
            let values: Vec<f32> = (0..n * width).map(next).collect();
            sink.write_region(&Region::new([0, first, channel], [width, n, 1])?, values.as_slice().into())?;
        }
    }
    sink.finish()
}
