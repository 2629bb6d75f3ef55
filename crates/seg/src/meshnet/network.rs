//! The network: weights in memory, run over images.

use std::ops::ControlFlow;

use volkit_core::{ArrayStore, Progress, SilentProgress};
use volkit_kernels::{
    ConvOptions, Executor, Graph, Isa, Plan, PlanOptions, PlaneSink, PlaneSource, SliceSink, SliceSource, Threads,
};

use super::config::MeshNetConfig;
use super::load::{self, LayerWeights};
#[cfg(feature = "candle")]
use crate::NetPath;
#[cfg(feature = "candle")]
use crate::composite::{CompositeNet, CompositeRun};
use crate::labels::{LabelTable, subcortical, subcortical_fingerprint};
use crate::{ModelInfo, ModelKind, NetworkBuild, SegError};

/// Steps that the stage `network` counts.
const PROGRESS_STEPS: u64 = 1000;

/// A MeshNet, ready to run.
///
/// Arrays are images of `[nx, ny, nz]` voxels, x fastest, in the orientation of training: LIA (x to the left, y
/// down, z to the front). [`crate::Segmenter::segment`] takes scans of any orientation and size.
#[derive(Debug)]
pub struct MeshNet {
    config: MeshNetConfig,
    pub(super) graph: Graph,
    pub(super) isa: Isa,
    fingerprint: u64,
    pub(super) info: ModelInfo,
    /// The same network on the composite path, where it runs there.
    #[cfg(feature = "candle")]
    composite: Option<CompositeNet>,
}

impl MeshNet {
    /// Reads the network from a store that holds the text `config` ([`MeshNetConfig`]) and, for each layer N, the
    /// arrays `layers.N.weight` `[C_out, C_in, k, k, k]` and `layers.N.bias` `[C_out]`.
    ///
    /// Names of labels come from the store's text `labels` (a label table in any form of
    /// [`crate::TableFormat`]) or are known for a published network; otherwise they are neutral.
    ///
    /// # Errors
    /// [`SegError::Config`], [`SegError::Tensor`], [`SegError::ReadTensor`] or [`SegError::Table`], each with the
    /// field and its value.
    pub fn from_store(store: &dyn ArrayStore) -> Result<Self, SegError> {
        Self::from_store_for(store, Isa::detect())
    }

    /// The same for a given instruction set and mode.
    ///
    /// # Errors
    /// As [`MeshNet::from_store`]; [`SegError::Kernel`] when this machine lacks the instruction set.
    pub fn from_store_for<'a>(store: &dyn ArrayStore, options: impl Into<ConvOptions<'a>>) -> Result<Self, SegError> {
        Self::from_store_built(store, &NetworkBuild::new().with_conv(options))
    }

    /// The same built as `build` says: on the kernels, or on the composite path of any device.
    ///
    /// # Errors
    /// As [`MeshNet::from_store`]; [`SegError::Option`] for a path that this program does not have; [`SegError::Kernel`]
    /// when this machine lacks the instruction set.
    pub fn from_store_built(store: &dyn ArrayStore, build: &NetworkBuild<'_>) -> Result<Self, SegError> {
        build.path.check()?;
        let options = build.conv;
        let config = load::config(store)?;
        let layers = config.layers.iter().enumerate().map(|(index, layer)| load::layer(store, index, layer));
        let layers: Vec<LayerWeights> = layers.collect::<Result<_, _>>()?;
        let fingerprint = load::fingerprint(&layers);
        let table = match store.metadata("labels") {
            Some(text) => LabelTable::parse(&text)?,
            None if fingerprint == subcortical_fingerprint() => subcortical(),
            None => LabelTable::default(),
        };
        let info = ModelInfo {
            kind: ModelKind::MeshNet,
            summary: format!(
                "MeshNet, {} layers, {} channels, {} classes",
                config.layers.len(),
                config.width(),
                config.n_classes()
            ),
            table: table.completed(config.n_classes()),
        };
        let graph = load::graph(&config, &layers, options)?;
        Ok(Self {
            #[cfg(feature = "candle")]
            composite: match build.path {
                NetPath::Composite => Some(load::composite(&config, layers, build.device)?),
                NetPath::Auto | NetPath::Kernel => None,
            },
            config,
            graph,
            isa: options.isa,
            fingerprint,
            info,
        })
    }

    /// Layers of the network.
    #[must_use]
    pub fn config(&self) -> &MeshNetConfig {
        &self.config
    }

    /// Number of labels.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.config.n_classes()
    }

    /// Instruction set that the network is packed for.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// A number that tells these weights from others: FNV-1a, 64 bits, of the f32 bytes of all tensors in order.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Bytes of activations that a run over an image of that size takes; the image itself is not counted.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size without voxels or one that can not be addressed.
    pub fn run_bytes(&self, size: [usize; 3]) -> Result<usize, SegError> {
        #[cfg(feature = "candle")]
        if let Some(net) = &self.composite {
            return Ok(net.host_bytes(size));
        }
        Ok(self.plan(size)?.peak_bytes())
    }

    /// Bytes that each of so many threads keeps beside that.
    ///
    /// # Errors
    /// As [`MeshNet::run_bytes`].
    pub(crate) fn scratch_bytes(&self, size: [usize; 3], n_threads: usize) -> Result<usize, SegError> {
        Ok(self.plan(size)?.scratch_bytes(n_threads))
    }

    /// Runs the network over an image that is normalised already and returns the logits of all voxels.
    ///
    /// `image` has `size` voxels, x fastest; the result has `n_classes` values a voxel, classes fastest. Outside the
    /// image the network sees zeros.
    ///
    /// # Errors
    /// [`SegError::Kernel`] when the size is not that of `image` or the memory can not be had.
    pub fn logits(&self, image: &[f32], size: [usize; 3], threads: &Threads) -> Result<Vec<f32>, SegError> {
        let n_voxels = size.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        if n_voxels != Some(image.len()) {
            return Err(SegError::Option {
                name: "size",
                value: format!("{size:?}"),
                why: "is not the number of voxels of the image",
            });
        }
        let mut logits = vec![0.0; image.len() * self.n_classes()];
        let (mut source, mut sink) = (SliceSource::new(image), SliceSink::new(&mut logits));
        self.run(size, &mut source, &mut sink, threads, &SilentProgress)?;
        Ok(logits)
    }

    /// Runs the network from a source of planes into a sink, as the stage `network`.
    pub(super) fn run(
        &self,
        size: [usize; 3],
        source: &mut dyn PlaneSource,
        sink: &mut dyn PlaneSink,
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<(), SegError> {
        #[cfg(feature = "candle")]
        if let Some(net) = &self.composite {
            return net.run(&CompositeRun { size, pass: 0, stage: "network", threads, progress }, source, sink);
        }
        progress.begin("network", PROGRESS_STEPS);
        progress.check()?;
        let mut executor = Executor::new(self.plan(size)?)?;
        let mut told = 0;
        executor.run(source, sink, threads, &mut |done, total| {
            let now = (u128::from(done) * u128::from(PROGRESS_STEPS) / u128::from(total.max(1))) as u64;
            progress.advance(now - told);
            told = now;
            if progress.check().is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(())
    }

    fn plan(&self, [nx, ny, nz]: [usize; 3]) -> Result<Plan, SegError> {
        Ok(Plan::new(&self.graph, [nz, ny, nx], &PlanOptions::default())?)
    }
}
