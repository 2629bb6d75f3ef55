//! From the command line to a run of the library.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde::Serialize;
use volkit_bench::{Display, anonymous_bytes, cpu_secs, peak_bytes};
use volkit_core::{BoxError, Predictor, VolumeSource};
use volkit_tile::{
    Argmax, AxisPlan, AxisSpec, BatchSize, Blend, InferReport, Inset, MemoryEstimate, NamedWindow, NotFinite, Skip,
    SmallAxis, Target, TilePlan, TiledInference,
};

use crate::args::{Args, Batch};
use crate::files::{self, Input};
use crate::journal::digest;
use crate::model::Model;
use crate::output::{self, Begun};

/// Tile where neither the command line nor the model says better.
const DEFAULT_TILE: usize = 512;
/// Overlap in samples where neither the command line nor the model says better.
const DEFAULT_OVERLAP: usize = 128;
/// Budget of `--batch auto` without `--max-memory`, in bytes.
const DEFAULT_BUDGET: u64 = 1_000_000_000;

/// What is printed at the end.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
    tiles: usize,
    rows: usize,
    tile: Vec<usize>,
    overlap: Vec<usize>,
    window: String,
    /// Samples computed per sample of the image.
    overhead: f64,
    batch: usize,
    estimate_bytes: u64,
    /// First plane of this shard, and the one after its last.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard_planes: Option<[usize; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<DoneReport>,
}

#[derive(Debug, Serialize)]
struct DoneReport {
    run: usize,
    skipped: usize,
    resumed_after_rows: usize,
    not_finite: usize,
    bytes_read: u64,
    bytes_written: u64,
    secs: f64,
    cpu_secs: Option<f64>,
    /// Largest anonymous memory that was seen after a row of tiles.
    anonymous_bytes: Option<u64>,
    peak_bytes: Option<u64>,
}

impl Report {
    /// Some lines for people.
    pub(crate) fn lines(&self) -> String {
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        let mut text = format!(
            "{:?} -> {:?}: {} tiles of {:?} in {} rows, overlap {:?}, {}, {:.2} x the samples, batch {}\nestimate {:.1} MiB",
            self.input_shape,
            self.output_shape,
            self.tiles,
            self.tile,
            self.rows,
            self.overlap,
            self.window,
            self.overhead,
            self.batch,
            mib(self.estimate_bytes)
        );
        if let Some(done) = &self.done {
            text += &format!(
                ", peak {:.1} MiB (anonymous {:.1})\n{} tiles run, {} skipped, {} values not finite, {:.1} MiB read, {:.1} \
                 written, {:.2} s, {:.2} CPU s",
                mib(done.peak_bytes.unwrap_or(0)),
                mib(done.anonymous_bytes.unwrap_or(0)),
                done.run,
                done.skipped,
                done.not_finite,
                mib(done.bytes_read),
                mib(done.bytes_written),
                done.secs,
                done.cpu_secs.unwrap_or(0.0)
            );
        }
        text
    }
}

/// Everything that is decided before a tile is read.
struct Setup {
    input: Input,
    plan: TilePlan,
    blend: Blend,
    window: String,
    model: Model,
}

