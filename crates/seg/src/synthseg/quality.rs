//! The network that predicts how good a segmentation is.

use std::ops::Range;
#[cfg(feature = "candle")]
use std::sync::Arc;

use volkit_core::{ArrayStore, Progress};
use volkit_kernels::{
    Activation, BoxError, Conv3d, Graph, GraphBuilder, KernelError, PlaneSink, Planes, TensorId, Threads, Workspace,
};

#[cfg(feature = "candle")]
use super::composite::CompositeNet;
use super::inputs::OneHotSource;
use super::runner::{Engine, Work, check_input, plan};
use super::tables::qc_groups;
use super::weights::{Layers, Norm};
#[cfg(feature = "candle")]
use crate::NetPath;
use crate::{NetworkBuild, SegError};

/// Taps along each axis of the published network.
const KERNEL: usize = 5;
const MAX_LEVELS: usize = 16;

/// The quality network: a map of groups of structures in, a predicted Dice for each group out.
///
/// Level `l` is a residual block: `relu(expand(x) + conv(relu(conv(x))))`, where `expand` is `relu(conv(x))`, or `x`
/// itself where the channels agree; then batch norm and max-pooling. Two convolutions with `relu` and the mean over all
/// voxels end it.
#[derive(Debug)]
pub struct QualityNet {
    graph: Graph,
    workspace: Option<Workspace>,
    #[cfg(feature = "candle")]
    composite: Option<Arc<CompositeNet>>,
    levels: usize,
    summary: String,
}

impl QualityNet {
    /// Reads the network (layers `qc_..`); features and levels are those of the weights.
    ///
    /// # Errors
    /// As [`SegmentationNet::from_store`](super::SegmentationNet::from_store).
    pub fn from_store(store: &dyn ArrayStore, build: &NetworkBuild<'_>) -> Result<Self, SegError> {
        let layers = Layers::new(store, build)?;
        let n_groups = qc_groups().len();
        let (levels, features) = (layers.levels("qc"), layers.kernel_shape("qc_conv_downarm_0_0")?[4]);
        if levels > MAX_LEVELS {
            return Err(SegError::Tensor {
                tensor: format!("qc_conv_downarm_{}_0", levels - 1),
                field: "level",
                value: (levels - 1).to_string(),
                wanted: format!("below {MAX_LEVELS}"),
            });
        }
        let mut builder = GraphBuilder::new(build.conv.isa);
        let mut tensor = builder.input(n_groups)?;
        let mut c_in = n_groups;
        for level in 0..levels {
            let c_out = features.saturating_mul(1 << level);
            tensor = Block::read(&layers, level, [c_in, c_out])?.add_to(&mut builder, tensor)?;
            c_in = c_out;
        }
        for (number, c_in) in [c_in, n_groups].into_iter().enumerate() {
            let name = format!("qc_final_conv_{number}");
            let conv = layers.conv(&name, KERNEL, [c_in, n_groups], Activation::Relu, None)?;
            tensor = builder.conv(conv, &[tensor.into()])?;
        }
        builder.output(tensor)?;
        let summary = format!("qc: {levels} levels, {features} features");
        Ok(Self {
            graph: builder.build()?,
            workspace: layers.workspace.cloned(),
            #[cfg(feature = "candle")]
            composite: match build.path {
                NetPath::Composite => Some(Arc::new(composite(&layers, levels, features)?)),
                NetPath::Auto | NetPath::Kernel => None,
            },
            levels,
            summary,
        })
    }

    fn engine(&self, size: [usize; 3]) -> Result<Engine, SegError> {
        #[cfg(feature = "candle")]
        if let Some(net) = &self.composite {
            return Ok(Engine::Composite { net: Arc::clone(net), size, n_passes: 1 });
        }
        Engine::kernel(plan(&self.graph, size)?, self.workspace.as_ref())
    }

    /// The network with its levels and features.
    #[must_use]
    pub fn summary(&self) -> String {
        self.summary.clone()
    }

    /// Bytes of activations that a run over `size` voxels `[x, y, z]` takes.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that the network can not have.
    pub fn run_bytes(&self, size: [usize; 3]) -> Result<usize, SegError> {
        #[cfg(feature = "candle")]
        if let Some(net) = &self.composite {
            return Ok(net.host_bytes(size));
        }
        Ok(plan(&self.graph, size)?.peak_bytes())
    }

