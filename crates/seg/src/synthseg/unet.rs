//! The U-Net that SynthSeg's networks are made of.

use std::sync::Arc;

use volkit_kernels::{Activation, Conv3d, Graph, GraphBuilder, Isa, KernelError, Plan, Source, TensorId, Workspace};

#[cfg(feature = "candle")]
use super::composite::CompositeNet;
use super::runner::{Engine, plan};
use super::weights::{Layers, Norm, kernel_name};
#[cfg(feature = "candle")]
use crate::NetPath;
use crate::SegError;

/// Deepest network that is accepted: 2^15 voxels along each axis make one of the last level.
const MAX_LEVELS: usize = 16;

/// Activations up to which the first level is kept rather than computed again: 384 MB, a head of about 2.5 million voxels.
const MOST_KEPT_BYTES: usize = 384 << 20;

/// A run of a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct UNetRun {
    /// Voxels along x, y and z.
    pub(super) size: [usize; 3],
    /// Also over a second input, at the same time.
    pub(super) with_mirrored: bool,
    /// Compute the first level again in any case.
    pub(super) low_memory: bool,
}

impl UNetRun {
    fn n_passes(&self) -> usize {
        1 + usize::from(self.with_mirrored)
    }
}

/// What the published networks fix; features, levels and labels are read from the weights.
#[derive(Clone, Copy, Debug)]
pub(super) struct UNetKind {
    /// How the names of layers begin.
    pub(super) prefix: &'static str,
    /// Channels of the input.
    pub(super) c_in: usize,
    /// Taps along each axis.
    pub(super) kernel: usize,
    /// How many of the finest levels have no skip connection.
    pub(super) n_skipless: usize,
}

/// A level on the way up.
#[derive(Debug)]
struct Up {
    convs: [Arc<Conv3d>; 2],
    has_skip: bool,
}

/// A U-Net with its weights.
///
/// Level `l` has `features * 2^l` channels: on the way down two convolutions with ELU, then batch norm and max-pooling;
/// on the way up nearest-neighbour up-sampling, concatenation behind the skip (which is taken before the batch norm),
/// two convolutions with ELU and batch norm; in the end a convolution without neighbours and softmax.
#[derive(Debug)]
pub(super) struct UNet {
    kind: UNetKind,
    down: Vec<[Arc<Conv3d>; 2]>,
    /// Of all levels but the last, whose norm its convolution applies.
    down_norms: Vec<Norm>,
    up: Vec<Up>,
    head: Arc<Conv3d>,
    labels: usize,
    workspace: Option<Workspace>,
    /// The same network on the composite path, where it runs there.
    #[cfg(feature = "candle")]
    composite: Option<Arc<CompositeNet>>,
}

impl UNet {
    /// Reads the network and checks all shapes.
    ///
    /// # Errors
    /// [`SegError::Tensor`] with the first array that is missing or has another shape; [`SegError::ReadTensor`].
    pub(super) fn read(layers: &Layers<'_>, kind: UNetKind) -> Result<Self, SegError> {
        let UNetKind { prefix, c_in, kernel, n_skipless } = kind;
        let first = format!("{prefix}_conv_downarm_0_0");
        let first_shape = layers.kernel_shape(&first)?;
        let levels = layers.levels(prefix);
        let wanted = [kernel, kernel, kernel, c_in, first_shape[4]];
        if first_shape != wanted || levels > MAX_LEVELS {
            return Err(SegError::Tensor {
                tensor: kernel_name(&first),
                field: "shape",
                value: format!("{first_shape:?}, {levels} levels"),
                wanted: format!("{wanted:?}, at most {MAX_LEVELS} levels"),
            });
        }
        let features = |level: usize| first_shape[4].saturating_mul(1 << level);
        let conv = |name: String, channels, norm: Option<&Norm>| -> Result<Arc<Conv3d>, SegError> {
            Ok(Arc::new(layers.conv(&format!("{prefix}_conv_{name}"), kernel, channels, Activation::Elu, norm)?))
        };
        let (mut down, mut down_norms) = (Vec::with_capacity(levels), Vec::with_capacity(levels));
        for level in 0..levels {
            let c = features(level);
            let norm = layers.norm(&format!("{prefix}_bn_down_{level}"), c)?;
            let is_last = level + 1 == levels;
            let c_in = level.checked_sub(1).map_or(c_in, features);
            down.push([
                conv(format!("downarm_{level}_0"), [c_in, c], None)?,
                conv(format!("downarm_{level}_1"), [c, c], is_last.then_some(&norm))?,
            ]);
            if !is_last {
                down_norms.push(norm);
            }
        }
        let mut up = Vec::with_capacity(levels - 1);
        for step in 0..levels - 1 {
            let (c, number) = (features(levels - 2 - step), levels + step);
            let norm = layers.norm(&format!("{prefix}_bn_up_{step}"), c)?;
            let has_skip = step + n_skipless + 1 < levels;
            let c_in = if has_skip { c.saturating_mul(3) } else { c.saturating_mul(2) };
            up.push(Up {
                convs: [
                    conv(format!("uparm_{number}_0"), [c_in, c], None)?,
                    conv(format!("uparm_{number}_1"), [c, c], Some(&norm))?,
                ],
                has_skip,
            });
        }
        let head = format!("{prefix}_likelihood");
        let labels = layers.kernel_shape(&head)?[4];
        let head = layers.conv(&head, 1, [features(0), labels], Activation::Identity, None)?;
        Ok(Self {
            #[cfg(feature = "candle")]
            composite: match layers.path {
                NetPath::Composite => Some(Arc::new(composite(layers, kind, levels, [features(0), labels])?)),
                NetPath::Auto | NetPath::Kernel => None,
            },
            kind,
            down,
            down_norms,
            up,
            head: Arc::new(head),
            labels,
            workspace: layers.workspace.cloned(),
        })
    }