pub(crate) fn run(args: &Args, display: &Display) -> Result<Report, BoxError> {
    let input = Input::open(args)?;
    let model = Model::open(args, &input)?;
    let Setup { input, plan, blend, window, mut model } = setup(args, input, model)?;
    let mask = args.mask.as_ref().map(|path| files::open_mask(path, args)).transpose()?;
    let memory = model.memory(&plan.input_shape())?;
    let spec = model.spec().clone();
    let target = output::Target::new(args, input.output_meta(&spec.outputs[0], args.argmax)?, input.n_axes)?;
    let inference =
        inference(args, &plan, blend, mask.as_deref())?.with_model_memory(memory).with_plane_step(target.plane_step());
    let estimate = inference.estimate(&spec, model.workers.len())?;
    let mut report = report(&plan, &window, &estimate, [shape_of(&input), target.shape()]);
    report.shard_planes = target.planes().map(|planes| [planes.start, planes.end]);
    if args.estimate {
        return Ok(report);
    }
    let run = digest(&identity(args, &plan, &window, &model.identity)?);
    let Begun { sink, mut journal, rows_done } = target.begin(&input, &run)?;
    let mut models: Vec<&mut dyn Predictor> = Vec::with_capacity(model.workers.len());
    for worker in &mut model.workers {
        models.push(worker.as_mut());
    }
    let started = Instant::now();
    let anonymous = AtomicU64::new(0);
    let commit = |rows: usize| -> Result<(), BoxError> {
        anonymous.fetch_max(anonymous_bytes().unwrap_or(0), Ordering::Relaxed);
        if let Some(journal) = &mut journal {
            // Rows count only once their samples are on the disk.
            sink.sync()?;
            journal.record(rows)?;
        }
        Ok(())
    };
    let mut inference = inference.with_rows_done(rows_done).on_commit(commit);
    inference.planes = target.planes();
    let target = Target::new(sink.as_ref());
    let target = if args.argmax { target.with_reduce(Argmax) } else { target };
    let done = inference.run(input.source.as_ref(), &mut models, vec![target], display)?;
    sink.finish()?;
    if let Some(journal) = journal {
        journal.remove()?;
    }
    report.done = Some(done_report(&done, rows_done, started, anonymous.into_inner()));
    Ok(report)
}

/// Samples of a tile along each axis, where the model says nothing.
pub(crate) fn tile_sizes(args: &Args, n_axes: usize) -> Result<Vec<usize>, BoxError> {
    per_axis("tile-size", args.tile_size.as_deref().unwrap_or(&[DEFAULT_TILE]), n_axes)
}

fn setup(args: &Args, input: Input, model: Model) -> Result<Setup, BoxError> {
    let shape = input.spatial();
    let radius = model.spec().receptive_radius.clone();
    let window = args.window.clone().unwrap_or_else(|| if radius.is_some() { "crop" } else { "hann" }.to_owned());
    let blend = match (window.as_str(), &radius) {
        ("crop", _) => Blend::Crop,
        // What a tile's edge has changed gets no weight.
        (name, Some(radius)) => Blend::window(Inset::new(name.parse::<NamedWindow>()?, radius.clone())),
        (name, None) => name.parse::<NamedWindow>()?.into(),
    };
    let is_pointwise = radius.as_ref().is_some_and(|radius| radius.iter().all(|&radius| radius == 0));
    if is_pointwise && args.tile_size.is_none() && args.tile_overlap.is_none() && args.window.is_none() {
        let plan = TilePlan::for_pointwise(&shape, DEFAULT_TILE * DEFAULT_TILE)?;
        return Ok(Setup { input, plan, blend, window, model });
    }
    if let (Some(radius), "crop", None, None) = (&radius, window.as_str(), &args.tile_size, &args.tile_overlap) {
        let plan = TilePlan::for_receptive_field(&shape, &vec![DEFAULT_TILE; shape.len()], radius, 1)?;
        return Ok(Setup { input, plan, blend, window, model });
    }
    let tile = tile_sizes(args, shape.len())?;
    let overlap = match (&args.tile_overlap, &radius, window.as_str()) {
        (Some(overlap), _, _) => per_axis("tile-overlap", overlap, shape.len())?,
        (None, Some(radius), "crop") => radius.iter().map(|radius| 2 * radius).collect(),
        _ => vec![DEFAULT_OVERLAP; shape.len()],
    };
    let specs: Vec<AxisSpec> = tile
        .iter()
        .zip(&overlap)
        .map(|(&tile, &overlap)| {
            let spec = AxisSpec::new(tile, overlap);
            if model.takes_any_size() { spec.with_small(SmallAxis::Shrink) } else { spec }
        })
        .collect();
    let plan = TilePlan::new(&shape, &specs)?;
    Ok(Setup { input, plan, blend, window, model })
}

