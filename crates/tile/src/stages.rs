//! What the threads of a run do: read, run the model, write. The merger is in `pipeline`.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Mutex, PoisonError};

use volkit_core::{Batch, OutOfMemory, Predictor, Progress};

use crate::infer::{Commit, Target};
use crate::layout::ChannelFirst;
use crate::reader::TileReader;
use crate::{Skip, TileError, TilePlan};

/// A tile in the order of the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    pub(crate) image: usize,
    /// Number in the plan.
    pub(crate) index: usize,
    /// Place in the batch; none for a tile that is not run.
    pub(crate) slot: Option<usize>,
}

/// Consecutive tiles, read.
pub(crate) struct Work {
    pub(crate) seq: usize,
    pub(crate) tiles: Vec<Planned>,
    /// None where no tile is run; then the buffer travels alone.
    pub(crate) batch: Option<Batch>,
    pub(crate) buffer: Vec<f32>,
}

/// Consecutive tiles, run.
pub(crate) struct Done {
    pub(crate) tiles: Vec<Planned>,
    pub(crate) outputs: Vec<Batch>,
    /// The input's memory, where it is not that of an output.
    pub(crate) buffer: Vec<f32>,
}

impl Done {
    /// Memory for the next batch.
    pub(crate) fn into_buffer(mut self) -> Vec<f32> {
        match self.outputs.pop() {
            Some(output) if self.buffer.capacity() == 0 => output.into_values(),
            _ => self.buffer,
        }
    }
}

/// What became of the batch of that number.
pub(crate) type Outcome = (usize, Result<Done, TileError>);

/// Which planes of an output are final.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slab {
    pub(crate) output: usize,
    pub(crate) image: usize,
    pub(crate) first: usize,
    pub(crate) n_planes: usize,
}

/// What the writer is told.
pub(crate) enum Finished {
    /// Final planes, `[K, n_planes, plane]`.
    Slab { slab: Slab, values: Vec<f32> },
    /// So many rows of tiles are finished, over all images.
    Rows(usize),
}

/// Reads batches, tiles in order.
pub(crate) struct ReadStage<'a, T> {
    pub(crate) plan: &'a TilePlan,
    pub(crate) reader: TileReader<'a>,
    pub(crate) skip: Option<Skip<'a>>,
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) tiles: T,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) bytes_read: u64,
}

