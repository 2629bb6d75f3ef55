//! Label tables: what the numbers of a label map mean, and how they are drawn.

mod bids;
mod builtin;
mod colour;
mod freesurfer;
mod itksnap;
mod viewer;

use std::collections::BTreeMap;

pub use builtin::{subcortical, subcortical_fingerprint};
pub use colour::{distinct_colour, luminance};

use crate::SegError;

/// Colour of a label without an entry.
pub const UNKNOWN_COLOUR: [u8; 3] = [128, 128, 128];

/// One entry of a [`LabelTable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Value in the label map.
    pub id: u32,
    /// Name of the structure.
    pub name: String,
    /// Red, green, blue.
    pub colour: [u8; 3],
    /// 0 transparent, 255 opaque.
    pub opacity: u8,
}

impl Label {
    /// An opaque label; label 0, the background, is transparent.
    #[must_use]
    pub fn new(id: u32, name: impl Into<String>, colour: [u8; 3]) -> Self {
        Self { id, name: name.into(), colour, opacity: if id == 0 { 0 } else { 255 } }
    }
}

/// Text forms of a label table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableFormat {
    /// Lines `id name R G B A` as FreeSurfer's colour tables, where A is transparency (0 opaque).
    FreeSurfer,
    /// Lines `id R G B A VIS MESH "name"` as ITK-SNAP, A from 0 to 1.
    ItkSnap,
    /// Tab-separated `index name color` with a header, as BIDS `_dseg.tsv`; colours are `#RRGGBB`.
    Bids,
    /// A JSON object of arrays `R`, `G`, `B`, `A`, `I`, `labels`, as browser viewers read it.
    Viewer,
}

impl TableFormat {
    /// Which form a text has, by its content: a brace opens JSON, a header with tabs is BIDS, a quoted name is
    /// ITK-SNAP, anything else is FreeSurfer.
    #[must_use]
    pub fn detect(text: &str) -> Self {
        let content = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let first = text.lines().find(content).unwrap_or_default();
        if first.trim_start().starts_with('{') {
            Self::Viewer
        } else if first.split('\t').any(|cell| cell.trim() == "index") {
            Self::Bids
        } else if first.contains('"') {
            Self::ItkSnap
        } else {
            Self::FreeSurfer
        }
    }
}

/// Names and colours of label values, in ascending order of the value.
///
/// ```
/// use volkit_seg::{LabelTable, TableFormat};
/// let table = LabelTable::parse("0 Unknown 0 0 0 0\n17 Left-Hippocampus 220 216 20 0\n")?;
/// assert_eq!(table.name(17), "Left-Hippocampus");
/// assert_eq!(table.name(18), "label 18");
/// assert!(table.write(TableFormat::Bids).contains("17\tLeft-Hippocampus\t#DCD814"));
/// # Ok::<(), volkit_seg::SegError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelTable {
    labels: BTreeMap<u32, Label>,
}

impl LabelTable {
    /// A table of these labels; of two with the same value the last one stays.
    #[must_use]
    pub fn new(labels: impl IntoIterator<Item = Label>) -> Self {
        Self { labels: labels.into_iter().map(|label| (label.id, label)).collect() }
    }

    /// Labels `0..count` without known names: `label 7`, and `background` for 0. Colours are told apart easily.
    #[must_use]
    pub fn neutral(count: usize) -> Self {
        Self::new((0..count as u32).map(neutral_label))
    }

    /// Reads a table in any of the forms of [`TableFormat`].
    ///
    /// # Errors
    /// [`SegError::Table`] with the line, the field and what was found; also for a table without entries and for a
    /// value that occurs twice.
    pub fn parse(text: &str) -> Result<Self, SegError> {
        Self::parse_as(text, TableFormat::detect(text))
    }

    /// Reads a table in a given form.
    ///
    /// # Errors
    /// As [`LabelTable::parse`].
    pub fn parse_as(text: &str, format: TableFormat) -> Result<Self, SegError> {
        let entries = match format {
            TableFormat::FreeSurfer => freesurfer::parse(text),
            TableFormat::ItkSnap => itksnap::parse(text),
            TableFormat::Bids => bids::parse(text),
            TableFormat::Viewer => viewer::parse(text),
        }?;
        let mut labels = BTreeMap::new();
        for (line, label) in entries {
            let id = label.id;
            if labels.insert(id, label).is_some() {
                return Err(SegError::Table { line, field: "id", value: id.to_string(), why: "occurs twice" });
            }
        }
        if labels.is_empty() {
            return Err(SegError::Table { line: 1, field: "labels", value: "none".into(), why: "a table has entries" });
        }
        Ok(Self { labels })
    }

    /// The table as text.
    #[must_use]
    pub fn write(&self, format: TableFormat) -> String {
        match format {
            TableFormat::FreeSurfer => freesurfer::write(self),
            TableFormat::ItkSnap => itksnap::write(self),
            TableFormat::Bids => bids::write(self),
            TableFormat::Viewer => viewer::write(self),
        }
    }

    /// The entry of a value.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Label> {
        self.labels.get(&id)
    }

    /// Name of a value: `label 7` where the table has none for 7.
    #[must_use]
    pub fn name(&self, id: u32) -> String {
        self.get(id).map_or_else(|| format!("label {id}"), |label| label.name.clone())
    }

    /// Colour of a value: grey where the table has none.
    #[must_use]
    pub fn colour(&self, id: u32) -> [u8; 3] {
        self.get(id).map_or(UNKNOWN_COLOUR, |label| label.colour)
    }

    /// Entries in ascending order of the value.
    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.labels.values()
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// This table with the entries of `other` that it lacks, and none for values that `other` lacks.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self::new(other.iter().map(|label| self.get(label.id).unwrap_or(label).clone()))
    }

    /// The table for a network of `n_classes`: entries for values below it, neutral ones where this table has none.
    #[must_use]
    pub fn completed(&self, n_classes: usize) -> Self {
        Self::new((0..n_classes as u32).map(|id| self.get(id).cloned().unwrap_or_else(|| neutral_label(id))))
    }
}

fn neutral_label(id: u32) -> Label {
    match id {
        0 => Label::new(0, "background", [0, 0, 0]),
        _ => Label::new(id, format!("label {id}"), distinct_colour(id as usize - 1)),
    }
}

/// A whole number in a cell of a table.
fn number<T: std::str::FromStr>(cell: Option<&str>, line: usize, field: &'static str) -> Result<T, SegError> {
    let text = cell.unwrap_or_default().trim();
    text.parse().map_err(|_| SegError::Table {
        line,
        field,
        value: if text.is_empty() { "nothing".into() } else { format!("'{text}'") },
        why: "not a number in range",
    })
}
