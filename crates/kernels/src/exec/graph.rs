//! A network as a graph of tensors.

use std::sync::Arc;

use crate::conv::{Activation, Conv3d};
use crate::ops::{Activate, Add, InstanceNorm, MaxPool, ScaleShift, Softmax};
use crate::{Isa, KernelError};

/// A tensor of a [`Graph`]: an input, or the result of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorId(pub(crate) usize);

impl TensorId {
    /// Number of the tensor: 0, 1, 2, .. in the order in which they were added.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }

    /// The tensor read through nearest-neighbour up-sampling by 2 along all axes.
    #[must_use]
    pub fn upsampled(self) -> Source {
        Source { tensor: self, upsampled: true }
    }
}

/// A tensor as a convolution reads it: as it is, or up-sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The tensor.
    pub tensor: TensorId,
    /// Whether it is read through nearest-neighbour up-sampling by 2.
    pub upsampled: bool,
}

impl From<TensorId> for Source {
    fn from(tensor: TensorId) -> Self {
        Self { tensor, upsampled: false }
    }
}

#[derive(Debug)]
pub(crate) enum Op {
    Input(usize),
    Conv(Arc<Conv3d>),
    MaxPool(MaxPool),
    Upsample,
    DepthToSpace,
    Activate(Activate),
    Add(Add),
    ScaleShift(ScaleShift),
    InstanceNorm(InstanceNorm),
    Softmax(Softmax),
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) sources: Vec<Source>,
    pub(crate) channels: usize,
}

/// A network: nodes with their weights, and which tensors are outputs. Cloning shares the weights.
#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Arc<[Node]>,
    outputs: Arc<[TensorId]>,
    n_inputs: usize,
}

impl Graph {
    /// How many inputs the caller must supply.
    #[must_use]
    pub fn n_inputs(&self) -> usize {
        self.n_inputs
    }

    /// How many outputs the caller receives.
    #[must_use]
    pub fn n_outputs(&self) -> usize {
        self.outputs.len()
    }

    /// Channels of output `index`, if there is one.
    #[must_use]
    pub fn output_channels(&self, index: usize) -> Option<usize> {
        self.outputs.get(index).map(|id| self.nodes[id.0].channels)
    }

    /// Bytes of packed convolution weights, each convolution counted once however many nodes share it.
    #[must_use]
    pub fn packed_bytes(&self) -> usize {
        let mut convs: Vec<&Arc<Conv3d>> = Vec::new();
        for node in self.nodes.iter() {
            if let Op::Conv(conv) = &node.op
                && !convs.iter().any(|known| Arc::ptr_eq(known, conv))
            {
                convs.push(conv);
            }
        }
        convs.iter().map(|conv| conv.packed_bytes()).sum()
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn outputs(&self) -> &[TensorId] {
        &self.outputs
    }
}

/// Makes a [`Graph`], node by node; a node can only read tensors that were added before it.
///
/// Channels are checked as nodes are added, sizes by [`Plan::new`](crate::Plan::new).
///
/// A node that is added twice is computed twice: where a tensor is wanted early and again much later (the skips of a
/// U-Net), computing it again from a second pass over the input ([`GraphBuilder::input_again`]) costs time and saves
/// the memory that keeping it would take. Share a convolution between both nodes with [`Arc`].
#[derive(Debug)]
pub struct GraphBuilder {
    isa: Isa,
    nodes: Vec<Node>,
    outputs: Vec<TensorId>,
    n_inputs: usize,
}

impl Default for GraphBuilder {
    fn default() -> Self {
        Self::new(Isa::detect())
    }
}

impl GraphBuilder {
    /// An empty graph, whose element-wise nodes use `isa` (a convolution brings its own).
    #[must_use]
    pub fn new(isa: Isa) -> Self {
        Self { isa, nodes: Vec::new(), outputs: Vec::new(), n_inputs: 0 }
    }

    /// Adds an input of `channels` channels.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for no channels.
    pub fn input(&mut self, channels: usize) -> Result<TensorId, KernelError> {
        if channels == 0 {
            return Err(KernelError::Parameter {
                op: "GraphBuilder::input",
                name: "channels",
                value: "0".into(),
                why: "at least one",
            });
        }
        let index = self.n_inputs;
        self.n_inputs += 1;
        Ok(self.push(Op::Input(index), Vec::new(), channels))
    }

    /// Adds a second pass over an input that is there: its planes are asked for again.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] when `input` is not an input of this graph.
    pub fn input_again(&mut self, input: TensorId) -> Result<TensorId, KernelError> {
        let channels = self.channels("GraphBuilder::input_again", input)?;
        match self.nodes[input.0].op {
            Op::Input(index) => Ok(self.push(Op::Input(index), Vec::new(), channels)),
            _ => Err(unknown("GraphBuilder::input_again", input, "must be an input")),
        }
    }

    /// Adds a convolution of the concatenation of `sources`, in that order.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when the channels of the sources do not sum to the convolution's `c_in`;
    /// [`KernelError::Parameter`] for a tensor that is not of this graph.
    pub fn conv(&mut self, conv: impl Into<Arc<Conv3d>>, sources: &[Source]) -> Result<TensorId, KernelError> {
        let conv = conv.into();
        let mut channels = Vec::with_capacity(sources.len());
        for source in sources {
            channels.push(self.channels("GraphBuilder::conv", source.tensor)?);
        }
        let (c_in, c_out) = (conv.shape().c_in, conv.shape().c_out);
        if channels.is_empty() || channels.iter().sum::<usize>() != c_in {
            return Err(KernelError::Shape {
                op: "GraphBuilder::conv",
                wanted: format!("sources with {c_in} channels together"),
                got: format!("{channels:?}"),
            });
        }
        Ok(self.push(Op::Conv(conv), sources.to_vec(), c_out))
    }