impl<T: Iterator<Item = (usize, usize)>> ReadStage<'_, T> {
    /// Reads until all tiles are read or nobody wants more; gives the bytes read.
    pub(crate) fn run(mut self, buffers: &Receiver<Vec<f32>>, work: &Sender<Work>, done: &Sender<Outcome>) -> u64 {
        let mut seq = 0;
        while let Ok(buffer) = buffers.recv() {
            let (ready, error) = self.next_batch(seq, buffer);
            if !ready.tiles.is_empty() {
                seq += 1;
                if work.send(ready).is_err() {
                    break;
                }
            } else if error.is_none() {
                break;
            }
            if let Some(error) = error {
                // A closed channel means that the run has failed elsewhere.
                let _ = done.send((seq, Err(error)));
                break;
            }
        }
        self.bytes_read
    }

    /// The next tiles until a batch is full, and what stopped it before that.
    pub(crate) fn next_batch(&mut self, seq: usize, mut buffer: Vec<f32>) -> (Work, Option<TileError>) {
        let shape = self.plan.input_shape();
        let tile_len = self.channels * shape.iter().product::<usize>();
        let (mut tiles, mut n_run, mut failed) = (Vec::new(), 0, None);
        while n_run < self.batch {
            let Some((image, index)) = self.tiles.next() else { break };
            if buffer.len() < (n_run + 1) * tile_len {
                buffer.resize((n_run + 1) * tile_len, 0.0);
            }
            match self.read_tile(image, index, &mut buffer[n_run * tile_len..(n_run + 1) * tile_len]) {
                Ok(is_run) => {
                    tiles.push(Planned { image, index, slot: is_run.then_some(n_run) });
                    n_run += usize::from(is_run);
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if n_run == 0 {
            return (Work { seq, tiles, batch: None, buffer }, failed);
        }
        buffer.truncate(n_run * tile_len);
        let batch_shape = [&[n_run, self.channels], shape.as_slice()].concat();
        match Batch::new(batch_shape, buffer) {
            Ok(batch) => (Work { seq, tiles, batch: Some(batch), buffer: Vec::new() }, failed),
            Err(error) => {
                let source = TileError::Source { tile: tiles[0].index, source: error.into() };
                (Work { seq, tiles: Vec::new(), batch: None, buffer: Vec::new() }, Some(source))
            }
        }
    }

    /// Reads a tile; gives whether it is to be run.
    fn read_tile(&mut self, image: usize, index: usize, out: &mut [f32]) -> Result<bool, TileError> {
        self.progress.check()?;
        let tile = self.plan.tile(index);
        let failed = |source| TileError::Source { tile: index, source };
        if let Some(skip) = &self.skip
            && skip.is_masked_out(self.plan, &tile).map_err(failed)?
        {
            return Ok(false);
        }
        self.reader.read(image, &tile, out).map_err(failed)?;
        self.bytes_read += size_of_val(out) as u64;
        Ok(!self.skip.and_then(|skip| skip.empty).is_some_and(|test| test.is_empty(out)))
    }
}

/// A worker.
pub(crate) struct Runner<'a> {
    pub(crate) model: &'a mut dyn Predictor,
    /// Name and shape of each output for one tile.
    pub(crate) expected: &'a [(String, Vec<usize>)],
    /// Most tiles that are run at once, for all workers, where that may become less.
    pub(crate) most: Option<&'a AtomicUsize>,
}

impl Runner<'_> {
    /// Runs batches as they come, until there are no more or nobody wants the results.
    pub(crate) fn run(mut self, work: &Mutex<Receiver<Work>>, done: &Sender<Outcome>) {
        loop {
            // The lock is held while waiting: the others could do nothing but wait too.
            let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(next) = next else { return };
            let seq = next.seq;
            let outcome = self.answer(next);
            let failed = outcome.is_err();
            if done.send((seq, outcome)).is_err() || failed {
                return;
            }
        }
    }

    /// Runs a batch. A model that panics is not asked again: the error ends the run.
    pub(crate) fn answer(&mut self, Work { tiles, batch, buffer, .. }: Work) -> Result<Done, TileError> {
        let Some(batch) = batch else { return Ok(Done { tiles, outputs: Vec::new(), buffer }) };
        catch_unwind(AssertUnwindSafe(|| self.predict(tiles, batch))).unwrap_or(Err(TileError::Panicked("model")))
    }

    fn predict(&mut self, tiles: Vec<Planned>, batch: Batch) -> Result<Done, TileError> {
        let range = (tiles.first().map_or(0, |tile| tile.index), tiles.last().map_or(0, |tile| tile.index));
        let n = batch.shape()[0];
        let failed = |source| TileError::Model { first: range.0, last: range.1, source };
        let (outputs, buffer) = match self.most {
            // The batch is not run again.
            None => self.model.predict_owned(batch).map_err(failed)?,
            Some(most) if most.load(Ordering::Relaxed) < n => (self.parts(&batch, range)?, batch.into_values()),
            Some(_) => match self.model.predict(&batch) {
                Ok(outputs) => (outputs, batch.into_values()),
                Err(error) if n > 1 && is_out_of_memory(error.as_ref()) => {
                    self.allow(n / 2);
                    (self.parts(&batch, range)?, batch.into_values())
                }
                Err(source) => return Err(failed(source)),
            },
        };
        check(&outputs, self.expected, n, range)?;
        Ok(Done { tiles, outputs, buffer })
    }

    /// Lets no more tiles run at once than these.
    fn allow(&self, n: usize) {
        if let Some(most) = self.most {
            most.fetch_min(n.max(1), Ordering::Relaxed);
        }
    }

    /// Runs a batch in parts that are allowed; a part whose memory is refused is halved.
    fn parts(&mut self, batch: &Batch, (first, last): (usize, usize)) -> Result<Vec<Batch>, TileError> {
        let failed = |source| TileError::Model { first, last, source };
        let (shape, n) = (batch.shape(), batch.shape()[0]);
        let len = batch.values().len() / n;
        let mut joined: Vec<(Vec<usize>, Vec<f32>)> = Vec::new();
        let mut start = 0;
        while start < n {
            let most = self.most.map_or(1, |most| most.load(Ordering::Relaxed)).clamp(1, n - start);
            let values = batch.values()[start * len..(start + most) * len].to_vec();
            let part = Batch::new([&[most], &shape[1..]].concat(), values).map_err(|error| failed(error.into()))?;
            let outputs = match self.model.predict(&part) {
                Ok(outputs) => outputs,
                Err(error) if most > 1 && is_out_of_memory(error.as_ref()) => {
                    self.allow(most / 2);
                    continue;
                }
                Err(source) => return Err(failed(source)),
            };
            check(&outputs, self.expected, most, (first, last))?;
            joined.resize_with(outputs.len(), Default::default);
            for (output, (shape, values)) in outputs.into_iter().zip(&mut joined) {
                *shape = [&[n], &output.shape()[1..]].concat();
                values.extend(output.into_values());
            }
            start += most;
        }
        joined.into_iter().map(|(shape, values)| Batch::new(shape, values).map_err(|e| failed(e.into()))).collect()
    }
}