fn inference<'a>(
    args: &Args,
    plan: &'a TilePlan,
    blend: Blend,
    mask: Option<&'a dyn VolumeSource>,
) -> Result<TiledInference<'a>, BoxError> {
    let batch = match (args.batch, args.max_memory) {
        (Some(Batch::Fixed(n)), _) => BatchSize::Fixed(n),
        (None, None) => BatchSize::Fixed(1),
        (_, budget) => BatchSize::Budget { bytes: budget.unwrap_or(DEFAULT_BUDGET) },
    };
    let not_finite = if args.keep_nan { NotFinite::Keep } else { NotFinite::Refuse };
    let inference = TiledInference::new(plan).with_blend(blend).with_batch(batch).with_not_finite(not_finite);
    let inference = match args.intensity.as_deref() {
        None => inference,
        Some(&[scale, offset]) => inference.with_intensity(scale, offset),
        Some(other) => return Err(format!("--intensity takes A,B, got {} numbers", other.len()).into()),
    };
    Ok(match mask {
        Some(mask) => inference.with_skip(Skip::new().with_mask(mask)),
        None => inference,
    })
}

/// Everything that the result depends on.
fn identity(args: &Args, plan: &TilePlan, window: &str, model: &str) -> Result<Vec<String>, BoxError> {
    let stamp = |path: &std::path::Path| -> Result<String, BoxError> {
        let mut stamps = format!("{:?}", volkit_io::split_data_set(path).1);
        for file in files::files_of(path)? {
            let failed = |error| format!("{}: {error}", file.display());
            let metadata = std::fs::metadata(&file).map_err(failed)?;
            let place = std::fs::canonicalize(&file).map_err(failed)?;
            stamps += &format!(" {} {} {:?}", place.display(), metadata.len(), metadata.modified().ok());
        }
        Ok(stamps)
    };
    let mask = args.mask.as_deref().map(stamp).transpose()?.unwrap_or_default();
    let shard = format!("{:?}", args.shard);
    let raw = format!("{:?} {} {}", args.raw_shape, args.raw_dtype, args.raw_offset);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let values = format!("{:?} {}", args.intensity, args.argmax);
    let plan = format!("{plan:?}");
    Ok(vec![version, stamp(&args.input)?, mask, raw, plan, window.to_owned(), model.to_owned(), shard, values])
}

/// `[C, s0, ..]`, as it is printed.
fn shape_of(input: &Input) -> Vec<usize> {
    input.source.meta().shape().iter().rev().copied().collect()
}

fn report(plan: &TilePlan, window: &str, estimate: &MemoryEstimate, [input, output]: [Vec<usize>; 2]) -> Report {
    Report {
        input_shape: input,
        output_shape: output,
        tiles: plan.n_tiles(),
        rows: plan.n_rows(),
        tile: plan.input_shape(),
        overlap: plan.axes().iter().map(AxisPlan::overlap).collect(),
        window: window.to_owned(),
        overhead: plan.overhead(),
        batch: estimate.batch,
        estimate_bytes: estimate.total(),
        shard_planes: None,
        done: None,
    }
}

fn done_report(done: &InferReport, rows_done: usize, started: Instant, anonymous: u64) -> DoneReport {
    DoneReport {
        run: done.n_run,
        skipped: done.n_skipped,
        resumed_after_rows: rows_done,
        not_finite: done.n_not_finite,
        bytes_read: done.bytes_read,
        bytes_written: done.bytes_written,
        secs: started.elapsed().as_secs_f64(),
        cpu_secs: cpu_secs(),
        anonymous_bytes: (anonymous > 0).then_some(anonymous),
        peak_bytes: peak_bytes(),
    }
}

/// One number for all axes, or one per axis.
fn per_axis(option: &str, values: &[usize], n_axes: usize) -> Result<Vec<usize>, BoxError> {
    match values {
        [one] => Ok(vec![*one; n_axes]),
        many if many.len() == n_axes => Ok(many.to_vec()),
        many => Err(format!("--{option} takes 1 or {n_axes} numbers, got {}", many.len()).into()),
    }
}
