//! Training on label maps.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use volkit_bench::Display;
use volkit_core::duration_text;
use volkit_seg::SegError;
use volkit_seg::training::{Generator, LabelMap, LossValue, Renorm, Sample};
use volkit_train::{Norm, clip_grad_norm};

use super::config::Config;
use super::maps::Maps;
use super::state::State;

/// Name of the checkpoint in the folder of a training.
pub(crate) const CHECKPOINT: &str = "last.safetensors";
/// Name of the log: a line of JSON for each step.
pub(crate) const LOG: &str = "log.jsonl";

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogLine {
    /// Step, from 0.
    pub(crate) step: u64,
    /// Loss, the mean over the samples of the step.
    pub(crate) loss: f64,
    /// Soft Dice over the labels that count.
    pub(crate) dice: f64,
    /// Cross-entropy.
    pub(crate) cross_entropy: f64,
    /// Length of the gradient before it was clipped.
    pub(crate) gradient: f64,
    /// Learning rate.
    pub(crate) rate: f64,
    /// Seconds since the program began.
    pub(crate) secs: f64,
}

/// Trains until the last step or until a stop is asked for; goes on from the checkpoint in the folder where `resume`.
pub(crate) fn train(config: &Config, resume: bool, display: &Display) -> Result<()> {
    let folder = &config.training.folder;
    fs::create_dir_all(folder).with_context(|| format!("{}: can not create", folder.display()))?;
    let checkpoint = folder.join(CHECKPOINT);
    let decay = config.training.average_decay;
    let mut state = if resume && checkpoint.is_file() {
        let state = State::read(&checkpoint, decay)?;
        ensure!(*state.net.config() == config.network, "{}: holds another network", checkpoint.display());
        state
    } else {
        let is_new = !checkpoint.exists();
        ensure!(is_new, "{}: is there; --resume goes on from it", checkpoint.display());
        State::new(config.network, decay)?
    };
    let maps = Maps::read_training(&config.data)?;
    let generator = Generator::new(config.generator.clone())?;
    let n_parameters: usize = state.net.parameters().iter().map(|p| p.values.len()).sum();
    let (first, n_maps) = (state.step, maps.len());
    display.say(&format!("{n_parameters} parameters, {n_maps} label maps, from step {first}"));
    let mut log = Log::open(&folder.join(LOG), first)?;
    let (to_network, samples) = sync_channel(1);
    let indices = first * config.training.accumulate..config.training.end() * config.training.accumulate;
    let (generator, maps) = (&generator, &maps);
    thread::scope(|scope| {
        scope.spawn(move || make_samples(generator, maps, indices, &to_network));
        let outcome = run(&mut state, config, &samples, &mut log, display);
        // The generator waits for its samples to be taken, also when no more are wanted.
        drop(samples);
        outcome
    })?;
    state.write(&checkpoint)
}

/// Makes samples ahead of the network until nobody takes them.
fn make_samples(
    generator: &Generator,
    maps: &[LabelMap],
    indices: std::ops::Range<u64>,
    to_network: &SyncSender<Result<Sample, SegError>>,
) {
    for index in indices {
        if to_network.send(generator.sample(maps, index)).is_err() {
            return;
        }
    }
}

/// The steps.
fn run(
    state: &mut State,
    config: &Config,
    samples: &Receiver<Result<Sample, SegError>>,
    log: &mut Log,
    display: &Display,
) -> Result<()> {
    let training = &config.training;
    let (began, first) = (Instant::now(), state.step);
    while state.step < training.end() && !display.is_stopped() {
        let step = state.step;
        let mut sums: Vec<Vec<f32>> = state.net.parameters().iter().map(|p| vec![0.0; p.values.len()]).collect();
        let mut mean = LossValue::default();
        let share = 1.0 / training.accumulate as f64;
        for _ in 0..training.accumulate {
            let sample = samples.recv().context("the generator of scans ended early")??;
            let loss = accumulate(state, config, &sample, &mut sums, share as f32)?;
            mean.total += share * loss.total;
            mean.dice += share * loss.dice;
            mean.cross_entropy += share * loss.cross_entropy;
        }
        let mut arrays: Vec<&mut [f32]> = sums.iter_mut().map(Vec::as_mut_slice).collect();
        let gradient = clip_grad_norm(&mut arrays, training.clip_norm, Norm::Two)?;
        ensure!(gradient.is_finite() && mean.total.is_finite(), "step {step}: the loss is {}", mean.total);
        let rate = training.learning_rate * training.rate_factor(step);
        state.step(&sums, rate)?;
        let secs = began.elapsed().as_secs_f64();
        let (loss, dice, cross_entropy) = (mean.total, mean.dice, mean.cross_entropy);
        log.write(&LogLine { step, loss, dice, cross_entropy, gradient, rate, secs })?;
        let per_step = secs / (state.step - first) as f64;
        if state.step.is_multiple_of(training.checkpoint_steps) {
            state.write(&training.folder.join(CHECKPOINT))?;
            let left = duration_text(per_step * (training.end() - state.step) as f64);
            display.say(&format!("step {}: loss {loss:.4}, {per_step:.2} s a step, {left} left", state.step));
        }
    }
    Ok(())
}

/// Adds the gradients of a sample, times `share`.
fn accumulate(
    state: &mut State,
    config: &Config,
    sample: &Sample,
    sums: &mut [Vec<f32>],
    share: f32,
) -> Result<LossValue> {
    let training = &config.training;
    let renorm = Renorm::at(state.step, training.renorm_start, training.renorm_steps);
    let pass = state.net.forward(&sample.image, [sample.size; 3], renorm)?;
    let logits = pass.logits()?;
    let mut gradient = vec![0.0; logits.len()];
    let labels = state.net.labels();
    let loss = config.loss.evaluate(state.step, (&logits, labels), &sample.channels, &mut gradient)?;
    for (sum, gradient) in sums.iter_mut().zip(pass.backward(gradient)?) {
        sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += share * value);
    }
    state.net.update_statistics(&pass);
    Ok(loss)
}

/// The log of a training.
struct Log {
    file: File,
}

impl Log {
    /// Opens the log; lines from step `first` on, of a run that was cut off after its last checkpoint, are dropped.
    fn open(path: &Path, first: u64) -> Result<Self> {
        let context = || path.display().to_string();
        let kept: Vec<LogLine> = if path.exists() {
            read_log(path)?.into_iter().filter(|line| line.step < first).collect()
        } else {
            Vec::new()
        };
        let mut log =
            Self { file: OpenOptions::new().create(true).truncate(true).write(true).open(path).with_context(context)? };
        kept.iter().try_for_each(|line| log.write(line)).with_context(context)?;
        Ok(log)
    }

    fn write(&mut self, line: &LogLine) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        Ok(self.file.write_all(text.as_bytes())?)
    }
}

/// All whole lines of a log.
pub(crate) fn read_log(path: &Path) -> Result<Vec<LogLine>> {
    let file = File::open(path).with_context(|| format!("{}: can not open", path.display()))?;
    let mut lines = Vec::new();
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line?;
        match serde_json::from_str(&line) {
            Ok(line) => lines.push(line),
            // The last line may have been cut off.
            Err(_) if !line.ends_with('}') => break,
            Err(error) => return Err(error).with_context(|| format!("{}: line {}", path.display(), at + 1)),
        }
    }
    Ok(lines)
}
