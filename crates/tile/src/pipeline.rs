//! A run: threads joined by channels, and the one place where tiles are added.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use volkit_core::{Predictor, PredictorSpec, Progress, VolumeSource};

use crate::accumulate::Sum;
use crate::infer::{BatchSize, InferReport, NotFinite, Target, TiledInference};
use crate::layout::ChannelFirst;
use crate::memory::{N_SLABS, has_norm, queue_depth, runs_alone, slab_planes};
use crate::output::Output;
use crate::reader::TileReader;
use crate::ring::{Addend, Ring};
use crate::stages::{Done, Finished, Outcome, Planned, ReadStage, Runner, Slab, WriteStage, WriteTarget};
use crate::{SkipPolicy, Tile, TileError};

/// Between which samples a run works.
struct Span {
    images: usize,
    /// Rows of tiles, over all images, that are finished.
    rows_done: usize,
    /// Row of tiles, over all images, to begin with: earlier than the first unfinished one where they overlap.
    first_row: usize,
    /// Rows of tiles to run in each image: those that add to the planes that are wanted.
    rows: Range<usize>,
    /// Per output, the planes that are wanted.
    planes: Vec<Range<usize>>,
}

impl Span {
    /// Rows of tiles that a whole run takes in all images.
    fn n_rows(&self) -> usize {
        self.images * self.rows.len()
    }
}

/// What a run works on.
pub(crate) struct Job<'j, 'm> {
    pub(crate) source: &'j dyn VolumeSource,
    pub(crate) models: &'j mut [&'m mut dyn Predictor],
    pub(crate) targets: Vec<Target<'j>>,
    pub(crate) spec: &'j PredictorSpec,
    /// Tiles of a batch.
    pub(crate) batch: usize,
    pub(crate) progress: &'j dyn Progress,
}

pub(crate) fn run<A: Sum>(mut setup: TiledInference<'_>, job: Job<'_, '_>) -> Result<InferReport, TileError> {
    let Job { source, models, targets, spec, batch, progress } = job;
    let plan = setup.plan;
    let layout = ChannelFirst::of_source(source.meta().shape(), plan, spec.input_channels)?;
    let output = |spec| Output::new(plan, &setup.blend, spec, setup.plane_step.max(1));
    let outputs: Vec<Output<A>> = spec.outputs.iter().map(output).collect::<Result<_, _>>()?;
    let targets = write_targets(&outputs, targets, plan.axes().len(), layout.images)?;
    let span = span(&setup, &outputs, layout.images)?;
    let mut report = InferReport { n_tiles: plan.n_tiles() * layout.images, batch, ..InferReport::default() };
    report.n_tiles = span.n_rows() * plan.tiles_per_row();
    if span.rows_done == span.n_rows() {
        return Ok(report);
    }
    let first = span.first_row * plan.tiles_per_row();
    let (per_image, offset) = (span.rows.len() * plan.tiles_per_row(), span.rows.start * plan.tiles_per_row());
    progress.begin("tiles", (report.n_tiles - first) as u64);
    let stage = ReadStage {
        plan,
        channels: layout.channels,
        reader: TileReader::new(source, plan, layout, setup.intensity),
        skip: setup.skip,
        batch,
        tiles: (first..report.n_tiles).map(|tile| (tile / per_image, offset + tile % per_image)),
        progress,
        bytes_read: 0,
    };
    let expected: Vec<(String, Vec<usize>)> =
        outputs.iter().map(|output| expected(output, plan.axes().len())).collect();
    let commit = setup.commit.take();
    let most = AtomicUsize::new(batch);
    let halves = matches!(setup.batch, BatchSize::Budget { .. });
    let runners = models.iter_mut().map(|model| Runner {
        model: &mut **model,
        expected: &expected,
        most: halves.then_some(&most),
    });
    let (mut runners, writes) = (runners.collect::<Vec<_>>(), WriteStage::new(targets, commit));
    let merge = |outlet, report| Merger::new(&setup, &outputs, &span, outlet, report);
    let queue_depth = queue_depth(setup.queue_depth, plan, spec);
    let alone = runs_alone(runners.len(), queue_depth);
    let (bytes_read, bytes_written) = match runners.pop() {
        Some(runner) if alone => {
            let merger = merge(Outlet::Sink { writes, spare: Vec::new() }, &mut report);
            run_here(stage, runner, merger, progress)?
        }
        last => {
            runners.extend(last);
            run_threads(stage, (runners, queue_depth), |outlet| merge(outlet, &mut report), writes, progress)?
        }
    };
    Ok(InferReport { batch: most.into_inner().min(batch), bytes_read, bytes_written, ..report })
}

