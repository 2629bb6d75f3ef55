//! Pages about scans and the index of a folder.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use volkit_core::Volume;
use volkit_seg::{ReportIndex, ReportPage, ReportSummary, RunFacts};

use crate::args::Args;
use crate::model::{Model, Network};
use crate::naming::{Plan, ScanJob, base_name};
use crate::outputs::write_whole;
use crate::write::Found;

const SOFTWARE: &str = concat!("volkit synthseg ", env!("CARGO_PKG_VERSION"));

/// What was measured of one scan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Stages and the seconds that passed in each.
    pub(crate) stages: Vec<(String, f64)>,
    pub(crate) peak_bytes: Option<u64>,
    pub(crate) warnings: Vec<String>,
}

/// Writes pages.
pub(crate) struct Reporter<'a> {
    args: &'a Args,
    model: &'a Model,
    facts: RunFacts,
}

impl<'a> Reporter<'a> {
    /// For a run on that many threads with kernels for `isa`.
    pub(crate) fn new(args: &'a Args, model: &'a Model, threads: usize, isa: &str) -> Self {
        let facts = RunFacts::new(SOFTWARE)
            .with_mode(args.machine.mode.name())
            .with_path(model.place.path.resolved().name())
            .with_device(format!("{} ({isa})", model.place.name))
            .with_threads(threads);
        let facts = model.files.iter().fold(facts, |facts, file| {
            facts.with_model(format!("{} ({})", base_name(Path::new(&file.path)), file.kind), file.sha256.clone())
        });
        Self { args, model, facts }
    }

    /// Writes the page of a scan, where one is wanted; `labels` are on the grid of the scan.
    pub(crate) fn page(
        &self,
        job: &ScanJob,
        (scan, labels): (&Volume, &Volume),
        found: &Found,
        measured: &Measured,
    ) -> Result<()> {
        let Some(path) = &job.report else { return Ok(()) };
        let mut facts = self.facts.clone();
        for (stage, secs) in &measured.stages {
            facts = facts.with_stage(stage.clone(), *secs);
        }
        if let Some(bytes) = measured.peak_bytes {
            facts = facts.with_peak_bytes(bytes);
        }
        let page = ReportPage::new(base_name(&job.input), scan, labels, &self.model.table)
            .with_quality_threshold(self.args.outputs.qc_threshold)
            .with_warnings(measured.warnings.iter().cloned())
            .with_facts(facts);
        let page = match (found, &self.model.network) {
            (Found::SynthSeg(output), Network::SynthSeg(synthseg)) => {
                let structures = synthseg.networks().segmentation.structures();
                let page = page.with_soft_volumes(structures, &output.volumes);
                page.with_quality(output.qc_scores.as_deref().unwrap_or_default())
            }
            (Found::Labels(segmentation), _) => page.with_label_volumes(&segmentation.volumes),
            (Found::SynthSeg(_), Network::Other(_)) => page,
        };
        write_whole(path, page.render()?.as_bytes())
    }
}

/// Writes the index of a folder: scans in order, each from its page, or with the error that it ended with.
pub(crate) fn write_index(plan: &Plan, title: &str, failed: &[(usize, String)]) -> Result<()> {
    let Some(path) = &plan.index else { return Ok(()) };
    let mut index = ReportIndex::new(title).with_note(SOFTWARE);
    for (at, job) in plan.jobs.iter().enumerate() {
        let Some(page) = &job.report else { continue };
        let name = base_name(&job.input);
        let error = failed.iter().find(|(failed_at, _)| *failed_at == at).map(|(_, error)| error.as_str());
        let summary =
            fs::read_to_string(page).ok().filter(|_| error.is_none()).and_then(|html| ReportSummary::of_page(&html));
        match summary {
            Some(summary) => index.push(summary, Some(base_name(page))),
            None => index.push(ReportSummary::failed(name, error.unwrap_or("not done")), None),
        }
    }
    write_whole(path, index.render().as_bytes()).with_context(|| format!("{}: can not write", path.display()))
}
