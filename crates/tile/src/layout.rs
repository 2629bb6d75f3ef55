//! Channel-first arrays as volumes: a row-major `[N, C, s0, s1, ..]` is a volume of shape `[.., s1, s0, C, N]`, whose
//! first axis is fastest. Nothing moves in memory.

use volkit_core::{CoreError, Region};

use crate::{TileError, TilePlan};

/// Images, channels and spatial axes of a source or a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelFirst {
    pub(crate) images: usize,
    pub(crate) channels: usize,
    /// Number of axes of the volume.
    rank: usize,
}

impl ChannelFirst {
    /// Reads the shape of a source: spatial axes, then channels, then images; the latter two may be missing.
    pub(crate) fn of_source(volume: &[usize], plan: &TilePlan, channels: usize) -> Result<Self, TileError> {
        let spatial = plan.shape();
        let n = spatial.len();
        let [c, images] = [n, n + 1].map(|axis| volume.get(axis).copied().unwrap_or(1));
        let fits = volume.len() >= n && volume.len() <= n + 2 && volume[..n].iter().rev().eq(&spatial);
        if fits && c == channels && images > 0 {
            return Ok(Self { images, channels: c, rank: volume.len() });
        }
        Err(mismatch("the source", &spatial, channels, 1, volume))
    }

    /// Checks the shape of a sink.
    pub(crate) fn of_sink(
        what: &str,
        volume: &[usize],
        spatial: &[usize],
        channels: usize,
        images: usize,
    ) -> Result<Self, TileError> {
        let n = spatial.len();
        let [c, m] = [n, n + 1].map(|axis| volume.get(axis).copied().unwrap_or(1));
        let fits = volume.len() >= n && volume.len() <= n + 2 && volume[..n].iter().rev().eq(spatial);
        if fits && c == channels && m == images {
            return Ok(Self { images, channels, rank: volume.len() });
        }
        Err(mismatch(what, spatial, channels, images, volume))
    }

    /// A box of one image, all channels, in the axes of the volume.
    pub(crate) fn region(&self, image: usize, start: &[usize], size: &[usize]) -> Result<Region, CoreError> {
        let mut starts: Vec<usize> = start.iter().rev().copied().collect();
        let mut sizes: Vec<usize> = size.iter().rev().copied().collect();
        starts.extend([0, image]);
        sizes.extend([self.channels, 1]);
        starts.truncate(self.rank);
        sizes.truncate(self.rank);
        Region::new(starts, sizes)
    }
}

fn mismatch(what: &str, spatial: &[usize], channels: usize, images: usize, got: &[usize]) -> TileError {
    let mut wanted = spatial.to_vec();
    wanted.insert(0, channels);
    wanted.insert(0, images);
    let got: Vec<usize> = got.iter().rev().copied().collect();
    TileError::Shape {
        what: format!("shape of {what}"),
        wanted: format!("{wanted:?} (images, channels, axes; leading ones may be missing)"),
        got: format!("{got:?}"),
    }
}
