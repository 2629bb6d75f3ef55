//! Networks as models of tiles.

use std::sync::Arc;

use volkit_core::{
    ArrayStore, Batch, BoxError, OutOfMemory, OutputSpec, Predictor, PredictorSpec, Scale, SilentProgress,
};
use volkit_kernels::{KernelError, Threads};

use crate::{MeshNet, ModelKind, NetworkBuild, SegError, SegmentationNet};

/// A network that runs over batches of tiles `[B, 1, D, H, W]` in the orientation and with the intensities of its training,
/// and gives a channel for each label: logits of a [`MeshNet`], posteriors of a [`SegmentationNet`] (neither smoothed nor
/// averaged with the mirror image).
///
/// A MeshNet without norm is a chain of convolutions whose receptive radius is known: tiles that overlap by twice as much
/// give what the whole image gives. SynthSeg's networks see further than any tile that saves memory, and a norm over the
/// whole image sees all of it: tiles of these are an approximation.
#[derive(Clone, Debug)]
pub struct TilePredictor {
    net: Net,
    spec: PredictorSpec,
    threads: Arc<Threads>,
}

#[derive(Clone, Debug)]
enum Net {
    MeshNet(Arc<MeshNet>),
    SynthSeg(Arc<SegmentationNet>),
}

impl TilePredictor {
    /// Reads the network that a store holds.
    ///
    /// # Errors
    /// As [`MeshNet::from_store_built`] and [`SegmentationNet::from_store`]; [`SegError::Follower`] for a network that
    /// segments nothing by itself.
    pub fn from_store(store: &dyn ArrayStore, build: &NetworkBuild<'_>) -> Result<Self, SegError> {
        let kind = ModelKind::recognise(store)?;
        let (net, channels, multiple_of, radius) = match kind {
            ModelKind::MeshNet => {
                let net = MeshNet::from_store_built(store, build)?;
                let (channels, radius) = (net.n_classes(), net.config().receptive_radius());
                (Net::MeshNet(Arc::new(net)), channels, 1, radius.map(|radius| vec![radius; 3]))
            }
            kind if !kind.is_segmenter() => return Err(SegError::Follower { kind: kind.name() }),
            _ => {
                let net = SegmentationNet::from_store(store, build)?;
                let (channels, multiple_of) = (net.structures().count(), net.size_multiple());
                (Net::SynthSeg(Arc::new(net)), channels, multiple_of, None)
            }
        };
        let outputs = vec![OutputSpec { name: "labels".to_owned(), channels, scale: Scale::ONE }];
        let spec =
            PredictorSpec { input_channels: 1, n_spatial_axes: 3, outputs, multiple_of, receptive_radius: radius };
        Ok(Self { net, spec, threads: Arc::new(Threads::single()) })
    }

    /// The same on these threads; the result does not depend on them.
    #[must_use]
    pub fn with_threads(self, threads: Arc<Threads>) -> Self {
        Self { threads, ..self }
    }

    /// Bytes that a tile `[D, H, W]` takes while it runs, whatever the batch: activations, and the result before its
    /// channels come first.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that the network can not have.
    pub fn workspace_bytes(&self, [depth, height, width]: [usize; 3]) -> Result<u64, SegError> {
        let size = [width, height, depth];
        let activations = match &self.net {
            Net::MeshNet(net) => net.run_bytes(size)?,
            Net::SynthSeg(net) => net.run_bytes(size, false, false)?,
        };
        let result = depth * height * width * self.spec.outputs[0].channels * size_of::<f32>();
        Ok((activations + result) as u64)
    }

    /// Bytes that the threads keep beside that, all together.
    ///
    /// # Errors
    /// As [`TilePredictor::workspace_bytes`].
    pub fn scratch_bytes(&self, [depth, height, width]: [usize; 3]) -> Result<u64, SegError> {
        let (size, n_threads) = ([width, height, depth], self.threads.count());
        let each = match &self.net {
            Net::MeshNet(net) => net.scratch_bytes(size, n_threads)?,
            Net::SynthSeg(net) => net.scratch_bytes(size, n_threads)?,
        };
        Ok((n_threads * each) as u64)
    }

    /// Values `[z][y][x][c]` of a tile.
    fn run(&self, tile: &[f32], size: [usize; 3]) -> Result<Vec<f32>, SegError> {
        match &self.net {
            Net::MeshNet(net) => net.logits(tile, size, &self.threads),
            Net::SynthSeg(net) => Ok(net.forward(tile, size, &self.threads, &SilentProgress)?.values),
        }
    }
}

impl Predictor for TilePredictor {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let &[n, 1, depth, height, width] = input.shape() else {
            let value = format!("{:?}", input.shape());
            return Err(SegError::Option { name: "tiles", value, why: "must be [B, 1, D, H, W]" }.into());
        };
        let (len, channels) = (depth * height * width, self.spec.outputs[0].channels);
        let mut values = Vec::new();
        if values.try_reserve_exact(n * channels * len).is_err() {
            return Err(OutOfMemory { needed_bytes: n * channels * len * size_of::<f32>() }.into());
        }
        for tile in input.values().chunks_exact(len.max(1)) {
            let voxels = self.run(tile, [width, height, depth]).map_err(out_of_memory)?;
            for channel in 0..channels {
                values.extend(voxels[channel..].iter().step_by(channels));
            }
        }
        Ok(vec![Batch::new([n, channels, depth, height, width], values)?])
    }
}

/// Too little memory as its own kind: a smaller batch may fit.
fn out_of_memory(error: SegError) -> BoxError {
    match error {
        SegError::Kernel(KernelError::Memory { needed, .. }) => OutOfMemory { needed_bytes: needed }.into(),
        error => error.into(),
    }
}
