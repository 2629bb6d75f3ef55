//! The schedule and the memory of a network for one input size.

use std::collections::BTreeSet;
use std::ops::Range;

use super::demand::Reach;
use super::graph::{Graph, Op, Source, TensorId};
use super::place::{ALIGN, place};
use super::schedule::{Feed, Schedule, Stage, Step};
use crate::conv::SourceKind;
use crate::{KernelError, Layout};

/// Blocks chosen by [`Blocks::Auto`] have at least this many voxels: enough rows for many threads.
const AUTO_VOXELS: usize = 1 << 14;

/// Most planes of an input: a bound on the length of a schedule.
const MAX_DEPTH: usize = 1 << 20;

/// Work of a value of an element-wise node, in FLOP: only for the share of progress.
const ELEMENT_WORK: usize = 8;

/// How many planes a node computes at a time; a convolution whose tiles are deeper computes whole tiles
/// ([`Conv3d::plane_step`](crate::Conv3d::plane_step)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blocks {
    /// As few planes as keep the kernels fast: enough voxels to share out, and at least as many bytes of activations
    /// as of weights, so that the small planes of deep levels do not read all weights for every plane.
    #[default]
    Auto,
    /// This many planes (at least one) at every node.
    Planes(usize),
    /// All planes: layer by layer.
    Whole,
}

/// How a [`Plan`] is made. No option changes a result.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PlanOptions {
    /// Planes that a node computes at a time.
    pub blocks: Blocks,
    /// Exceptions from `blocks` for single nodes; the last one counts.
    pub overrides: Vec<(TensorId, Blocks)>,
}

impl PlanOptions {
    /// The same with these blocks.
    #[must_use]
    pub fn with_blocks(self, blocks: Blocks) -> Self {
        Self { blocks, ..self }
    }

    /// The same with an exception for the node that makes `tensor`.
    #[must_use]
    pub fn with_override(mut self, tensor: TensorId, blocks: Blocks) -> Self {
        self.overrides.push((tensor, blocks));
        self
    }
}

/// A tensor in the arena.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    pub(crate) layout: Layout,
    pub(crate) offset: usize,
    /// Whether its memory holds other tensors at other times, so that its padding must be zeroed in each run.
    pub(crate) shared: bool,
}

impl Ring {
    pub(crate) fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.layout.len()
    }
}

/// The schedule and the memory of a [`Graph`] for one input size: made once, run many times.
#[derive(Clone, Debug)]
pub struct Plan {
    graph: Graph,
    rings: Vec<Ring>,
    /// Steps of nodes, by index; indices from the number of nodes on are outputs.
    steps: Vec<Step>,
    /// Per stage, the work of a plane.
    plane_work: Vec<u64>,
    /// A dense plane of an input whose ring has padding.
    staging: Range<usize>,
    arena_len: usize,
    flops: u64,
}

impl Plan {
    /// Plans `graph` for inputs of `size` `[d, h, w]`.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for a size without voxels, blocks of no planes, or an override of a tensor that is
    /// not of this graph; [`KernelError::Shape`] when a pooled axis gets too short or the sources of a node
    /// differ in size; [`KernelError::Memory`] when the arena exceeds the address space.
    pub fn new(graph: &Graph, size: [usize; 3], options: &PlanOptions) -> Result<Self, KernelError> {
        Self::with_padding(graph, size, options, 0)
    }

