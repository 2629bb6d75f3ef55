//! A run: threads joined by channels, and the one place where tiles are added.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use volkit_core::{Predictor, PredictorSpec, Progress, VolumeSource};

use crate::accumulate::Sum;
use crate::infer::{InferReport, NotFinite, Target, TiledInference};
use crate::layout::ChannelFirst;
use crate::memory::{N_SLABS, has_norm, slab_planes};
use crate::output::Output;
use crate::reader::TileReader;
use crate::ring::{Addend, Ring};
use crate::stages::{Done, Finished, Outcome, Planned, ReadStage, WriteTarget, run_model, write_planes};
use crate::{SkipPolicy, TileError};

/// Between which samples a run works.
struct Span {
    images: usize,
    /// Rows of tiles, over all images, that are finished.
    rows_done: usize,
    /// First row of tiles to run, in its image: earlier than the first unfinished one where they overlap.
    first_row: usize,
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
    let outputs: Vec<Output<A>> =
        spec.outputs.iter().map(|spec| Output::new(plan, &setup.blend, spec)).collect::<Result<_, _>>()?;
    let targets = write_targets(&outputs, targets, plan.axes().len(), layout.images)?;
    let span = span(&setup, &outputs, layout.images)?;
    let mut report = InferReport { n_tiles: plan.n_tiles() * layout.images, batch, ..InferReport::default() };
    if span.rows_done == layout.images * plan.n_rows() {
        return Ok(report);
    }
    let first = span.rows_done / plan.n_rows() * plan.n_tiles() + span.first_row * plan.tiles_per_row();
    let (n_tiles, n_buffers) = (plan.n_tiles(), models.len() + setup.queue_depth);
    progress.begin("tiles", (report.n_tiles - first) as u64);
    let stage = ReadStage {
        plan,
        channels: layout.channels,
        reader: TileReader::new(source, plan, layout, setup.intensity),
        skip: setup.skip,
        batch,
        tiles: (first..report.n_tiles).map(|tile| (tile / n_tiles, tile % n_tiles)),
        progress,
        bytes_read: 0,
    };
    let expected: Vec<(String, Vec<usize>)> =
        outputs.iter().map(|output| expected(output, plan.axes().len())).collect();
    let commit = setup.commit.take();
    let (buffers, wanted_buffers) = channel();
    let (work, waiting_work) = channel();
    let (done, outcomes) = channel();
    let (finished, finished_planes) = sync_channel(N_SLABS);
    let (spare, spare_slabs) = channel();
    (0..n_buffers).for_each(|_| drop(buffers.send(Vec::new())));
    (0..N_SLABS).for_each(|_| drop(spare.send(Vec::new())));
    let waiting_work = Mutex::new(waiting_work);
    thread::scope(|scope| {
        let reader_done = done.clone();
        let reader = scope.spawn(move || stage.run(&wanted_buffers, &work, &reader_done));
        for model in models.iter_mut() {
            let (done, expected, waiting_work) = (done.clone(), &expected, &waiting_work);
            scope.spawn(move || run_model(&mut **model, expected, waiting_work, &done));
        }
        drop(done);
        let writer = scope.spawn(move || write_planes(&finished_planes, &spare, targets, commit));
        // The merger owns its ends of the channels: when it returns, every thread ends.
        let merged = Merger::new(&setup, &outputs, &span, Ends { buffers, finished, spare_slabs }, &mut report)
            .run(&outcomes, progress);
        drop(outcomes);
        let written = writer.join().unwrap_or(Err(TileError::Panicked("writer")));
        let read = reader.join().map_err(|_| TileError::Panicked("reader"));
        match merged {
            Err(Halt::Failed(error)) => return Err(error),
            Err(Halt::WriterGone) | Ok(()) => report.bytes_written = written?,
        }
        report.bytes_read = read?;
        Ok(report)
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
    let (rows_done, n_rows) = (setup.rows_done, setup.plan.n_rows());
    if rows_done > images * n_rows {
        let why = format!("there are {} rows of tiles", images * n_rows);
        return Err(TileError::Config { field: "rows_done", value: rows_done.to_string(), why });
    }
    let row = rows_done % n_rows;
    let first_row = outputs.iter().map(|output| output.first_row_for(row)).min().unwrap_or(row);
    Ok(Span { images, rows_done, first_row })
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

/// The merger's ends of the channels.
struct Ends {
    buffers: Sender<Vec<f32>>,
    finished: SyncSender<Finished>,
    spare_slabs: Receiver<Vec<f32>>,
}

/// Adds tiles in plan order and sends final planes on.
struct Merger<'a, A> {
    setup: &'a TiledInference<'a>,
    outputs: &'a [Output<A>],
    span: &'a Span,
    rings: Vec<Ring<A>>,
    ends: Ends,
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
        ends: Ends,
        report: &'a mut InferReport,
    ) -> Self {
        let policy = setup.skip.map(|skip| skip.policy);
        let with_norm = has_norm(&setup.blend, policy);
        let rings = outputs.iter().map(|output| Ring::new(output, with_norm)).collect();
        let fill = setup.skip.map_or(0.0, |skip| skip.fill);
        let skipped = if policy == Some(SkipPolicy::Renormalize) { Addend::Nothing } else { Addend::Fill(fill) };
        Self { setup, outputs, span, rings, ends, report, image: None, fill, skipped }
    }

    /// Takes batches in order, however they come.
    fn run(mut self, outcomes: &Receiver<Outcome>, progress: &dyn Progress) -> Result<(), Halt> {
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        let mut merged = 0;
        while let Ok((seq, outcome)) = outcomes.recv() {
            waiting.insert(seq, outcome);
            while let Some(outcome) = waiting.remove(&next) {
                next += 1;
                let done = outcome?;
                merged += done.tiles.len();
                self.take(done, progress)?;
                progress.check().map_err(TileError::from)?;
            }
        }
        let rows_of_image = self.setup.plan.n_rows();
        let first = self.span.rows_done / rows_of_image * rows_of_image + self.span.first_row;
        let wanted = (self.span.images * rows_of_image - first) * self.setup.plan.tiles_per_row();
        // Every thread has ended, so one that owes tiles has panicked.
        if merged < wanted { Err(TileError::Panicked("reader").into()) } else { Ok(()) }
    }

    fn take(&mut self, done: Done, progress: &dyn Progress) -> Result<(), Halt> {
        for tile in &done.tiles {
            self.add(*tile, &done)?;
            progress.advance(1);
        }
        // The reader has ended once all tiles are read.
        let _ = self.ends.buffers.send(done.buffer);
        Ok(())
    }

    fn add(&mut self, planned: Planned, done: &Done) -> Result<(), Halt> {
        let tile = self.setup.plan.tile(planned.index);
        if self.image != Some(planned.image) {
            self.image = Some(planned.image);
            let n_rows = self.setup.plan.n_rows();
            let is_resumed = planned.image == self.span.rows_done / n_rows;
            let row = if is_resumed { self.span.rows_done % n_rows } else { 0 };
            let rings = self.rings.iter_mut().zip(self.outputs);
            rings.for_each(|(ring, output)| ring.begin(output.final_before(row)));
        }
        let number = planned.image * self.setup.plan.n_tiles() + planned.index;
        for (k, output) in self.outputs.iter().enumerate() {
            let addend = match planned.slot {
                Some(slot) => {
                    let len = output.tile_len();
                    let values = &done.outputs[k].values()[slot * len..(slot + 1) * len];
                    let count = values.iter().filter(|value| !value.is_finite()).count();
                    if count > 0 {
                        self.report.n_not_finite += count;
                        if self.report.not_finite_tiles.last() != Some(&number) {
                            self.report.not_finite_tiles.push(number);
                        }
                        if self.setup.not_finite == NotFinite::Refuse {
                            let (origin, output) = (tile.origin, output.name.clone());
                            return Err(TileError::NotFinite { tile: number, origin, output, count }.into());
                        }
                    }
                    Addend::Values(values)
                }
                None => self.skipped,
            };
            self.rings[k].add(output, &tile.grid, addend);
        }
        *(if planned.slot.is_some() { &mut self.report.n_run } else { &mut self.report.n_skipped }) += 1;
        if (planned.index + 1).is_multiple_of(self.setup.plan.tiles_per_row()) {
            self.finish_row(planned.image, tile.grid[0])?;
        }
        Ok(())
    }

    /// Sends on what no later row adds to.
    fn finish_row(&mut self, image: usize, row: usize) -> Result<(), Halt> {
        for (k, output) in self.outputs.iter().enumerate() {
            let (ring, end, step) = (&mut self.rings[k], output.final_after(row), slab_planes(output));
            while ring.flushed() < end {
                let first = ring.flushed();
                let n_planes = step.min(end - first);
                let mut values = self.ends.spare_slabs.recv().map_err(|_| Halt::WriterGone)?;
                ring.drain(output, first + n_planes, self.fill, &mut values);
                let slab = Finished::Slab { output: k, image, first, n_planes, values };
                self.ends.finished.send(slab).map_err(|_| Halt::WriterGone)?;
            }
        }
        let rows = image * self.setup.plan.n_rows() + row + 1;
        if rows > self.span.rows_done {
            self.ends.finished.send(Finished::Rows(rows)).map_err(|_| Halt::WriterGone)?;
        }
        Ok(())
    }
}
