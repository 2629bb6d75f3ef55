//! The scans of a run: read one ahead, written one behind the network.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use volkit_bench::{Display, StageClock, peak_bytes};
use volkit_core::{Progress as _, duration_text, error_line};
use volkit_kernels::{Isa, Threads};
use volkit_seg::SegmentOptions;

use crate::args::Args;
use crate::device;
use crate::load::{Loaded, LoadedScan, Loader, Work};
use crate::memory::{Budget, gigabytes};
use crate::model::{self, Model, Network};
use crate::naming::{self, Plan, ScanJob};
use crate::outputs::{Folders, write_whole};
use crate::record::{self, Recipe};
use crate::report::{Measured, Reporter, write_index};
use crate::tables::Tables;
use crate::write::{Found, Writer, is_mgh};

/// What happened to the scans.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Scans of the run.
    pub(crate) n_scans: usize,
    /// One line for each scan that failed.
    pub(crate) failed: Vec<String>,
}

/// Segments every scan of a command line.
///
/// # Errors
/// What keeps the whole run from starting; a scan that fails is part of the [`Outcome`].
pub(crate) fn run(args: &Args, display: &Arc<Display>) -> Result<Outcome> {
    let clock = StageClock::wrapping(Arc::<Display>::clone(display));
    let plan = naming::plan(args)?;
    clock.begin("load model", 1);
    let threads = Arc::new(Threads::new(args.machine.threads));
    let place = device::open(args.device(), args.machine.path)?;
    if let Some(said) = &place.said {
        display.say(&format!("runs on {said}"));
    }
    let model = model::load(args, place, &threads)?;
    let mut folders = Folders::default();
    for output in plan.jobs.iter().flat_map(ScanJob::outputs).chain(report_file(args)).chain(plan.index.as_deref()) {
        folders.prepare(output)?;
    }
    // Reorientation and resampling run on rayon's own pool; it may be set only once, and only here.
    rayon::ThreadPoolBuilder::new().num_threads(threads.count()).build_global().context("can not start threads")?;
    let files: Vec<&str> = model.files.iter().map(|file| file.path.as_str()).collect();
    display.say(&format!("{} ({})", model.network.info().summary, files.join(", ")));
    for warning in warnings(args, &plan) {
        display.say(&format!("warning: {warning}"));
    }
    let batch = Batch { args, plan: &plan, model: &model, threads: &threads, clock: &clock, display };
    let scans = batch.run(Recipe::new(args, &model)?)?;
    batch.report(&scans)?;
    let failed: Vec<(usize, String)> =
        scans.iter().enumerate().filter_map(|(at, scan)| Some((at, scan.error.clone()?))).collect();
    let title = args.input.display().to_string();
    write_index(&plan, &title, &failed)?;
    Ok(Outcome { n_scans: plan.jobs.len(), failed: failed.into_iter().map(|(_, error)| error).collect() })
}

/// What looks like a mistake in a command line, but need not be one.
fn warnings(args: &Args, plan: &Plan) -> Vec<String> {
    let mut warnings = plan.warnings.clone();
    if args.outputs.addctab
        && let Some(job) = plan.jobs.iter().find(|job| !is_mgh(&job.labels))
    {
        warnings.push(format!("{}: --addctab: only .mgz has a place for a colour table", job.labels.display()));
    }
    warnings
}

/// What became of one scan.
#[derive(Clone, Debug, Default)]
struct ScanResult {
    told: Value,
    error: Option<String>,
}

/// A scan on its way from the network to its files.
struct Segmented {
    at: usize,
    scan: Box<LoadedScan>,
    found: Found,
    measured: Measured,
}

/// What comes to the writer.
enum ToWrite {
    Segmented(Box<Segmented>),
    Kept(usize, record::Rows),
}

struct Batch<'a> {
    args: &'a Args,
    plan: &'a Plan,
    model: &'a Model,
    threads: &'a Arc<Threads>,
    clock: &'a StageClock,
    display: &'a Display,
}