    /// The plan with at least `pad_w` zero voxels at the row ends of every tensor.
    pub(crate) fn with_padding(
        graph: &Graph,
        size: [usize; 3],
        options: &PlanOptions,
        pad_w: usize,
    ) -> Result<Self, KernelError> {
        let sizes = infer_sizes(graph, size)?;
        let blocks = choose_blocks(graph, &sizes, options)?;
        let schedule = Schedule::new(&stages(graph, &sizes, &blocks));
        let pads = paddings(graph, pad_w);
        let n = graph.nodes().len();
        let mut layouts = Vec::with_capacity(n);
        for (i, node) in graph.nodes().iter().enumerate() {
            let layout = Layout::dense(sizes[i], node.channels).with_pad_w(pads[i]).with_slots(schedule.slots[i]);
            check_len(&layout)?;
            layouts.push(layout);
        }
        let lens: Vec<usize> = layouts.iter().map(Layout::len).collect();
        lens.iter().try_fold(0usize, |sum, len| sum.checked_add(*len)).ok_or(TOO_LARGE)?;
        let placement = place(&lens, &schedule.lives[..n]);
        let rings =
            (0..n).map(|i| Ring { layout: layouts[i], offset: placement.offsets[i], shared: placement.shared[i] });
        let staged = graph
            .nodes()
            .iter()
            .zip(&layouts)
            .filter(|(node, layout)| matches!(node.op, Op::Input(_)) && layout.pad_w > 0 && layout.slots > 0);
        let staging_len = staged.map(|(node, layout)| layout.height * layout.width * node.channels).max().unwrap_or(0);
        let staging_start = if staging_len > 0 { placement.total.next_multiple_of(ALIGN) } else { placement.total };
        let staging = staging_start..staging_start + staging_len;
        let (plane_work, flops) = work(graph, &sizes);
        Ok(Self {
            graph: graph.clone(),
            rings: rings.collect(),
            steps: schedule.steps,
            plane_work,
            arena_len: staging.end,
            staging,
            flops,
        })
    }

    /// Bytes of activations that an [`Executor`](crate::Executor) allocates, all of it, once; weights
    /// ([`Graph::packed_bytes`]) and the caller's own volumes not counted.
    #[must_use]
    pub fn peak_bytes(&self) -> usize {
        self.arena_len * size_of::<f32>()
    }

    /// Bytes that each of so many threads keeps from one run to the next beside [`Plan::peak_bytes`]: the copied rows and the
    /// sums of the convolutions. Threads that run several plans keep the most.
    #[must_use]
    pub fn scratch_bytes(&self, n_threads: usize) -> usize {
        let mut known = BTreeSet::new();
        let floats = self.steps.iter().filter_map(|step| {
            let node = self.graph.nodes().get(step.stage)?;
            let Op::Conv(conv) = &node.op else { return None };
            let size = self.rings[step.stage].layout.size();
            // Steps of as many planes differ where they read beyond the ends of the volume only.
            let reach = conv.shape().reach()[0];
            let place = (step.planes.start.min(reach), (size[0] - step.planes.end).min(reach));
            let is_new = known.insert((step.stage, step.planes.len(), place));
            let kind = |source: &Source| {
                let channels = self.graph.nodes()[source.tensor.0].channels;
                SourceKind { channels, upsampled: source.upsampled }
            };
            let kinds = || node.sources.iter().map(kind).collect::<Vec<_>>();
            (is_new && !step.planes.is_empty())
                .then(|| conv.scratch_floats(&kinds(), size, step.planes.clone(), n_threads))
        });
        floats.max().unwrap_or(0) * size_of::<f32>()
    }

