//! Tables of volumes on disk: always whole, one row for each scan done so far.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use volkit_seg::{LabelTable, Segmentation, VolumesCsv, subject_name};

use crate::naming::{ScanJob, TableTarget, base_name};
use crate::outputs::write_whole;

/// The tables of a run.
#[derive(Debug)]
pub(crate) struct Tables {
    csv: VolumesCsv,
    /// Rows by table, in the order of the scans; an entry of the first part is the row's subject.
    rows: BTreeMap<PathBuf, Vec<(String, String)>>,
}

impl Tables {
    /// Tables with the columns of a label table.
    pub(crate) fn new(labels: &LabelTable) -> Self {
        Self { csv: VolumesCsv::new(labels), rows: BTreeMap::new() }
    }

    /// Takes over the row of a scan that is done already; says whether there was one under the same header.
    pub(crate) fn keep(&mut self, job: &ScanJob) -> bool {
        let Some(target) = &job.table else { return true };
        let subject = subject(job);
        let Some(row) = self.stored_row(target, &subject) else { return false };
        self.rows.entry(target.path.clone()).or_default().push((subject, row));
        true
    }

    /// Adds the row of a scan and writes its table.
    pub(crate) fn add(&mut self, job: &ScanJob, segmentation: &Segmentation) -> Result<()> {
        let Some(target) = &job.table else { return Ok(()) };
        let subject = subject(job);
        let row = self.csv.row(&subject, segmentation);
        let rows = self.rows.entry(target.path.clone()).or_default();
        rows.push((subject, row));
        let text: String = rows.iter().map(|(_, row)| row.as_str()).collect();
        write_whole(&target.path, (self.header(target) + &text).as_bytes())
    }

    fn header(&self, target: &TableTarget) -> String {
        self.csv.header(if target.shared { "subject" } else { "" })
    }

    fn stored_row(&self, target: &TableTarget, subject: &str) -> Option<String> {
        let text = stored(&target.path)?;
        let rows = text.strip_prefix(&self.header(target))?;
        let start = format!("{},", csv_cell(subject));
        rows.split_inclusive("\r\n").find(|row| row.starts_with(&start)).map(str::to_owned)
    }
}

fn stored(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn subject(job: &ScanJob) -> String {
    subject_name(&base_name(&job.input)).to_owned()
}

fn csv_cell(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