impl Batch<'_> {
    /// Runs all scans: a thread reads and prepares the next one and a thread writes the last one meanwhile. Each hands
    /// over only when the other takes it, so that at most one scan waits on each side.
    fn run(&self, recipe: Recipe) -> Result<Vec<ScanResult>> {
        let jobs = &self.plan.jobs;
        let outputs = &self.args.outputs;
        let keep_scan = outputs.picture.is_some() || outputs.report.is_some();
        let is_batch = jobs.len() > 1;
        let options = model::synthseg_options(self.args).with_keep_geometry(self.args.method.keepgeom || keep_scan);
        let loader = Loader {
            network: &self.model.network,
            options,
            recipe,
            budget: Budget { limit: self.args.machine.max_memory, is_batch },
            skip_existing: self.args.skip_existing,
            keep_scan,
        };
        let (to_network, loaded) = sync_channel(0);
        let (to_writer, segmented) = sync_channel::<ToWrite>(0);
        let (display, isa) = (self.display, Isa::detect().name());
        let writer = Writer {
            args: self.args,
            model: self.model,
            tables: Tables::new(self.model, self.args.method.compat),
            reporter: Reporter::new(self.args, self.model, self.threads.count(), isa),
        };
        thread::scope(|scope| {
            scope.spawn(move || loader.run(jobs, display, &to_network));
            let writing = scope.spawn(move || self.write_all(writer, &segmented));
            let mut results = vec![ScanResult::default(); jobs.len()];
            let began = Instant::now();
            for (at, job) in jobs.iter().enumerate() {
                match self.segment(at, job, &loaded, began) {
                    Ok(Some(scan)) => {
                        self.clock.begin("write", 1);
                        // Fails only when the writer has panicked, which joining it tells.
                        let _ = to_writer.send(scan);
                    }
                    Ok(None) => break,
                    Err(error) => results[at] = self.failure(job, &error),
                }
                if display.is_stopped() {
                    break;
                }
            }
            drop((to_writer, loaded));
            self.clock.begin("write", 1);
            let written = writing.join().map_err(|_| anyhow::anyhow!("writing stopped unexpectedly"))?;
            for (at, result) in written {
                results[at] = result;
            }
            Ok(results)
        })
    }

    /// Runs the network over the next scan; nothing when no more come.
    fn segment(
        &self,
        at: usize,
        job: &ScanJob,
        loaded: &Receiver<Result<Loaded>>,
        began: Instant,
    ) -> Result<Option<ToWrite>> {
        let input = job.input.display();
        let n_jobs = self.plan.jobs.len();
        self.clock.begin("read", 1);
        let Ok(next) = loaded.recv() else { return Ok(None) };
        self.clock.check()?;
        let mut scan = match next? {
            Loaded::Scan(scan) => scan,
            Loaded::Done(rows) => {
                self.display.say(&format!("{input}: outputs are there, skipped"));
                return Ok(Some(ToWrite::Kept(at, rows)));
            }
        };
        if n_jobs > 1 {
            self.display.say(&format!("{input} ({} of {n_jobs}{})", at + 1, left(began, at, n_jobs)));
        }
        let before = self.stages();
        let mut warnings = std::mem::take(&mut scan.warnings);
        let found = match (&self.model.network, std::mem::replace(&mut scan.work, Work::Scan)) {
            (Network::SynthSeg(synthseg), Work::Prepared(prepared, fit)) => {
                self.say_memory(at, &fit);
                let output = synthseg.segment_prepared(*prepared, &fit.options, self.threads, self.clock);
                Found::SynthSeg(Box::new(output.with_context(|| input.to_string())?))
            }
            (Network::Other(segmenter), _) => {
                let volume = scan.scan.as_ref().context("invariant: scans of other networks are kept")?;
                let options = SegmentOptions::new().with_threads(Arc::clone(self.threads));
                let found = segmenter.segment(volume, &options, self.clock).with_context(|| input.to_string())?;
                warnings.extend(found.warnings.iter().cloned());
                Found::Labels(Box::new(found))
            }
            (Network::SynthSeg(_), Work::Scan) => anyhow::bail!("invariant: scans of SynthSeg come prepared"),
        };
        for warning in &warnings {
            self.display.say(&format!("warning: {input}: {warning}"));
        }
        let mut stages = vec![("read".to_owned(), scan.read_secs), ("prepare".to_owned(), scan.prepare_secs)];
        for (name, secs) in self.stages() {
            let earlier = before.iter().find(|(earlier, _)| *earlier == name).map_or(0.0, |(_, secs)| *secs);
            if secs > earlier && name != "read" {
                stages.push((name, secs - earlier));
            }
        }
        let measured = Measured { stages, peak_bytes: peak_bytes(), warnings };
        Ok(Some(ToWrite::Segmented(Box::new(Segmented { at, scan, found, measured }))))
    }

    fn write_all(&self, mut writer: Writer<'_>, segmented: &Receiver<ToWrite>) -> Vec<(usize, ScanResult)> {
        let mut results = Vec::new();
        for next in segmented {
            let (at, written, told) = match next {
                ToWrite::Kept(at, rows) => {
                    let job = &self.plan.jobs[at];
                    (at, writer.keep(job, &rows), json!({"input": job.input, "status": "skipped"}))
                }
                ToWrite::Segmented(done) => {
                    let Segmented { at, scan, found, measured } = *done;
                    let job = &self.plan.jobs[at];
                    let start = Instant::now();
                    let written = writer.write(job, &scan, &found, &measured);
                    if written.is_ok() {
                        self.display.say(&format!("{} -> {}", job.input.display(), job.labels.display()));
                    }
                    let outputs: Vec<&Path> = job.outputs().filter(|path| path.exists()).collect();
                    let mut secs: serde_json::Map<String, Value> =
                        measured.stages.iter().map(|(name, secs)| (name.clone(), json!(secs))).collect();
                    secs.insert("write".into(), json!(start.elapsed().as_secs_f64()));
                    let told = json!({
                        "input": job.input,
                        "status": "done",
                        "outputs": outputs,
                        "warnings": measured.warnings,
                        "wall_secs": secs,
                    });
                    (at, written, told)
                }
            };
            let job = &self.plan.jobs[at];
            let result = match written {
                Ok(()) => ScanResult { told, error: None },
                Err(error) => self.failure(job, &error),
            };
            results.push((at, result));
        }
        results
    }

    fn failure(&self, job: &ScanJob, error: &anyhow::Error) -> ScanResult {
        let line = error_line(error.as_ref());
        self.display.say_error(&format!("error: {line}"));
        ScanResult { told: json!({"input": job.input, "status": "failed", "error": line}), error: Some(line) }
    }

    /// Seconds of each stage so far.
    fn stages(&self) -> Vec<(String, f64)> {
        let report = self.clock.report("", "");
        report.stages.into_iter().map(|stage| (stage.name, stage.wall_secs)).collect()
    }

    fn say_memory(&self, at: usize, fit: &crate::memory::Fit) {
        if at > 0 && !fit.options.low_memory {
            return;
        }
        let free = fit.free.map_or(String::new(), |free| format!(", {} free", gigabytes(free)));
        let how = if fit.options.low_memory { "; the slower way that needs less memory" } else { "" };
        self.display.say(&format!("needs about {}{free}{how}", gigabytes(fit.bytes)));
    }

    fn report(&self, scans: &[ScanResult]) -> Result<()> {
        let Some(path) = &self.args.json else { return Ok(()) };
        let report = self.clock.report("synthseg", env!("CARGO_PKG_VERSION"));
        let info = self.model.network.info();
        let files = self.model.files.iter();
        let files: Vec<Value> =
            files.map(|file| json!({"file": file.path, "sha256": file.sha256, "kind": file.kind})).collect();
        let scans: Vec<Value> = scans.iter().map(|scan| scan.told.clone()).filter(|told| !told.is_null()).collect();
        let text = report
            .with_isa(Isa::detect().name())
            .with_threads(self.threads.count())
            .with_extra("model", json!({"kind": info.kind.name(), "summary": info.summary, "files": files}))
            .with_extra("device", self.model.place.name.as_str())
            .with_extra("mode", self.args.machine.mode.name())
            .with_extra("path", self.model.place.path.resolved().name())
            .with_extra("scans", scans)
            .to_json();
        if path.as_os_str() == "-" {
            print!("{text}");
            return Ok(());
        }
        write_whole(path, text.as_bytes())
    }
}

/// How long the scans that are left may take, by those done: `, about 5 min left`.
fn left(began: Instant, n_done: usize, n_jobs: usize) -> String {
    if n_done == 0 {
        return String::new();
    }
    let secs = began.elapsed().as_secs_f64() / n_done as f64 * (n_jobs - n_done) as f64;
    format!(", about {} left", duration_text(secs))
}

pub(crate) fn report_file(args: &Args) -> Option<&Path> {
    args.json.as_deref().filter(|path| path.as_os_str() != "-")
}