    /// Floating-point operations of the convolutions in one run, 2 for each product of a weight with an input or its
    /// zero padding. A node that never runs counts nothing, one that the graph holds twice counts twice.
    #[must_use]
    pub fn flops(&self) -> u64 {
        self.flops
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Geometry of a tensor as the plan keeps it: `slots` planes at a time, none if the tensor is never computed.
    #[must_use]
    pub fn layout(&self, tensor: TensorId) -> Option<Layout> {
        self.rings.get(tensor.0).map(|ring| ring.layout)
    }

    /// Size `[d, h, w]` of output `index`, if there is one.
    #[must_use]
    pub fn output_size(&self, index: usize) -> Option<[usize; 3]> {
        self.graph.outputs().get(index).map(|id| self.rings[id.0].layout.size())
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(crate) fn ring(&self, tensor: TensorId) -> &Ring {
        &self.rings[tensor.0]
    }

    pub(crate) fn staging(&self) -> Range<usize> {
        self.staging.clone()
    }

    pub(crate) fn arena_len(&self) -> usize {
        self.arena_len
    }

    pub(crate) fn step_work(&self, step: &Step) -> u64 {
        self.plane_work[step.stage].saturating_mul(step.planes.len() as u64)
    }
}

const TOO_LARGE: KernelError = KernelError::Memory { what: "the activations of a network", needed: usize::MAX };

fn check_len(layout: &Layout) -> Result<(), KernelError> {
    let row = layout.pad_w.checked_mul(2).and_then(|pad| pad.checked_add(layout.width));
    let factors = [layout.channels, layout.height, layout.slots, size_of::<f32>()];
    let bytes = factors.into_iter().fold(row, |product, n| product.and_then(|p| p.checked_mul(n)));
    bytes.map(|_| ()).ok_or(TOO_LARGE)
}

/// Size of each tensor.
fn infer_sizes(graph: &Graph, size: [usize; 3]) -> Result<Vec<[usize; 3]>, KernelError> {
    let voxels = size.iter().try_fold(1usize, |n, axis| n.checked_mul(*axis));
    if voxels.is_none_or(|n| n == 0) || size[0] > MAX_DEPTH {
        return Err(KernelError::Parameter {
            op: "Plan::new",
            name: "size",
            value: format!("{size:?}"),
            why: "at least one voxel, at most 2^20 planes, and a number of voxels that memory can count",
        });
    }
    let mut sizes: Vec<[usize; 3]> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let of = |source: &Source| -> Result<[usize; 3], KernelError> {
            let size = sizes[source.tensor.0];
            if source.upsampled { doubled(size) } else { Ok(size) }
        };
        let first = node.sources.first().map(of).transpose()?;
        let own = match (&node.op, first) {
            (Op::Input(_), _) | (_, None) => size,
            (Op::MaxPool(_), Some(size)) => halved(size)?,
            (Op::Upsample | Op::DepthToSpace, Some(size)) => doubled(size)?,
            (_, Some(size)) => size,
        };
        for source in node.sources.iter().skip(1) {
            if of(source)? != own {
                return Err(KernelError::Shape {
                    op: "Plan::new",
                    wanted: format!("sources of one size, {own:?} as the first (input {size:?})"),
                    got: format!("{:?} of tensor {}", of(source)?, source.tensor.0),
                });
            }
        }
        sizes.push(own);
    }
    Ok(sizes)
}

fn halved(size: [usize; 3]) -> Result<[usize; 3], KernelError> {
    if size.iter().all(|n| *n >= 2) {
        return Ok(size.map(|n| n / 2));
    }
    let wanted = "at least 2 voxels along each axis to pool".into();
    Err(KernelError::Shape { op: "Plan::new", wanted, got: format!("{size:?}") })
}

fn doubled(size: [usize; 3]) -> Result<[usize; 3], KernelError> {
    let [d, h, w] = size.map(|n| n.checked_mul(2));
    match (d, h, w) {
        (Some(d), Some(h), Some(w)) => Ok([d, h, w]),
        _ => Err(TOO_LARGE),
    }
}

/// Planes that each node makes at a time.
fn choose_blocks(graph: &Graph, sizes: &[[usize; 3]], options: &PlanOptions) -> Result<Vec<usize>, KernelError> {
    let mut chosen = vec![options.blocks; sizes.len()];
    for (tensor, blocks) in &options.overrides {
        *chosen.get_mut(tensor.0).ok_or_else(|| KernelError::Parameter {
            op: "Plan::new",
            name: "overrides",
            value: tensor.0.to_string(),
            why: "must be a tensor of this graph",
        })? = *blocks;
    }
    if chosen.contains(&Blocks::Planes(0)) {
        let why = "a block has at least one plane";
        return Err(KernelError::Parameter { op: "Plan::new", name: "blocks", value: "Planes(0)".into(), why });
    }
    let planes = graph.nodes().iter().zip(sizes).zip(chosen).map(|((node, [depth, height, width]), blocks)| {
        let voxels = height.saturating_mul(*width);
        let planes = match (blocks, &node.op) {
            (Blocks::Planes(n), _) => n,
            (Blocks::Whole, _) => *depth,
            (Blocks::Auto, Op::Input(_)) => 1,
            (Blocks::Auto, Op::Conv(conv)) => {
                let shape = conv.shape();
                let plane_bytes = voxels.saturating_mul((shape.c_in + shape.c_out) * size_of::<f32>());
                AUTO_VOXELS.div_ceil(voxels).max(conv.packed_bytes().div_ceil(plane_bytes))
            }
            (Blocks::Auto, _) => AUTO_VOXELS.div_ceil(voxels),
        };
        // Whole tiles, so that none is computed twice.
        let step = if let Op::Conv(conv) = &node.op { conv.plane_step(*depth) } else { 1 };
        planes.clamp(1, *depth).next_multiple_of(step).min(*depth)
    });
    Ok(planes.collect())
}

/// Nodes and, behind them, outputs, as the schedule sees them.
fn stages(graph: &Graph, sizes: &[[usize; 3]], blocks: &[usize]) -> Vec<Stage> {
    let mut stages = Vec::with_capacity(sizes.len() + graph.n_outputs());
    for (i, node) in graph.nodes().iter().enumerate() {
        let reach = |source: &Source| match &node.op {
            Op::Conv(conv) => {
                let (radius, step) = (conv.shape().reach()[0], conv.plane_step(sizes[i][0]));
                Reach::Window { radius, step, upsampled: source.upsampled }
            }
            Op::MaxPool(_) => Reach::Pairs,
            Op::Upsample | Op::DepthToSpace => Reach::Window { radius: 0, step: 1, upsampled: true },
            Op::InstanceNorm(_) => Reach::Whole,
            Op::Input(_) | Op::Activate(_) | Op::Add(_) | Op::ScaleShift(_) | Op::Softmax(_) => {
                Reach::Window { radius: 0, step: 1, upsampled: false }
            }
        };
        let feeds = node.sources.iter().map(|source| Feed { stage: source.tensor.0, reach: reach(source) }).collect();
        stages.push(Stage { feeds, depth: sizes[i][0], block: blocks[i], is_sink: false });
    }
    for output in graph.outputs() {
        let feed = Feed { stage: output.0, reach: Reach::Window { radius: 0, step: 1, upsampled: false } };
        stages.push(Stage { feeds: vec![feed], depth: sizes[output.0][0], block: blocks[output.0], is_sink: true });
    }
    stages
}

/// Zero voxels that the readers of each tensor need at its row ends.
fn paddings(graph: &Graph, pad_w: usize) -> Vec<usize> {
    let mut pads = vec![pad_w; graph.nodes().len()];
    for node in graph.nodes() {
        if let Op::Conv(conv) = &node.op {
            for source in &node.sources {
                let pad = &mut pads[source.tensor.0];
                *pad = conv.pad_w().max(*pad);
            }
        }
    }
    pads
}

/// Work of a plane of each stage, and FLOP of all convolutions; at the largest number where they exceed it.
fn work(graph: &Graph, sizes: &[[usize; 3]]) -> (Vec<u64>, u64) {
    let plane = |[_, height, width]: [usize; 3], per_voxel: usize| {
        (height as u64).saturating_mul(width as u64).saturating_mul(per_voxel as u64)
    };
    let mut flops = 0u64;
    let mut plane_work: Vec<u64> = Vec::with_capacity(sizes.len() + graph.n_outputs());
    for (node, size) in graph.nodes().iter().zip(sizes) {
        if let Op::Conv(conv) = &node.op {
            let shape = conv.shape();
            let work = plane(*size, 2 * shape.c_in * shape.c_out * shape.taps());
            flops = flops.saturating_add(work.saturating_mul(size[0] as u64));
            plane_work.push(work);
        } else {
            plane_work.push(plane(*size, ELEMENT_WORK * node.channels));
        }
    }
    plane_work.extend(graph.outputs().iter().map(|id| plane(sizes[id.0], graph.nodes()[id.0].channels)));
    (plane_work, flops)
}
