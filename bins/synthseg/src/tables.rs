//! Tables on disk: always whole, one row for each scan done so far.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use volkit_seg::{
    LabelTable, Segmentation, SynthSeg, SynthSegCsv, SynthSegOutput, VolumesCsv, qc_header, qc_row, subject_name,
};

use crate::model::{Model, Network};
use crate::naming::{ScanJob, TableTarget, base_name};
use crate::outputs::write_whole;
use crate::record::Rows;

/// Columns of the tables of volumes.
enum Columns {
    SynthSeg(SynthSegCsv),
    Labels(VolumesCsv),
}

/// The tables of a run.
pub(crate) struct Tables {
    columns: Columns,
    /// Header and rows of each table, in the order of the scans.
    texts: BTreeMap<PathBuf, String>,
}

impl Tables {
    /// Tables about what `model` gives; with `compat` without the columns that the published program does not have.
    pub(crate) fn new(model: &Model, compat: bool) -> Self {
        let columns = match &model.network {
            Network::SynthSeg(synthseg) => Columns::SynthSeg(synthseg_columns(synthseg, compat)),
            Network::Other(_) => Columns::Labels(labels_columns(&model.table)),
        };
        Self { columns, texts: BTreeMap::new() }
    }

    /// Rows about a scan of `SynthSeg`.
    pub(crate) fn synthseg_rows(&self, job: &ScanJob, output: &SynthSegOutput) -> Rows {
        let subject = subject(job);
        let volumes = match &self.columns {
            Columns::SynthSeg(csv) => Some(csv.row(&subject, &output.volumes)),
            Columns::Labels(_) => None,
        };
        Rows { volumes, scores: output.qc_scores.as_ref().map(|scores| qc_row(&subject, scores)) }
    }

    /// Rows about a scan of another network.
    pub(crate) fn label_rows(&self, job: &ScanJob, segmentation: &Segmentation) -> Rows {
        let volumes = match &self.columns {
            Columns::Labels(csv) => Some(csv.row(&subject(job), segmentation)),
            Columns::SynthSeg(_) => None,
        };
        Rows { volumes, scores: None }
    }

    /// Adds rows about a scan and writes its tables.
    pub(crate) fn add(&mut self, job: &ScanJob, rows: &Rows) -> Result<()> {
        if let (Some(target), Some(row)) = (&job.volumes, &rows.volumes) {
            let header = match &self.columns {
                Columns::SynthSeg(csv) => csv.header(first_cell(target)),
                Columns::Labels(csv) => csv.header(first_cell(target)),
            };
            self.append(target, header, row)?;
        }
        if let (Some(target), Some(row)) = (&job.scores, &rows.scores) {
            self.append(target, qc_header(first_cell(target)), row)?;
        }
        Ok(())
    }

    fn append(&mut self, target: &TableTarget, header: String, row: &str) -> Result<()> {
        let text = self.texts.entry(target.path.clone()).or_insert(header);
        text.push_str(row);
        write_whole(&target.path, text.as_bytes())
    }
}

fn synthseg_columns(synthseg: &SynthSeg, compat: bool) -> SynthSegCsv {
    let networks = synthseg.networks();
    let csv = SynthSegCsv::new(networks.segmentation.structures());
    let csv = if networks.parcellation.is_some() { csv.with_parcels() } else { csv };
    if compat { csv } else { csv.with_tissues() }
}

fn labels_columns(table: &LabelTable) -> VolumesCsv {
    VolumesCsv::new(table)
}

fn first_cell(target: &TableTarget) -> &'static str {
    if target.shared { "subject" } else { "" }
}

fn subject(job: &ScanJob) -> String {
    subject_name(&base_name(&job.input)).to_owned()
}
