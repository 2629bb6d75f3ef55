//! How much memory a run takes, before it runs.

use volkit_core::PredictorSpec;

use crate::accumulate::Sum;
use crate::output::Output;
use crate::{Blend, Precision, SkipPolicy, TileError, TilePlan};

/// Finished planes handed to the writer at a time, in bytes: what the slabs of [`MemoryEstimate`] are made of.
/// They stay in a second-level cache between the thread that fills them and the one that writes.
const SLAB_BYTES: usize = 1 << 20;
/// Samples read and written by a run that stays on one thread unless it is told otherwise, in bytes: they are copied in less
/// than a tenth of a second, and tiles that go from one core's cache to another's cost more CPU time than that saves.
const SMALL_BYTES: f64 = (128 << 20) as f64;
/// Slabs that exist beside a writer's thread: one that is filled, one that is written.
pub(crate) const N_SLABS: usize = 2;

/// Memory of a model that only its author knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelMemory {
    /// Parameters and packed copies of them, in bytes.
    pub parameter_bytes: u64,
    /// Peak of what one tile needs inside the model beside its input and its outputs, in bytes. See
    /// [`activation_peak`].
    pub activation_bytes: u64,
    /// Peak of what the model needs whatever the batch, in bytes: activations of models that run the tiles of a batch one
    /// after the other.
    pub workspace_bytes: u64,
    /// What all workers share, in bytes: parameters that are read only, the scratch of common threads, what the process holds
    /// anyway.
    pub shared_bytes: u64,
    /// Whether the outputs lie in the memory of the input ([`volkit_core::Predictor::predict_owned`]).
    pub is_in_place: bool,
}

impl ModelMemory {
    /// Parameters and activations of one tile, in bytes.
    #[must_use]
    pub fn new(parameter_bytes: u64, activation_bytes: u64) -> Self {
        Self { parameter_bytes, activation_bytes, ..Self::default() }
    }

    /// The same with memory that all workers share, in bytes.
    #[must_use]
    pub fn with_shared_bytes(self, shared_bytes: u64) -> Self {
        Self { shared_bytes, ..self }
    }

    /// The same for a model whose outputs lie in the memory of its input.
    #[must_use]
    pub fn in_place(self) -> Self {
        Self { is_in_place: true, ..self }
    }

    /// The same with memory that does not grow with the batch, in bytes.
    #[must_use]
    pub fn with_workspace_bytes(self, workspace_bytes: u64) -> Self {
        Self { workspace_bytes, ..self }
    }
}

/// Bytes of a run, by part: `M = W + workers (b A + A') + (workers + q) b (I + O) + acc + src + snk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryEstimate {
    /// `W`: parameters of all workers, and what they share.
    pub parameters: u64,
    /// `b A + A'`: activations of the tiles that are being run, and what the model needs whatever the batch.
    pub activations: u64,
    /// `I`: tiles read and not yet merged, `C prod(T + 2 E)` values each.
    pub inputs: u64,
    /// `O`: outputs of the same tiles.
    pub outputs: u64,
    /// Unfinished planes of all outputs: `K T0 prod(L1 ..)` values each.
    pub accumulators: u64,
    /// What a padded tile is picked from.
    pub source: u64,
    /// Finished planes on their way to the sink.
    pub sink: u64,
    /// Tiles of a batch.
    pub batch: usize,
}

impl MemoryEstimate {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.parameters + self.activations + self.inputs + self.outputs + self.accumulators + self.source + self.sink
    }
}

/// What the estimate depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) plan: &'a TilePlan,
    pub(crate) blend: &'a Blend,
    pub(crate) model: &'a PredictorSpec,
    pub(crate) memory: ModelMemory,
    pub(crate) precision: Precision,
    pub(crate) policy: Option<SkipPolicy>,
    pub(crate) workers: usize,
    pub(crate) queue_depth: usize,
    pub(crate) plane_step: usize,
}

