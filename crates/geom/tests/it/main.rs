//! Public behaviour of volkit-geom.
#![allow(clippy::unwrap_used)]

mod boxes;
mod components;
mod golden;
mod labels;
mod npy;
mod orientation;
mod percentile;
mod resampling;
mod smoothing;

/// Numbers in `[0, 1)` that are the same on every machine.
fn noise(seed: u64, len: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    (0..len).map(|_| next()).collect()
}