    /// What runs the network as `run` says.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that the network can not have, or when the memory can not be had.
    pub(super) fn engine(&self, isa: Isa, run: &UNetRun) -> Result<Engine, SegError> {
        #[cfg(feature = "candle")]
        if let Some(net) = &self.composite {
            return Ok(Engine::Composite { net: Arc::clone(net), size: run.size, n_passes: run.n_passes() });
        }
        Engine::kernel(self.plan(isa, run)?, self.workspace.as_ref())
    }

    /// Bytes of activations that a run takes.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that the network can not have.
    pub(super) fn run_bytes(&self, isa: Isa, run: &UNetRun) -> Result<usize, SegError> {
        #[cfg(feature = "candle")]
        if let Some(net) = &self.composite {
            let results = run.size.iter().product::<usize>().saturating_mul(self.labels * size_of::<f32>());
            return Ok(net.host_bytes(run.size).saturating_add(results.saturating_mul(run.n_passes() - 1)));
        }
        Ok(self.plan(isa, run)?.peak_bytes())
    }

    /// Bytes that each of so many threads keeps beside that.
    ///
    /// # Errors
    /// As [`UNet::run_bytes`].
    pub(super) fn scratch_bytes(&self, isa: Isa, run: &UNetRun, n_threads: usize) -> Result<usize, SegError> {
        #[cfg(feature = "candle")]
        if self.composite.is_some() {
            return Ok(0);
        }
        Ok(self.plan(isa, run)?.scratch_bytes(n_threads))
    }

    /// The plan of a run: the first level is kept where that takes little memory.
    fn plan(&self, isa: Isa, run: &UNetRun) -> Result<Plan, SegError> {
        if !run.low_memory {
            let kept = plan(&self.graph(isa, false, run.n_passes())?, run.size)?;
            if kept.peak_bytes() <= MOST_KEPT_BYTES {
                return Ok(kept);
            }
        }
        Ok(plan(&self.graph(isa, true, run.n_passes())?, run.size)?)
    }

    /// Channels of the result.
    pub(super) fn labels(&self) -> usize {
        self.labels
    }

    /// Refuses a network with another number of labels than one of `wanted`.
    ///
    /// # Errors
    /// [`SegError::Tensor`] about the likelihood.
    pub(super) fn check_labels(&self, wanted: &[usize]) -> Result<(), SegError> {
        if wanted.contains(&self.labels) {
            return Ok(());
        }
        Err(SegError::Tensor {
            tensor: kernel_name(&format!("{}_likelihood", self.kind.prefix)),
            field: "output channels",
            value: self.labels.to_string(),
            wanted: wanted.iter().map(usize::to_string).collect::<Vec<_>>().join(" or "),
        })
    }

    /// Sizes of the input must be multiples of this.
    pub(super) fn size_multiple(&self) -> usize {
        1 << self.up.len()
    }

    /// Short description: `unet: 5 levels, 24 features, 33 labels`.
    pub(super) fn summary(&self) -> String {
        let (levels, features) = (self.down.len(), self.head.shape().c_in);
        format!("{}: {levels} levels, {features} features, {} labels", self.kind.prefix, self.labels)
    }

    /// The network as a graph: for each pass an input of `c_in` channels and an output, the softmax. The passes are run
    /// side by side, so that planes of all outputs come together.
    ///
    /// With `first_level_again` the first level is computed twice, from two passes over the input, so that its result
    /// need not be kept until the way up is done: about a third of the memory, a tenth more time.
    pub(super) fn graph(&self, isa: Isa, first_level_again: bool, n_passes: usize) -> Result<Graph, KernelError> {
        let mut builder = GraphBuilder::new(isa);
        for _ in 0..n_passes {
            let tensors = self.add_to(&mut builder, first_level_again)?;
            builder.output(tensors.prediction)?;
        }
        builder.build()
    }

