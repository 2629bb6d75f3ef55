//! Runs a plan.

use std::ops::{ControlFlow, Range};

use super::arena::Arena;
use super::graph::{Node, Op, Source, TensorId};
use super::plan::{Plan, Ring};
use super::schedule::Step;
use super::stream::{PlaneSink, PlaneSource};
use super::workspace::Workspace;
use crate::background::{Background, BackgroundMask};
use crate::ops::{Statistics, depth_to_space, upsample};
use crate::{KernelError, Planes, PlanesMut, Threads};

/// Progress that nobody watches.
pub fn no_progress(_done: u64, _total: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Owns the memory of a [`Plan`] and runs it.
///
/// All memory is allocated here, once; a run allocates nothing of the size of a plane (but for a closure as sink of an
/// output that a convolution reads too).
#[derive(Debug)]
pub struct Executor {
    plan: Plan,
    arena: Arena,
    /// Who gets the arena in the end.
    workspace: Option<Workspace>,
    /// Of each node of the run under way.
    states: Vec<State>,
    total_work: u64,
}

/// What a run knows of the tensor of a node.
#[derive(Clone, Debug, Default)]
struct State {
    /// Of an instance norm, once its source is whole.
    statistics: Option<Statistics>,
    /// Where the tensor is known to hold its background.
    background: Option<BackgroundMask>,
}

impl Executor {
    /// Allocates the [`Plan::peak_bytes`] of `plan`.
    ///
    /// # Errors
    /// [`KernelError::Memory`] when the system refuses them.
    pub fn new(plan: Plan) -> Result<Self, KernelError> {
        let arena = Arena::zeroed(plan.arena_len())?;
        Ok(Self::with_arena(plan, arena, None))
    }

    /// The same with memory from `workspace`, which gets it back when the executor is dropped.
    ///
    /// # Errors
    /// As [`Executor::new`].
    pub fn new_in(plan: Plan, workspace: &Workspace) -> Result<Self, KernelError> {
        let arena = workspace.take(plan.arena_len())?;
        Ok(Self::with_arena(plan, arena, Some(workspace.clone())))
    }

    fn with_arena(plan: Plan, arena: Arena, workspace: Option<Workspace>) -> Self {
        let states = vec![State::default(); plan.graph().nodes().len()];
        let total_work = plan.steps().iter().fold(0, |sum: u64, step| sum.saturating_add(plan.step_work(step)));
        Self { plan, arena, workspace, states, total_work }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs the network once: pulls input planes out of `source`, pushes output planes into `sink`.
    ///
    /// `progress` gets the work done so far and all work, in units of its own, after each block of a node; when it
    /// breaks, the run stops. After an error the executor can be used again, from the start.
    ///
    /// The result has the same bits for every plan of the graph and every number of threads.
    ///
    /// # Errors
    /// [`KernelError::Stream`] when `source` or `sink` fails; [`KernelError::Cancelled`] when `progress` breaks.
    pub fn run(
        &mut self,
        source: &mut dyn PlaneSource,
        sink: &mut dyn PlaneSink,
        threads: &Threads,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<(), KernelError> {
        let Self { plan, arena, workspace, states, total_work } = self;
        *states = find_backgrounds(plan, source);
        let n_nodes = plan.graph().nodes().len();
        let mut done = 0u64;
        for step in plan.steps() {
            if let Some(output) = step.stage.checked_sub(n_nodes) {
                let ring = plan.ring(plan.graph().outputs()[output]);
                let tensor = Planes::new(&arena[ring.range()], ring.layout)?;
                sink.write_planes(output, step.planes.clone(), &tensor, threads)
                    .map_err(|error| KernelError::Stream("sink", error))?;
            } else {
                let (node, ring) = (&plan.graph().nodes()[step.stage], plan.ring(TensorId(step.stage)));
                if step.planes.start == 0 && (ring.shared || workspace.is_some()) {
                    clear_padding(arena, ring);
                }
                match node.op {
                    Op::Input(input) => {
                        read_input(plan, arena, input, ring, step.planes.clone(), source)?;
                        if let Some(mask) = &mut states[step.stage].background {
                            step.planes.clone().for_each(|z| mask.find(&arena[ring.range()], z));
                        }
                    }
                    _ => compute(plan, arena, (node, step), states, threads)?,
                }
            }
            done = plan.step_work(step).saturating_add(done);
            if progress(done, *total_work).is_break() {
                return Err(KernelError::Cancelled);
            }
        }
        Ok(())
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(workspace) = &self.workspace {
            workspace.give(std::mem::take(&mut self.arena));
        }
    }
}

/// The backgrounds of the inputs, and of what convolutions make of one source with a background.
fn find_backgrounds(plan: &Plan, source: &dyn PlaneSource) -> Vec<State> {
    let mut states: Vec<State> = Vec::with_capacity(plan.graph().nodes().len());
    for (index, node) in plan.graph().nodes().iter().enumerate() {
        let layout = plan.ring(TensorId(index)).layout;
        let value = match (&node.op, node.sources.as_slice()) {
            _ if layout.is_empty() => None,
            (Op::Input(input), _) => source.background(*input).filter(|value| value.len() == node.channels),
            (Op::Conv(conv), [Source { tensor, upsampled: false }]) => {
                states[tensor.0].background.as_ref().and_then(|mask| conv.on_background(mask.value()))
            }
            _ => None,
        };
        let background = value.map(|value| BackgroundMask::new(&layout, value));
        states.push(State { statistics: None, background });
    }
    states
}

fn clear_padding(arena: &mut Arena, ring: &Ring) {
    let pad = ring.layout.pad_w * ring.layout.channels;
    if pad > 0 {
        for row in arena[ring.range()].chunks_exact_mut(ring.layout.row_stride()) {
            let end = row.len() - pad;
            row[..pad].fill(0.0);
            row[end..].fill(0.0);
        }
    }
}

fn read_input(
    plan: &Plan,
    arena: &mut Arena,
    input: usize,
    ring: &Ring,
    planes: Range<usize>,
    source: &mut dyn PlaneSource,
) -> Result<(), KernelError> {
    let layout = ring.layout;
    let row_len = layout.width * layout.channels;
    for z in planes {
        let start = ring.offset + (z % layout.slots) * layout.plane_stride();
        let plane = start..start + layout.plane_stride();
        let failed = |error| KernelError::Stream("source", error);
        if layout.pad_w == 0 {
            source.read_plane(input, z, &mut arena[plane]).map_err(failed)?;
            continue;
        }
        let staging = plan.staging().start..plan.staging().start + layout.height * row_len;
        source.read_plane(input, z, &mut arena[staging.clone()]).map_err(failed)?;
        let (target, staged) = arena.split(plane, &[staging]);
        let pad = layout.pad_w * layout.channels;
        for (row, dense) in target.chunks_exact_mut(layout.row_stride()).zip(staged[0].chunks_exact(row_len)) {
            row[pad..pad + row_len].copy_from_slice(dense);
        }
    }
    Ok(())
}

fn compute(
    plan: &Plan,
    arena: &mut Arena,
    (node, step): (&Node, &Step),
    states: &mut [State],
    threads: &Threads,
) -> Result<(), KernelError> {
    let (ring, planes) = (plan.ring(TensorId(step.stage)), step.planes.clone());
    // Nodes follow what they read.
    let (before, own) = states.split_at_mut(step.stage);
    let Some(State { statistics, background }) = own.first_mut() else { return Ok(()) };
    let ranges: Vec<Range<usize>> = node.sources.iter().map(|source| plan.ring(source.tensor).range()).collect();
    let (out, data) = arena.split(ring.range(), &ranges);
    let mut out = PlanesMut::new(out, ring.layout)?;
    let mut sources = Vec::with_capacity(data.len());
    for (source, data) in node.sources.iter().zip(data) {
        let tensor = Planes::new(data, plan.ring(source.tensor).layout)?;
        sources.push(if source.upsampled { tensor.upsampled() } else { tensor });
    }
    match (&node.op, sources.as_slice()) {
        (Op::Conv(op), sources) => {
            let known = node.sources.first().and_then(|source| before[source.tensor.0].background.as_ref());
            let background = known.zip(background.as_mut()).map(|(source, out)| Background { source, out });
            op.run_beside(sources, &mut out, planes, threads, background)
        }
        (Op::MaxPool(op), [source]) => op.run(source, &mut out, planes, threads),
        (Op::Upsample, [source]) => upsample(source, &mut out, planes, threads),
        (Op::DepthToSpace, [source]) => depth_to_space(source, &mut out, planes, threads),
        (Op::Activate(op), [source]) => op.run(source, &mut out, planes, threads),
        (Op::Add(op), [a, b]) => op.run([a, b], &mut out, planes, threads),
        (Op::ScaleShift(op), [source]) => op.run(source, &mut out, planes, threads),
        (Op::Softmax(op), [source]) => op.run(source, &mut out, planes, threads),
        (Op::InstanceNorm(op), [source]) => {
            if statistics.is_none() {
                *statistics = Some(op.statistics(source, threads)?);
            }
            statistics.as_ref().map_or(Ok(()), |known| op.run(source, known, &mut out, planes, threads))
        }
        // The builder gives each node the sources that it needs, and an input none.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
