//! Volumes and scores as lines of tables: comma separated, CRLF line ends.

use std::fmt::Write as _;

use super::soft_volumes::SoftVolumes;
use super::tables::{Structures, parcels, qc_groups};
use super::tissues::Tissues;
use crate::volumes::quoted;

/// Name of the column of all structures together.
const TOTAL: &str = "total intracranial";

/// Columns of a table of [`SoftVolumes`].
///
/// ```
/// use volkit_seg::{Structures, SynthSegCsv};
/// let csv = SynthSegCsv::new(Structures::v2());
/// assert!(csv.header("subject").starts_with("subject,total intracranial,left cerebral white matter,"));
/// ```
#[derive(Clone, Debug)]
pub struct SynthSegCsv {
    names: Vec<String>,
    n_figures: usize,
    with_tissues: bool,
}

impl SynthSegCsv {
    /// Total (version 2) and structures.
    #[must_use]
    pub fn new(structures: &Structures) -> Self {
        let total = structures.has_total().then(|| TOTAL.to_owned());
        let structures = structures.channels().iter().skip(1).map(|structure| structure.name.clone());
        let names: Vec<String> = total.into_iter().chain(structures).collect();
        Self { n_figures: names.len(), names, with_tissues: false }
    }

    /// The same with the parcels of the cortex after them.
    #[must_use]
    pub fn with_parcels(mut self) -> Self {
        self.names.truncate(self.n_figures);
        self.names.extend(parcels().iter().skip(1).map(|parcel| parcel.name.clone()));
        self.n_figures = self.names.len();
        let with_tissues = self.with_tissues;
        self.with_tissues = false;
        if with_tissues { self.with_tissues() } else { self }
    }

    /// The same with grey matter, white matter, fluid and brain as the last columns.
    #[must_use]
    pub fn with_tissues(mut self) -> Self {
        self.names.truncate(self.n_figures);
        self.names.extend(Tissues::NAMES.map(str::to_owned));
        self.with_tissues = true;
        self
    }

    /// Names of the columns after the first.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The first line; its first cell is `subject` where the table lists scans, empty where it belongs to one scan.
    #[must_use]
    pub fn header(&self, first_cell: &str) -> String {
        line(first_cell, self.names.iter().map(|name| quoted(name)))
    }

    /// The line of one scan: mm3, rounded to three decimals (half to even), in the shortest form of their precision
    /// (`12.0`). Figures that the volumes do not have are left empty.
    #[must_use]
    pub fn row(&self, subject: &str, volumes: &SoftVolumes) -> String {
        let print = |figure: f64| {
            let rounded = volumes.rounded(figure);
            let text = if volumes.single { format!("{:?}", rounded as f32) } else { format!("{rounded:?}") };
            if rounded.is_nan() { "nan".to_owned() } else { text }
        };
        let figures = volumes.figures().map(print).chain(std::iter::repeat(String::new())).take(self.n_figures);
        let tissues = volumes.tissues.figures().into_iter().filter(|_| self.with_tissues).map(print);
        line(subject, figures.chain(tissues))
    }
}

/// The first line of a table of quality scores.
#[must_use]
pub fn qc_header(first_cell: &str) -> String {
    line(first_cell, qc_groups().iter().skip(1).map(|name| quoted(name)))
}

/// The scores of the groups 1 to 8, in `[0, 1]`, to four decimals, from the 9 numbers of the quality network.
#[must_use]
pub fn qc_scores(outputs: &[f32]) -> Vec<f32> {
    outputs.iter().skip(1).map(|score| (score.clamp(0.0, 1.0) * 1e4).round_ties_even() / 1e4).collect()
}

/// The line of one scan in a table of quality scores, from what [`qc_scores`] gives.
#[must_use]
pub fn qc_row(subject: &str, scores: &[f32]) -> String {
    line(subject, scores.iter().map(|score| format!("{score:.4}")))
}

fn line(first_cell: &str, cells: impl Iterator<Item = String>) -> String {
    let mut line = quoted(first_cell);
    for cell in cells {
        let _ = write!(line, ",{cell}");
    }
    line + "\r\n"
}