    fn add_to(&self, builder: &mut GraphBuilder, first_level_again: bool) -> Result<Tensors, KernelError> {
        let input = builder.input(self.kind.c_in)?;
        let mut tensors = Tensors { down: Vec::new(), up: Vec::new(), likelihood: input, prediction: input };
        let mut tensor = input;
        for (level, convs) in self.down.iter().enumerate() {
            let pair = add_pair(builder, convs, &[tensor.into()])?;
            tensors.down.push(pair);
            tensor = match self.down_norms.get(level) {
                Some(norm) => builder.max_pool(pair[1], Some(norm.as_pair()))?,
                None => pair[1],
            };
        }
        for (step, up) in self.up.iter().enumerate() {
            let level = self.up.len() - 1 - step;
            let pair = if !up.has_skip {
                add_pair(builder, &up.convs, &[tensor.upsampled()])?
            } else {
                let skip = if level == 0 && first_level_again {
                    let again = builder.input_again(input)?;
                    add_pair(builder, &self.down[0], &[again.into()])?[1]
                } else {
                    tensors.down[level][1]
                };
                add_pair(builder, &up.convs, &[skip.into(), tensor.upsampled()])?
            };
            tensors.up.push(pair);
            tensor = pair[1];
        }
        tensors.likelihood = builder.conv(Arc::clone(&self.head), &[tensor.into()])?;
        tensors.prediction = builder.softmax(tensors.likelihood)?;
        Ok(tensors)
    }
}

/// The network of these layers on the composite path.
#[cfg(feature = "candle")]
fn composite(
    layers: &Layers<'_>,
    UNetKind { prefix, c_in, kernel, n_skipless }: UNetKind,
    levels: usize,
    [features, labels]: [usize; 2],
) -> Result<CompositeNet, SegError> {
    let mut net = CompositeNet::new(c_in, &layers.device);
    let second = |net: &mut CompositeNet, name: &str, c: usize, first| -> Result<_, SegError> {
        let first = net.elu(first);
        let second = net.layer(layers, &format!("{prefix}_conv_{name}_1"), (kernel, c, c), first)?;
        Ok(net.elu(second))
    };
    let (mut tensor, mut skips, mut c_source) = (0, Vec::new(), c_in);
    for level in 0..levels {
        let (c, name) = (features << level, format!("downarm_{level}"));
        let first = net.layer(layers, &format!("{prefix}_conv_{name}_0"), (kernel, c_source, c), tensor)?;
        tensor = second(&mut net, &name, c, first)?;
        skips.push(tensor);
        tensor = net.norm_layer(layers, &format!("{prefix}_bn_down_{level}"), c, tensor)?;
        if level + 1 < levels {
            tensor = net.max_pool(tensor);
        }
        c_source = c;
    }
    for step in 0..levels - 1 {
        let level = levels - 2 - step;
        let (c, name) = (features << level, format!("uparm_{}", levels + step));
        let first = format!("{prefix}_conv_{name}_0");
        tensor = if step + n_skipless + 1 < levels {
            net.layer_of_skip(layers, &first, (kernel, 3 * c, c), (skips[level], c, tensor))?
        } else {
            let fine = net.upsample(tensor);
            net.layer(layers, &first, (kernel, 2 * c, c), fine)?
        };
        tensor = second(&mut net, &name, c, tensor)?;
        tensor = net.norm_layer(layers, &format!("{prefix}_bn_up_{step}"), c, tensor)?;
    }
    let logits = net.layer(layers, &format!("{prefix}_likelihood"), (1, features, labels), tensor)?;
    net.softmax(logits);
    Ok(net)
}

/// Where the results of layers are in a graph.
struct Tensors {
    /// Of both convolutions of each level; the batch norm of the last level is applied.
    down: Vec<[TensorId; 2]>,
    /// Of both convolutions of each step up, the second with its batch norm.
    up: Vec<[TensorId; 2]>,
    likelihood: TensorId,
    prediction: TensorId,
}

fn add_pair(
    builder: &mut GraphBuilder,
    [first, second]: &[Arc<Conv3d>; 2],
    sources: &[Source],
) -> Result<[TensorId; 2], KernelError> {
    let first = builder.conv(Arc::clone(first), sources)?;
    Ok([first, builder.conv(Arc::clone(second), &[first.into()])?])
}

mod layers;

#[cfg(test)]
mod tests;