/// Whether an error or one of its causes says that there was too little memory.
fn is_out_of_memory(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<OutOfMemory>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Refuses outputs that are not those of the specification for `n` tiles.
fn check(
    outputs: &[Batch],
    expected: &[(String, Vec<usize>)],
    n: usize,
    (first, last): (usize, usize),
) -> Result<(), TileError> {
    let wrong = |what: String, wanted: String, got: String| {
        Err(TileError::Shape { what: format!("{what} of the model, tiles {first} to {last}"), wanted, got })
    };
    if outputs.len() != expected.len() {
        return wrong("number of outputs".to_owned(), expected.len().to_string(), outputs.len().to_string());
    }
    for (output, (name, shape)) in outputs.iter().zip(expected) {
        if output.shape()[0] != n || output.shape()[1..] != shape[..] {
            let wanted = [&[n], shape.as_slice()].concat();
            return wrong(format!("shape of output '{name}'"), format!("{wanted:?}"), format!("{:?}", output.shape()));
        }
    }
    Ok(())
}

/// Where an output is written, and its geometry.
pub(crate) struct WriteTarget<'a> {
    pub(crate) target: Target<'a>,
    pub(crate) layout: ChannelFirst,
    pub(crate) name: String,
    /// Channels of the model.
    pub(crate) channels: usize,
    /// Spatial axes of the whole output.
    pub(crate) shape: Vec<usize>,
}

/// Writes planes as they come.
pub(crate) struct WriteStage<'a> {
    targets: Vec<WriteTarget<'a>>,
    commit: Option<Commit<'a>>,
    pub(crate) bytes_written: u64,
    reduced: Vec<f32>,
}

impl<'a> WriteStage<'a> {
    pub(crate) fn new(targets: Vec<WriteTarget<'a>>, commit: Option<Commit<'a>>) -> Self {
        Self { targets, commit, bytes_written: 0, reduced: Vec::new() }
    }

    /// Writes until nobody sends more; gives the bytes written.
    pub(crate) fn run(mut self, finished: &Receiver<Finished>, spare: &Sender<Vec<f32>>) -> Result<u64, TileError> {
        while let Ok(message) = finished.recv() {
            if let Some(values) = self.take(message)? {
                // Nobody takes it once all planes are on their way.
                let _ = spare.send(values);
            }
        }
        Ok(self.bytes_written)
    }

    /// Writes planes and gives their memory back, or records rows.
    pub(crate) fn take(&mut self, message: Finished) -> Result<Option<Vec<f32>>, TileError> {
        match message {
            Finished::Slab { slab, values } => {
                self.write(slab, &values)?;
                Ok(Some(values))
            }
            Finished::Rows(row) => {
                if let Some(commit) = &mut self.commit {
                    commit(row).map_err(|source| TileError::Commit { row, source })?;
                }
                Ok(None)
            }
        }
    }

    /// Writes planes, `[K, n_planes, plane]`.
    pub(crate) fn write(&mut self, slab: Slab, values: &[f32]) -> Result<(), TileError> {
        let Slab { output, image, first, n_planes } = slab;
        let WriteTarget { target, layout, name, channels, shape } = &mut self.targets[output];
        let written = match &mut target.reduce {
            Some(reduce) => {
                self.reduced.clear();
                reduce.reduce(values, *channels, &mut self.reduced);
                &self.reduced
            }
            None => values,
        };
        let mut start = vec![0; shape.len()];
        let mut size = shape.clone();
        (start[0], size[0]) = (first, n_planes);
        let wrote = match layout.region(image, &start, &size) {
            Ok(region) => target.sink.write_region(&region, written.into()),
            Err(error) => Err(error.into()),
        };
        self.bytes_written += size_of_val(written) as u64;
        let last = first + n_planes - 1;
        wrote.map_err(|source| TileError::Sink { output: name.clone(), first, last, source })
    }
}
