//! Posteriors as they leave a network: plane by plane, so that a volume of them need never be in memory.

use std::ops::Range;

use volkit_kernels::{BoxError, Isa, Layout, PlaneSink, Planes, Threads, argmax};

use super::posteriors::Posteriors;
use crate::SegError;

/// Floats that a thread copies at a time.
const COPIED: usize = 1 << 16;

/// Takes finished planes of posteriors.
///
/// Planes come in order, each once, dense: `[y][x][c]`, channels fastest. `threads` are idle meanwhile. What a sink
/// makes of them may depend neither on their number nor on anything but the planes.
pub(super) trait PosteriorSink {
    /// Takes plane `z`.
    ///
    /// # Errors
    /// Whatever keeps the sink from taking it; the run of the network ends then.
    fn take(&mut self, z: usize, plane: &[f32], threads: &Threads) -> Result<(), SegError>;
}

/// Keeps everything.
impl PosteriorSink for Posteriors {
    fn take(&mut self, z: usize, plane: &[f32], threads: &Threads) -> Result<(), SegError> {
        let target = &mut self.values[z * plane.len()..][..plane.len()];
        let mut parts: Vec<_> = target.chunks_mut(COPIED).zip(plane.chunks(COPIED)).collect();
        threads.for_each_mut(&mut parts, |(target, part)| target.copy_from_slice(part));
        Ok(())
    }
}

/// Keeps the channel with the largest value of each voxel, the first of equal ones.
#[derive(Debug)]
pub(super) struct ChannelSink {
    size: [usize; 3],
    n_channels: usize,
    pub(super) channels: Vec<u8>,
}

impl ChannelSink {
    pub(super) fn new(size: [usize; 3], n_channels: usize) -> Self {
        Self { size, n_channels, channels: vec![0; size.iter().product()] }
    }
}

impl PosteriorSink for ChannelSink {
    fn take(&mut self, z: usize, plane: &[f32], threads: &Threads) -> Result<(), SegError> {
        let [nx, ny, _] = self.size;
        let channels = &mut self.channels[z * nx * ny..(z + 1) * nx * ny];
        Ok(argmax(&plane_of(plane, z, self.size, self.n_channels)?, z..z + 1, channels, Isa::detect(), threads)?)
    }
}

/// Both sinks get every plane.
pub(super) struct Both<'a>(pub(super) &'a mut dyn PosteriorSink, pub(super) &'a mut dyn PosteriorSink);

impl PosteriorSink for Both<'_> {
    fn take(&mut self, z: usize, plane: &[f32], threads: &Threads) -> Result<(), SegError> {
        self.0.take(z, plane, threads)?;
        self.1.take(z, plane, threads)
    }
}

/// A plane as the only one of a ring.
pub(super) fn plane_of(plane: &[f32], z: usize, size: [usize; 3], channels: usize) -> Result<Planes<'_>, SegError> {
    let layout = Layout::dense([z + 1, size[1], size[0]], channels).with_slots(1);
    Ok(Planes::new(plane, layout)?)
}

/// What comes out of a network goes to a sink as it is.
pub(super) struct Unchanged<'a> {
    sink: &'a mut dyn PosteriorSink,
}

impl<'a> Unchanged<'a> {
    pub(super) fn new(sink: &'a mut dyn PosteriorSink) -> Self {
        Self { sink }
    }
}

impl PlaneSink for Unchanged<'_> {
    fn write_planes(
        &mut self,
        _output: usize,
        mut planes: Range<usize>,
        tensor: &Planes<'_>,
        threads: &Threads,
    ) -> Result<(), BoxError> {
        Ok(planes.try_for_each(|z| self.sink.take(z, &tensor.dense_plane(z), threads))?)
    }
}

#[cfg(test)]
mod tests {
    use volkit_kernels::{Layout, PlaneSink as _, Planes, Threads};

    use super::{Both, ChannelSink, Unchanged};
    use crate::synthseg::Posteriors;

    #[test]
    fn planes_lose_their_padding_and_reach_every_sink() {
        let (size, channels) = ([3, 2, 2], 2);
        let mut kept = Posteriors::zeros(size, channels).unwrap();
        let mut labels = ChannelSink::new(size, channels);
        let layout = Layout::dense([2, 2, 3], channels).with_pad_w(1).with_slots(1);
        for z in 0..2 {
            let mut memory = vec![f32::NAN; layout.len()];
            for y in 0..2 {
                let row: Vec<f32> = (0..6).map(|i| ((i * 5 + y * 3 + z) % 7) as f32).collect();
                memory[layout.row(z, y)].copy_from_slice(&row);
            }
            let mut both = Both(&mut kept, &mut labels);
            let tensor = Planes::new(&memory, layout).unwrap();
            Unchanged::new(&mut both).write_planes(0, z..z + 1, &tensor, &Threads::single()).unwrap();
        }
        assert_eq!(kept.voxel([1, 1, 1]), Some(&[(2 * 5 + 3 + 1) as f32 % 7.0, (3 * 5 + 3 + 1) as f32 % 7.0][..]));
        assert_eq!(labels.channels, kept.argmax(&Threads::single()).unwrap());
    }
}