    /// Adds 2x2x2 max-pooling with stride 2 (size `[d / 2, h / 2, w / 2]`, rounded down).
    ///
    /// `scale_shift` holds a factor and a summand per channel, applied to each voxel before the maximum.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when `scale_shift` does not have the source's channels; [`KernelError::Parameter`] for a
    /// tensor that is not of this graph.
    pub fn max_pool(
        &mut self,
        source: TensorId,
        scale_shift: Option<(&[f32], &[f32])>,
    ) -> Result<TensorId, KernelError> {
        let channels = self.channels("GraphBuilder::max_pool", source)?;
        let op = MaxPool::new(channels, scale_shift, self.isa)?;
        Ok(self.push(Op::MaxPool(op), vec![source.into()], channels))
    }

    /// Adds a tensor that is `source` up-sampled by 2. Convolutions do it as they read ([`TensorId::upsampled`]),
    /// which is faster and needs no memory.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a tensor that is not of this graph.
    pub fn upsample(&mut self, source: TensorId) -> Result<TensorId, KernelError> {
        let channels = self.channels("GraphBuilder::upsample", source)?;
        Ok(self.push(Op::Upsample, vec![source.into()], channels))
    }

    /// Adds an activation by itself. Convolutions do it as they write.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a tensor that is not of this graph.
    pub fn activation(&mut self, source: TensorId, activation: Activation) -> Result<TensorId, KernelError> {
        let channels = self.channels("GraphBuilder::activation", source)?;
        let op = Activate::new(activation, self.isa)?;
        Ok(self.push(Op::Activate(op), vec![source.into()], channels))
    }

    /// Adds `activation(a + b)`, the end of a residual block.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when the two have different numbers of channels; [`KernelError::Parameter`] for a tensor
    /// that is not of this graph.
    pub fn add(&mut self, a: TensorId, b: TensorId, activation: Activation) -> Result<TensorId, KernelError> {
        let channels = self.channels("GraphBuilder::add", a)?;
        let other = self.channels("GraphBuilder::add", b)?;
        if channels != other {
            return Err(KernelError::Shape {
                op: "GraphBuilder::add",
                wanted: format!("two tensors with {channels} channels"),
                got: format!("{other} channels of tensor {}", b.0),
            });
        }
        let op = Add::new(activation, self.isa)?;
        Ok(self.push(Op::Add(op), vec![a.into(), b.into()], channels))
    }

    /// Adds `scale[c] * x + shift[c]`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when `scale` or `shift` does not have the source's channels; [`KernelError::Parameter`]
    /// for a tensor that is not of this graph.
    pub fn scale_shift(&mut self, source: TensorId, scale: &[f32], shift: &[f32]) -> Result<TensorId, KernelError> {
        let channels = self.channels("GraphBuilder::scale_shift", source)?;
        let op = ScaleShift::new(channels, scale, shift, self.isa)?;
        Ok(self.push(Op::ScaleShift(op), vec![source.into()], channels))
    }

    /// Adds instance normalisation, `(x - mean) / sqrt(var + eps)` per channel over the whole volume with the biased
    /// variance, and an activation of the result. Its source is held whole in memory.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for an `eps` that is negative or not finite, or a tensor that is not of this graph.
    pub fn instance_norm(
        &mut self,
        source: TensorId,
        eps: f64,
        activation: Activation,
    ) -> Result<TensorId, KernelError> {
        let channels = self.channels("GraphBuilder::instance_norm", source)?;
        let op = InstanceNorm::new(eps, activation, self.isa)?;
        Ok(self.push(Op::InstanceNorm(op), vec![source.into()], channels))
    }

    /// Adds a softmax over the channels of each voxel.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a tensor that is not of this graph.
    pub fn softmax(&mut self, source: TensorId) -> Result<TensorId, KernelError> {
        let channels = self.channels("GraphBuilder::softmax", source)?;
        let op = Softmax::new(self.isa)?;
        Ok(self.push(Op::Softmax(op), vec![source.into()], channels))
    }

    /// Makes a tensor an output; outputs are numbered in the order of these calls.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a tensor that is not of this graph.
    pub fn output(&mut self, tensor: TensorId) -> Result<(), KernelError> {
        self.channels("GraphBuilder::output", tensor)?;
        self.outputs.push(tensor);
        Ok(())
    }

    /// The graph.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] when it has no output.
    pub fn build(self) -> Result<Graph, KernelError> {
        if self.outputs.is_empty() {
            return Err(KernelError::Parameter {
                op: "GraphBuilder::build",
                name: "outputs",
                value: "0".into(),
                why: "at least one",
            });
        }
        Ok(Graph { nodes: self.nodes.into(), outputs: self.outputs.into(), n_inputs: self.n_inputs })
    }

    pub(super) fn push(&mut self, op: Op, sources: Vec<Source>, channels: usize) -> TensorId {
        self.nodes.push(Node { op, sources, channels });
        TensorId(self.nodes.len() - 1)
    }

    fn channels(&self, op: &'static str, tensor: TensorId) -> Result<usize, KernelError> {
        let node = self.nodes.get(tensor.0).ok_or_else(|| unknown(op, tensor, "must be a tensor of this graph"))?;
        Ok(node.channels)
    }
}

fn unknown(op: &'static str, tensor: TensorId, why: &'static str) -> KernelError {
    KernelError::Parameter { op, name: "tensor", value: tensor.0.to_string(), why }
}