    /// The predicted Dice of each group in order, background included, neither clipped nor rounded.
    ///
    /// `groups` `[z][y][x]` has the number of a group for each of `size` `[x, y, z]` voxels (published: 224 along each
    /// axis). This is the stage `quality network`.
    ///
    /// # Errors
    /// [`SegError::Option`] when `size` is not that of `groups` or can not be halved as often as the network does;
    /// [`SegError::Kernel`] when the memory can not be had; [`SegError::Stopped`].
    pub fn scores(
        &self,
        groups: &[u8],
        size: [usize; 3],
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<Vec<f64>, SegError> {
        check_input(size, groups.len(), 1 << self.levels)?;
        let n_groups = qc_groups().len();
        let mut engine = self.engine(size)?;
        let mut mean = Mean { sums: vec![0.0; n_groups], n_voxels: 0 };
        let work = Work { threads, progress };
        work.run_on(&mut engine, "quality network", &mut OneHotSource::new(groups, n_groups), &mut mean)?;
        let n_voxels = mean.n_voxels as f64;
        Ok(mean.sums.into_iter().map(|sum| sum / n_voxels).collect())
    }
}

/// The network of these layers on the composite path.
#[cfg(feature = "candle")]
fn composite(layers: &Layers<'_>, levels: usize, features: usize) -> Result<CompositeNet, SegError> {
    let n_groups = qc_groups().len();
    let mut net = CompositeNet::new(n_groups, &layers.device);
    let (mut tensor, mut c_in) = (0, n_groups);
    for level in 0..levels {
        let c = features << level;
        let name = |number: usize| format!("qc_conv_downarm_{level}_{number}");
        let first = net.layer(layers, &name(0), (KERNEL, c_in, c), tensor)?;
        let first = net.relu(first);
        let second = net.layer(layers, &name(1), (KERNEL, c, c), first)?;
        if c_in != c {
            tensor = net.layer(layers, &format!("qc_expand_down_merge_{level}"), (KERNEL, c_in, c), tensor)?;
            tensor = net.relu(tensor);
        }
        let sum = net.add(tensor, second);
        let sum = net.relu(sum);
        tensor = net.norm_layer(layers, &format!("qc_bn_down_{level}"), c, sum)?;
        tensor = net.max_pool(tensor);
        c_in = c;
    }
    for (number, c_in) in [c_in, n_groups].into_iter().enumerate() {
        tensor = net.layer(layers, &format!("qc_final_conv_{number}"), (KERNEL, c_in, n_groups), tensor)?;
        tensor = net.relu(tensor);
    }
    Ok(net)
}

/// One level.
struct Block {
    convs: [Conv3d; 2],
    expand: Option<Conv3d>,
    norm: Norm,
}

impl Block {
    fn read(layers: &Layers<'_>, level: usize, [c_in, c_out]: [usize; 2]) -> Result<Self, SegError> {
        let conv = |name: String, c_in, activation| layers.conv(&name, KERNEL, [c_in, c_out], activation, None);
        let expand = format!("qc_expand_down_merge_{level}");
        Ok(Self {
            convs: [
                conv(format!("qc_conv_downarm_{level}_0"), c_in, Activation::Relu)?,
                conv(format!("qc_conv_downarm_{level}_1"), c_out, Activation::Identity)?,
            ],
            expand: if c_in == c_out { None } else { Some(conv(expand, c_in, Activation::Relu)?) },
            norm: layers.norm(&format!("qc_bn_down_{level}"), c_out)?,
        })
    }

    fn add_to(self, builder: &mut GraphBuilder, source: TensorId) -> Result<TensorId, KernelError> {
        let [first, second] = self.convs;
        let tensor = builder.conv(first, &[source.into()])?;
        let tensor = builder.conv(second, &[tensor.into()])?;
        let expanded = match self.expand {
            Some(conv) => builder.conv(conv, &[source.into()])?,
            None => source,
        };
        let sum = builder.add(expanded, tensor, Activation::Relu)?;
        builder.max_pool(sum, Some(self.norm.as_pair()))
    }
}

/// Sums channels over all voxels.
struct Mean {
    sums: Vec<f64>,
    n_voxels: usize,
}

impl PlaneSink for Mean {
    fn write_planes(
        &mut self,
        _output: usize,
        planes: Range<usize>,
        tensor: &Planes<'_>,
        _threads: &Threads,
    ) -> Result<(), BoxError> {
        let layout = tensor.layout();
        for (z, y) in planes.flat_map(|z| (0..layout.height).map(move |y| (z, y))) {
            for voxel in tensor.data()[layout.row(z, y)].chunks_exact(layout.channels) {
                self.n_voxels += 1;
                self.sums.iter_mut().zip(voxel).for_each(|(sum, value)| *sum += f64::from(*value));
            }
        }
        Ok(())
    }
}
