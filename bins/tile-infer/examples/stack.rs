//! Writes a row-major `.npy` of f32, `[channels, height, width]`, of numbers that look random, a few rows at a time:
//! `cargo run --release -p tile-infer --example stack -- OUT.npy 16 9344 7000`.

use volkit_core::{Affine, BoxError, DType, Region, VolumeMeta};
use volkit_io::WriteOptions;

fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, sizes @ ..] = arguments.as_slice() else {
        return Err("usage: stack OUT.npy CHANNELS HEIGHT WIDTH".into());
    };
    let sizes: Vec<usize> = sizes.iter().map(|size| size.parse()).collect::<Result<_, _>>()?;
    let &[channels, height, width] = sizes.as_slice() else {
        return Err("usage: stack OUT.npy CHANNELS HEIGHT WIDTH".into());
    };
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
