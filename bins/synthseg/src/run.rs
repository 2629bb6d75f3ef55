//! The scans, one after the other.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::json;
use volkit_bench::StageClock;
use volkit_core::{DType, Progress as _};
use volkit_io::{Image, ReadOptions, Values, WriteOptions};
use volkit_kernels::{Isa, Threads};
use volkit_seg::{LabelTable, MontageOptions, SegmentOptions, Segmentation, Segmenter, montage};

use crate::args::Args;
use crate::model;
use crate::naming::{self, ScanJob, base_name};
use crate::outputs::{Folders, write_png, write_whole};
use crate::progress::Display;
use crate::tables::Tables;

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
    let jobs = naming::scan_jobs(args)?;
    clock.begin("load model", 1);
    let model_path = model::find(args)?;
    let segmenter = model::open(&model_path)?;
    let table = model::table(args, segmenter.as_ref())?;
    let mut folders = Folders::default();
    for output in jobs.iter().flat_map(ScanJob::outputs).chain(report_file(args)) {
        folders.prepare(output)?;
    }
    // Reorientation and resampling run on rayon's own pool; it may be set only once, and only here.
    let threads = Arc::new(Threads::new(args.threads));
    rayon::ThreadPoolBuilder::new().num_threads(threads.count()).build_global().context("can not start threads")?;
    display.say(&format!("{} ({})", segmenter.info().summary, model_path.display()));
    let options = SegmentOptions::new().with_threads(Arc::clone(&threads));
    let tables = Tables::new(&table);
    let mut batch = Batch { args, segmenter, table, options, clock, display, tables, scans: Vec::new() };
    let mut outcome = Outcome { n_scans: jobs.len(), failed: Vec::new() };
    for job in &jobs {
        let Err(error) = batch.scan(job, jobs.len()) else { continue };
        let line = one_line(&error);
        display.say_error(&format!("error: {line}"));
        batch.scans.push(json!({"input": job.input, "status": "failed", "error": line}));
        outcome.failed.push(line);
        if display.is_stopped() {
            break;
        }
    }
    batch.report(threads.count(), &model_path.display().to_string())?;
    Ok(outcome)
}

struct Batch<'a> {
    args: &'a Args,
    segmenter: Box<dyn Segmenter>,
    table: LabelTable,
    options: SegmentOptions,
    clock: StageClock,
    display: &'a Display,
    tables: Tables,
    scans: Vec<serde_json::Value>,
}

impl Batch<'_> {
    fn scan(&mut self, job: &ScanJob, n_jobs: usize) -> Result<()> {
        self.clock.check()?;
        let input = job.input.display();
        if self.args.skip_existing && job.outputs().all(Path::exists) && self.tables.keep(job) {
            self.display.say(&format!("{input}: outputs exist, skipped"));
            self.scans.push(json!({"input": job.input, "status": "skipped"}));
            return Ok(());
        }
        if n_jobs > 1 {
            self.display.say(&format!("{input} ({} of {n_jobs})", self.scans.len() + 1));
        }
        self.clock.begin("read", 1);
        let image = read(&job.input)?;
        let segmented = self.segmenter.segment(image.volume(), &self.options, &self.clock);
        let segmentation = segmented.with_context(|| input.to_string())?;
        let warnings: Vec<_> = image.warnings().iter().chain(&segmentation.warnings).collect();
        for warning in &warnings {
            self.display.say(&format!("warning: {input}: {warning}"));
        }
        self.write(job, &image, &segmentation)?;
        let outputs: Vec<_> = job.outputs().collect();
        self.scans.push(json!({
            "input": job.input,
            "status": "done",
            "outputs": outputs,
            "warnings": warnings,
        }));
        self.display.say(&format!("{input} -> {}", job.labels.display()));
        Ok(())
    }

    fn write(&mut self, job: &ScanJob, image: &Image, segmentation: &Segmentation) -> Result<()> {
        if let Some(path) = &job.picture {
            self.clock.begin("picture", 1);
            let title = format!("{}: {}", base_name(&job.input), self.segmenter.info().summary);
            let options = MontageOptions::new().with_title(title);
            let (labels, volumes) = (&segmentation.labels, &segmentation.volumes);
            let picture = montage(image.volume(), labels, volumes, &self.table, &options)
                .with_context(|| job.input.display().to_string())?;
            write_png(path, &picture)?;
        }
        self.clock.begin("write", 1);
        let labels = image.with_volume(segmentation.labels.clone());
        volkit_io::write(&job.labels, &labels, &WriteOptions::new())?;
        self.tables.add(job, segmentation)
    }

    fn report(&self, threads: usize, model: &str) -> Result<()> {
        let Some(path) = &self.args.json else { return Ok(()) };
        let report = self.clock.report("synthseg", env!("CARGO_PKG_VERSION"));
        let info = self.segmenter.info();
        let text = report
            .with_isa(Isa::detect().name())
            .with_threads(threads)
            .with_extra("model", json!({"file": model, "kind": info.kind.name(), "summary": info.summary}))
            .with_extra("device", self.args.device().name())
            .with_extra("mode", "exact")
            .with_extra("scans", self.scans.clone())
            .to_json();
        if path.as_os_str() == "-" {
            print!("{text}");
            return Ok(());
        }
        write_whole(path, text.as_bytes())
    }
}

/// Reads a scan; values that would become f64 through scaling are read as f32, which is what networks take. A
/// compressed file that was cut, if only behind the voxels, is refused: minutes of work should not follow from it.
fn read(path: &Path) -> Result<Image> {
    let mut options = ReadOptions::new();
    options.strict_gzip = true;
    if volkit_io::probe(path)?.meta.dtype() == DType::F64 {
        options.values = Values::F32;
    }
    Ok(volkit_io::read_with(path, &options)?)
}

pub(crate) fn report_file(args: &Args) -> Option<&Path> {
    args.json.as_deref().filter(|path| path.as_os_str() != "-")
}

/// An error with its causes on one line; causes that a message already tells are left out.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().replace(['\n', '\r'], " ");
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn causes_are_told_once() {
        let cause = std::io::Error::other("disk\nfull");
        let error = anyhow::Error::new(cause).context("a.nii: can not write");
        assert_eq!(one_line(&error), "a.nii: can not write: disk full");
        let told = anyhow::Error::msg("no space").context("b.nii: no space");
        assert_eq!(one_line(&told), "b.nii: no space");
    }
}
