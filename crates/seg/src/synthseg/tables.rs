//! What the channels of the published networks mean.

use std::sync::LazyLock;

use crate::{Label, LabelTable, SegError};

/// Labels of the cerebral cortex, left and right, which parcels replace.
pub(crate) const CORTEX: [u32; 2] = [3, 42];
/// Labels of the cerebral white matter, left and right.
pub(crate) const CEREBRAL_WHITE: [u32; 2] = [2, 41];
/// Cerebrospinal fluid around the brain; version 1 does not have it.
pub(crate) const OUTER_CSF: u32 = 24;

/// One channel of a segmentation network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Structure {
    /// Value in the label map.
    pub label: u32,
    /// Name of the structure.
    pub name: String,
    /// Structures of one class are cleaned up together; 0 is never cleaned up.
    pub topological_class: u8,
    /// Channel of the same structure on the other side; its own where it lies in the middle.
    pub flip_channel: usize,
    /// Group whose quality is scored; 0 belongs to none.
    pub qc_group: usize,
    /// Red, green, blue.
    pub colour: [u8; 3],
}

/// One channel of the parcellation network.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parcel {
    /// Value in the label map: 1001 to 1035 left, 2001 to 2035 right, 0 for the background.
    pub label: u32,
    /// Name of the parcel.
    pub name: String,
    /// Red, green, blue.
    pub colour: [u8; 3],
}

/// The structures of a segmentation network in the order of its channels. Channel 0 is the background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structures {
    channels: Vec<Structure>,
}

static V1: LazyLock<Structures> =
    LazyLock::new(|| Structures::parse(include_str!("../../data/synthseg_labels_v1.csv")));
static V2: LazyLock<Structures> =
    LazyLock::new(|| Structures::parse(include_str!("../../data/synthseg_labels_v2.csv")));
static PARCELS: LazyLock<Vec<Parcel>> = LazyLock::new(|| {
    let parcel = |row: Row<'_>| {
        Some(Parcel { label: row.number("label")?, name: row.text("name")?.to_owned(), colour: row.colour()? })
    };
    table(include_str!("../../data/synthseg_labels_parc.csv"), parcel)
});
static QC_GROUPS: LazyLock<Vec<String>> = LazyLock::new(|| {
    table(include_str!("../../data/synthseg_qc_groups.csv"), |row| row.text("name").map(str::to_owned))
});

/// The 69 channels of the parcellation network: background, 34 parcels left, 34 right.
#[must_use]
pub fn parcels() -> &'static [Parcel] {
    &PARCELS
}

/// Names of the 9 groups that the quality network sees; group 0 is the background and has no score.
#[must_use]
pub fn qc_groups() -> &'static [String] {
    &QC_GROUPS
}

impl Structures {
    /// Version 1: 32 channels.
    #[must_use]
    pub fn v1() -> &'static Self {
        &V1
    }

    /// Version 2, also of the robust networks: 33 channels, with the cerebrospinal fluid around the brain (label 24).
    #[must_use]
    pub fn v2() -> &'static Self {
        &V2
    }

    /// The structures of a network with that many channels.
    ///
    /// # Errors
    /// [`SegError::Option`] for a count other than 32 and 33.
    pub fn of_channels(count: usize) -> Result<&'static Self, SegError> {
        match count {
            32 => Ok(Self::v1()),
            33 => Ok(Self::v2()),
            _ => {
                let why = "segmentation networks have 32 (version 1) or 33 (version 2)";
                Err(SegError::Option { name: "channels", value: count.to_string(), why })
            }
        }
    }

    fn parse(text: &'static str) -> Self {
        let structure = |row: Row<'_>| {
            Some(Structure {
                label: row.number("label")?,
                name: row.text("name")?.to_owned(),
                topological_class: row.number("topological_class")?,
                flip_channel: row.number("flip_channel")?,
                qc_group: row.number("qc_group")?,
                colour: row.colour()?,
            })
        };
        Self { channels: table(text, structure) }
    }

    /// The channels in order.
    #[must_use]
    pub fn channels(&self) -> &[Structure] {
        &self.channels
    }

    /// Number of channels, background included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.channels.len()
    }

    /// Channel of a label.
    #[must_use]
    pub fn channel_of(&self, label: u32) -> Option<usize> {
        self.channels.iter().position(|structure| structure.label == label)
    }

    /// For each channel the channel of the same structure on the other side.
    #[must_use]
    pub fn flip_channels(&self) -> Vec<usize> {
        self.channels.iter().map(|structure| structure.flip_channel).collect()
    }

    /// Channels of the cerebral cortex, left and right.
    #[must_use]
    pub fn cortex_channels(&self) -> Vec<usize> {
        CORTEX.iter().filter_map(|&label| self.channel_of(label)).collect()
    }

    /// Whether volumes begin with a total: the networks that know the fluid around the brain.
    #[must_use]
    pub fn has_total(&self) -> bool {
        self.channel_of(OUTER_CSF).is_some()
    }

    /// Names and colours of the labels, with those of the parcels where wanted.
    #[must_use]
    pub fn label_table(&self, with_parcels: bool) -> LabelTable {
        let structures = self.channels.iter().map(|s| Label::new(s.label, s.name.clone(), s.colour));
        let parcels = parcels().iter().skip(1).filter(|_| with_parcels);
        LabelTable::new(structures.chain(parcels.map(|p| Label::new(p.label, p.name.clone(), p.colour))))
    }
}

/// A line of a table with its header.
#[derive(Clone, Copy)]
struct Row<'a> {
    header: &'a str,
    line: &'a str,
}

impl<'a> Row<'a> {
    fn text(&self, column: &str) -> Option<&'a str> {
        let at = self.header.split(',').position(|name| name == column)?;
        self.line.split(',').nth(at)
    }

    fn number<T: std::str::FromStr>(&self, column: &str) -> Option<T> {
        self.text(column)?.parse().ok()
    }

    fn colour(&self) -> Option<[u8; 3]> {
        Some([self.number("red")?, self.number("green")?, self.number("blue")?])
    }
}

/// The lines of an embedded table: comma separated, no quotes, a header first.
fn table<T>(text: &'static str, parse: impl Fn(Row<'static>) -> Option<T>) -> Vec<T> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let rows: Option<Vec<T>> = lines.map(|line| parse(Row { header, line })).collect();
    rows.expect("invariant: embedded tables are whole")
}