/// One batch after the other on this thread; gives the bytes read and written.
fn run_here<A: Sum>(
    mut reads: ReadStage<'_, impl Iterator<Item = (usize, usize)>>,
    mut runner: Runner<'_>,
    mut merger: Merger<'_, A>,
    progress: &dyn Progress,
) -> Result<(u64, u64), TileError> {
    let mut buffer = Vec::new();
    loop {
        let (work, error) = reads.next_batch(0, buffer);
        if work.tiles.is_empty() && error.is_none() {
            break;
        }
        buffer = Vec::new();
        if !work.tiles.is_empty() {
            let done = runner.answer(work)?;
            match merger.take(done, progress) {
                Ok(spare) => buffer = spare,
                Err(Halt::Failed(error)) => return Err(error),
                Err(Halt::WriterGone) => return Err(TileError::Panicked("writer")),
            }
        }
        if let Some(error) = error {
            return Err(error);
        }
    }
    Ok((reads.bytes_read, merger.outlet.bytes_written()))
}

/// A reader, the workers, the merger and a writer at the same time; gives the bytes read and written.
fn run_threads<'m, A: Sum>(
    reads: ReadStage<'_, impl Iterator<Item = (usize, usize)> + Send>,
    (runners, queue_depth): (Vec<Runner<'_>>, usize),
    merge: impl FnOnce(Outlet<'static>) -> Merger<'m, A>,
    writes: WriteStage<'_>,
    progress: &dyn Progress,
) -> Result<(u64, u64), TileError> {
    let (buffers, wanted_buffers) = channel();
    let (work, waiting_work) = channel();
    let (done, outcomes) = channel();
    let (finished, finished_planes) = sync_channel(N_SLABS);
    let (spare, spare_slabs) = channel();
    (0..runners.len() + queue_depth).for_each(|_| drop(buffers.send(Vec::new())));
    (0..N_SLABS).for_each(|_| drop(spare.send(Vec::new())));
    let waiting_work = Mutex::new(waiting_work);
    thread::scope(|scope| {
        let reader_done = done.clone();
        let reader = scope.spawn(move || reads.run(&wanted_buffers, &work, &reader_done));
        for runner in runners {
            let (done, waiting_work) = (done.clone(), &waiting_work);
            scope.spawn(move || runner.run(waiting_work, &done));
        }
        drop(done);
        let writer = scope.spawn(move || writes.run(&finished_planes, &spare));
        let outlet = Outlet::Writer { finished, spare: spare_slabs };
        let merged = merge(outlet).run(&outcomes, &buffers, progress);
        // Without the merger's ends of the channels every thread ends.
        drop((buffers, outcomes));
        let written = writer.join().unwrap_or(Err(TileError::Panicked("writer")));
        let read = reader.join().map_err(|_| TileError::Panicked("reader"));
        match merged {
            Err(Halt::Failed(error)) => Err(error),
            Err(Halt::WriterGone) | Ok(()) => {
                let written = written?;
                Ok((read?, written))
            }
        }
    })
}

/// The model's output for one tile, `[K, T0, T1, ..]`.
fn expected<A>(output: &Output<A>, n_axes: usize) -> (String, Vec<usize>) {
    let mut shape = vec![output.channels];
    shape.extend(&output.tile_shape[..n_axes]);
    (output.name.clone(), shape)
}

fn write_targets<'t, A>(
    outputs: &[Output<A>],
    targets: Vec<Target<'t>>,
    n_axes: usize,
    images: usize,
) -> Result<Vec<WriteTarget<'t>>, TileError> {
    if outputs.len() != targets.len() {
        let (wanted, got) = (outputs.len().to_string(), targets.len().to_string());
        return Err(TileError::Shape { what: "number of targets".to_owned(), wanted, got });
    }
    let checked = |(output, target): (&Output<A>, Target<'t>)| {
        let channels = target.reduce.as_ref().map_or(output.channels, |reduce| reduce.channels(output.channels));
        let shape = output.shape[..n_axes].to_vec();
        let what = format!("the sink of output '{}'", output.name);
        let layout = ChannelFirst::of_sink(&what, target.sink.meta().shape(), &shape, channels, images)?;
        Ok(WriteTarget { target, layout, name: output.name.clone(), channels: output.channels, shape })
    };
    outputs.iter().zip(targets).map(checked).collect()
}