impl Setup<'_> {
    /// The estimate for batches of `batch` tiles.
    pub(crate) fn estimate(&self, batch: usize) -> Result<MemoryEstimate, TileError> {
        let size = size_of::<f32>();
        let input = self.model.input_channels * self.plan.input_shape().iter().product::<usize>() * size;
        let has_norm = has_norm(self.blend, self.policy);
        let (mut output, mut accumulators, mut sink) = (0, 0, 0);
        for spec in &self.model.outputs {
            let geometry = Output::<f32>::new(self.plan, self.blend, spec, self.plane_step)?;
            output += if self.memory.is_in_place { 0 } else { geometry.tile_len() * size };
            let planes = geometry.ring_planes() * geometry.plane();
            let sum_size = if self.precision == Precision::F64 { size_of::<f64>() } else { size };
            accumulators += (geometry.channels + usize::from(has_norm)) * planes * sum_size;
            let slab = slab_planes(&geometry).min(geometry.ring_planes());
            let n_slabs = if runs_alone(self.workers, self.queue_depth) { 1 } else { N_SLABS };
            sink = sink.max(n_slabs * slab * geometry.channels * geometry.plane() * size);
        }
        let in_flight = (self.workers + self.queue_depth) * batch;
        let is_padded = self.plan.axes().iter().any(|axis| {
            let context = axis.context() as isize;
            axis.starts()
                .iter()
                .any(|&start| start < context || start + axis.tile() as isize + context > axis.length() as isize)
        });
        let bytes = |n: usize| n as u64;
        Ok(MemoryEstimate {
            parameters: self.memory.parameter_bytes * bytes(self.workers) + self.memory.shared_bytes,
            activations: (self.memory.activation_bytes * bytes(batch) + self.memory.workspace_bytes)
                * bytes(self.workers),
            inputs: bytes(in_flight * input),
            outputs: bytes(in_flight * output),
            accumulators: bytes(accumulators),
            source: if is_padded { bytes(input) } else { 0 },
            sink: bytes(sink),
            batch,
        })
    }

    /// The largest batch that a budget holds.
    pub(crate) fn batch_for(&self, budget_bytes: u64) -> Result<usize, TileError> {
        let one = self.estimate(1)?;
        let per_tile = self.memory.activation_bytes * self.workers as u64 + one.inputs + one.outputs;
        let fixed = one.total() - per_tile;
        let n = budget_bytes.saturating_sub(fixed) / per_tile.max(1);
        if n == 0 {
            return Err(TileError::Budget { needed: one.total(), allowed: budget_bytes });
        }
        Ok(usize::try_from(n).unwrap_or(usize::MAX).min(self.plan.n_tiles()))
    }
}

/// Batches that are read ahead: what was asked for, or none for images that are done before threads of their own would pay.
pub(crate) fn queue_depth(asked: Option<usize>, plan: &TilePlan, model: &PredictorSpec) -> usize {
    let samples: usize = plan.shape().iter().product();
    let outputs = model.outputs.iter().map(|output| {
        let scale = output.scale.numerator as f64 / output.scale.denominator.max(1) as f64;
        output.channels as f64 * scale.powi(plan.axes().len() as i32)
    });
    let channels = model.input_channels as f64 + outputs.sum::<f64>();
    let is_small = channels * samples as f64 * size_of::<f32>() as f64 <= SMALL_BYTES;
    asked.unwrap_or(usize::from(!is_small))
}

/// Whether everything happens on the caller's thread.
pub(crate) fn runs_alone(workers: usize, queue_depth: usize) -> bool {
    workers == 1 && queue_depth == 0
}

/// Whether sums of weights are kept beside the outputs.
pub(crate) fn has_norm(blend: &Blend, policy: Option<SkipPolicy>) -> bool {
    blend.has_norm() || policy == Some(SkipPolicy::Renormalize)
}

/// Planes of an output in a slab: whole steps, at least one.
pub(crate) fn slab_planes<A: Sum>(output: &Output<A>) -> usize {
    let planes = SLAB_BYTES / size_of::<f32>() / (output.channels * output.plane()).max(1);
    (planes / output.plane_step * output.plane_step).max(output.plane_step)
}

/// One step of a network, for [`activation_peak`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpMemory {
    /// The results of earlier steps that it reads, by their number; none for the network's input.
    pub inputs: Vec<usize>,
    /// Bytes of its result; 0 where it writes over its input (which must then be read by nothing else).
    pub output_bytes: u64,
    /// Bytes that it needs while it runs.
    pub workspace_bytes: u64,
}

/// Most bytes that live at a time while the steps run in order: results that are still to be read, the result that is
/// being written, and the workspace. The input of the network is the caller's and not counted; the last result is.
///
/// ```
/// use volkit_tile::{OpMemory, activation_peak};
/// // 16-32-64-32-1 channels of 1 MiB, as convolutions with the activation in place: 64 + 32 is the most.
/// let mib = |n: u64| n << 20;
/// let op = |inputs: &[usize], out| OpMemory { inputs: inputs.to_vec(), output_bytes: mib(out), workspace_bytes: 0 };
/// assert_eq!(activation_peak(&[op(&[], 32), op(&[0], 64), op(&[1], 32), op(&[2], 1)]), mib(96));
/// ```
#[must_use]
pub fn activation_peak(ops: &[OpMemory]) -> u64 {
    // A result lives on under the name of the step that overwrote it.
    let owner: Vec<usize> = ops.iter().enumerate().fold(Vec::new(), |mut owner, (i, op)| {
        let in_place = op.output_bytes == 0;
        let own = op.inputs.first().filter(|_| in_place).and_then(|&input| owner.get(input).copied());
        owner.push(own.unwrap_or(i));
        owner
    });
    let mut last_use: Vec<usize> = (0..ops.len()).collect();
    for (i, op) in ops.iter().enumerate() {
        last_use[owner[i]] = last_use[owner[i]].max(i);
        for &input in op.inputs.iter().filter(|&&input| input < i) {
            last_use[owner[input]] = i;
        }
    }
    if let Some(&last) = owner.last() {
        last_use[last] = ops.len();
    }
    let live_at = |i: usize| (0..=i).filter(|&j| last_use[j] >= i).map(|j| ops[j].output_bytes).sum::<u64>();
    (0..ops.len()).map(|i| live_at(i) + ops[i].workspace_bytes).max().unwrap_or(0)
}