fn span<A: Sum>(setup: &TiledInference<'_>, outputs: &[Output<A>], images: usize) -> Result<Span, TileError> {
    let planes: Vec<Range<usize>> = match &setup.planes {
        None => outputs.iter().map(|output| 0..output.shape[0]).collect(),
        Some(planes) => outputs.iter().map(|output| output.scaled_planes(planes)).collect::<Result<_, _>>()?,
    };
    let touched = outputs.iter().zip(&planes).map(|(output, planes)| output.rows_for(planes));
    let rows = touched.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)).unwrap_or(0..0);
    let (rows_done, n_rows) = (setup.rows_done, rows.len());
    if rows_done > images * n_rows {
        let why = format!("there are {} rows of tiles", images * n_rows);
        return Err(TileError::Config { field: "rows_done", value: rows_done.to_string(), why });
    }
    let row = rows.start + rows_done % n_rows.max(1);
    let first = outputs.iter().map(|output| output.first_row_for(row)).min().unwrap_or(row);
    let first_row = rows_done - rows_done % n_rows.max(1) + first.max(rows.start) - rows.start;
    Ok(Span { images, rows_done, first_row, rows, planes })
}

/// Why the merger stopped.
enum Halt {
    Failed(TileError),
    /// The writer has the reason.
    WriterGone,
}

impl From<TileError> for Halt {
    fn from(error: TileError) -> Self {
        Self::Failed(error)
    }
}

/// Where finished planes go.
enum Outlet<'a> {
    /// To the thread that writes them.
    Writer { finished: SyncSender<Finished>, spare: Receiver<Vec<f32>> },
    /// To the sinks at once.
    Sink { writes: WriteStage<'a>, spare: Vec<f32> },
}

impl Outlet<'_> {
    /// Memory for planes.
    fn slab(&mut self) -> Result<Vec<f32>, Halt> {
        match self {
            Self::Writer { spare, .. } => spare.recv().map_err(|_| Halt::WriterGone),
            Self::Sink { spare, .. } => Ok(std::mem::take(spare)),
        }
    }

    fn send(&mut self, message: Finished) -> Result<(), Halt> {
        match self {
            Self::Writer { finished, .. } => finished.send(message).map_err(|_| Halt::WriterGone),
            Self::Sink { writes, spare } => {
                if let Some(values) = writes.take(message)? {
                    *spare = values;
                }
                Ok(())
            }
        }
    }

    /// Bytes that went to the sinks from here.
    fn bytes_written(&self) -> u64 {
        match self {
            Self::Writer { .. } => 0,
            Self::Sink { writes, .. } => writes.bytes_written,
        }
    }
}

/// Adds tiles in plan order and sends final planes on.
struct Merger<'a, A> {
    setup: &'a TiledInference<'a>,
    outputs: &'a [Output<A>],
    span: &'a Span,
    rings: Vec<Ring<A>>,
    outlet: Outlet<'a>,
    report: &'a mut InferReport,
    image: Option<usize>,
    fill: f32,
    skipped: Addend<'static>,
}

impl<'a, A: Sum> Merger<'a, A> {
    fn new(
        setup: &'a TiledInference<'a>,
        outputs: &'a [Output<A>],
        span: &'a Span,
        outlet: Outlet<'a>,
        report: &'a mut InferReport,
    ) -> Self {
        let policy = setup.skip.map(|skip| skip.policy);
        let with_norm = has_norm(&setup.blend, policy);
        let rings = outputs.iter().map(|output| Ring::new(output, with_norm)).collect();
        let fill = setup.skip.map_or(0.0, |skip| skip.fill);
        let skipped = if policy == Some(SkipPolicy::Renormalize) { Addend::Nothing } else { Addend::Fill(fill) };
        Self { setup, outputs, span, rings, outlet, report, image: None, fill, skipped }
    }

    /// Takes batches in order, however they come.
    fn run(
        mut self,
        outcomes: &Receiver<Outcome>,
        buffers: &Sender<Vec<f32>>,
        progress: &dyn Progress,
    ) -> Result<(), Halt> {
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        let mut merged = 0;
        while let Ok((seq, outcome)) = outcomes.recv() {
            waiting.insert(seq, outcome);
            while let Some(outcome) = waiting.remove(&next) {
                next += 1;
                let done = outcome?;
                merged += done.tiles.len();
                // The reader has ended once all tiles are read.
                let _ = buffers.send(self.take(done, progress)?);
            }
        }
        let wanted = (self.span.n_rows() - self.span.first_row) * self.setup.plan.tiles_per_row();
        // Every thread has ended, so one that owes tiles has panicked.
        if merged < wanted { Err(TileError::Panicked("reader").into()) } else { Ok(()) }
    }

    /// Adds the tiles of a batch; gives the memory of its input back.
    fn take(&mut self, done: Done, progress: &dyn Progress) -> Result<Vec<f32>, Halt> {
        for tile in &done.tiles {
            self.add(*tile, &done)?;
            progress.advance(1);
        }
        progress.check().map_err(TileError::from)?;
        Ok(done.into_buffer())
    }

    fn add(&mut self, planned: Planned, done: &Done) -> Result<(), Halt> {
        let tile = self.setup.plan.tile(planned.index);
        if self.image != Some(planned.image) {
            self.image = Some(planned.image);
            let Span { rows_done, rows, planes, .. } = self.span;
            let is_resumed = planned.image == rows_done / rows.len();
            let row = rows.start + if is_resumed { rows_done % rows.len() } else { 0 };
            for ((ring, output), planes) in self.rings.iter_mut().zip(self.outputs).zip(planes) {
                ring.begin(output.final_before(row).max(planes.start));
            }
        }
        let number = planned.image * self.setup.plan.n_tiles() + planned.index;
        for (k, output) in self.outputs.iter().enumerate() {
            let addend = match planned.slot {
                Some(slot) => {
                    let len = output.tile_len();
                    let values = &done.outputs[k].values()[slot * len..(slot + 1) * len];
                    Addend::Values(values)
                }
                None => self.skipped,
            };
            let is_finite = self.rings[k].add(output, &tile.grid, addend);
            if let (Addend::Values(values), true) = (addend, !is_finite || output.discards()) {
                self.count_not_finite(number, &tile, output, values)?;
            }
        }
        *(if planned.slot.is_some() { &mut self.report.n_run } else { &mut self.report.n_skipped }) += 1;
        if (planned.index + 1).is_multiple_of(self.setup.plan.tiles_per_row()) {
            self.finish_row(planned.image, tile.grid[0])?;
        }
        Ok(())
    }

    fn count_not_finite(
        &mut self,
        number: usize,
        tile: &Tile,
        output: &Output<A>,
        values: &[f32],
    ) -> Result<(), TileError> {
        let count = values.iter().filter(|value| !value.is_finite()).count();
        if count == 0 {
            return Ok(());
        }
        self.report.n_not_finite += count;
        if self.report.not_finite_tiles.last() != Some(&number) {
            self.report.not_finite_tiles.push(number);
        }
        if self.setup.not_finite == NotFinite::Refuse {
            let (origin, output) = (tile.origin.clone(), output.name.clone());
            return Err(TileError::NotFinite { tile: number, origin, output, count });
        }
        Ok(())
    }

    /// Sends on what no later row adds to.
    fn finish_row(&mut self, image: usize, row: usize) -> Result<(), Halt> {
        for (k, output) in self.outputs.iter().enumerate() {
            let end = output.final_after(row).min(self.span.planes[k].end);
            let (ring, step) = (&mut self.rings[k], slab_planes(output));
            while ring.flushed() < end {
                let first = ring.flushed();
                let n_planes = step.min(end - first);
                let slab = Slab { output: k, image, first, n_planes };
                if let (Outlet::Sink { writes, .. }, Some(values)) = (&mut self.outlet, ring.in_place(output, n_planes))
                {
                    writes.write(slab, values)?;
                    ring.forget(first + n_planes);
                    continue;
                }
                let mut values = self.outlet.slab()?;
                ring.drain(output, first + n_planes, self.fill, &mut values);
                self.outlet.send(Finished::Slab { slab, values })?;
            }
        }
        let rows = image * self.span.rows.len() + row + 1 - self.span.rows.start;
        if rows > self.span.rows_done {
            self.outlet.send(Finished::Rows(rows))?;
        }
        Ok(())
    }
}
