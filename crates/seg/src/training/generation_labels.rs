//! The labels of the maps that scans are made of.

use std::sync::LazyLock;

use crate::{SegError, Structures};

/// Rows of the table before the first one of the left side.
const NEUTRAL: usize = 18;
/// Rows of one side.
const ONE_SIDE: usize = 18;
/// Segmentation labels of version 1 do not have the fluid around the brain, which keeps its label in version 2.
const OUTER_FLUID: u32 = 24;

/// One label of the maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GenerationLabel {
    /// Value in the map.
    pub(super) label: u32,
    /// Labels of one class share an intensity.
    pub(super) class: usize,
    /// Channel of the structure that the network is to find here, 0 where it is none.
    pub(super) channel: u8,
    /// Position of the same structure on the other side.
    pub(super) mirrored: u8,
}

/// The labels that maps may have, by position: first those in the middle, then left, then right in the same order.
#[derive(Clone, Debug)]
pub(super) struct GenerationLabels {
    pub(super) rows: Vec<GenerationLabel>,
    pub(super) n_classes: usize,
    /// Position of the fluid around the brain.
    pub(super) fluid: u8,
}

static TABLE: LazyLock<GenerationLabels> = LazyLock::new(|| {
    GenerationLabels::parse(include_str!("../../data/synthseg_generation_labels.csv"))
        .expect("invariant: the embedded table is whole")
});

impl GenerationLabels {
    pub(super) fn get() -> &'static Self {
        &TABLE
    }

    fn parse(text: &str) -> Option<Self> {
        let structures = Structures::v2();
        let mut rows = Vec::new();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let (label, class): (u32, usize) = (fields.get(1)?.parse().ok()?, fields.get(2)?.parse().ok()?);
            let target: u32 = if label == OUTER_FLUID { label } else { fields.get(4)?.parse().ok()? };
            let position = rows.len();
            let mirrored = match position {
                0..NEUTRAL => position,
                _ if position < NEUTRAL + ONE_SIDE => position + ONE_SIDE,
                _ => position - ONE_SIDE,
            };
            let channel = structures.channel_of(target)? as u8;
            rows.push(GenerationLabel { label, class, channel, mirrored: mirrored as u8 });
        }
        let n_classes = rows.iter().map(|row| row.class + 1).max()?;
        let fluid = rows.iter().position(|row| row.label == OUTER_FLUID)? as u8;
        (rows.len() == NEUTRAL + 2 * ONE_SIDE).then_some(Self { rows, n_classes, fluid })
    }

    /// Position of a label.
    ///
    /// # Errors
    /// [`SegError::Scan`] for a label that maps do not have.
    pub(super) fn position(&self, label: u32) -> Result<u8, SegError> {
        let at = self.rows.iter().position(|row| row.label == label);
        let why = "is none of the labels that scans are generated from";
        at.map(|at| at as u8).ok_or_else(|| SegError::Scan { field: "label", value: label.to_string(), why })
    }

    /// Channel of each position.
    pub(super) fn channels(&self) -> Vec<u8> {
        self.rows.iter().map(|row| row.channel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::GenerationLabels;
    use crate::Structures;

    #[test]
    fn sides_mirror_one_another() {
        let labels = GenerationLabels::get();
        let structures = Structures::v2().channels();
        for (at, row) in labels.rows.iter().enumerate() {
            let other = &labels.rows[usize::from(row.mirrored)];
            assert_eq!(usize::from(other.mirrored), at);
            let flipped = structures[usize::from(row.channel)].flip_channel;
            assert_eq!(usize::from(other.channel), flipped, "label {}", row.label);
            assert_eq!(row.mirrored == at as u8, at < 18);
        }
    }

    #[test]
    fn what_labels_become() {
        let labels = GenerationLabels::get();
        let target = |label: u32| {
            let row = &labels.rows[usize::from(labels.position(label).unwrap())];
            Structures::v2().channels()[usize::from(row.channel)].label
        };
        // Lesions are white matter, parts of the ventricles (choroid plexus, 136) ventricle, the skull nothing.
        assert_eq!([2, 25, 57, 136, 164, 24, 530, 85].map(target), [2, 2, 41, 4, 44, 24, 0, 0]);
        assert_eq!(labels.n_classes, 48);
        assert_eq!(labels.rows[usize::from(labels.fluid)].label, 24);
        // Ventricle and its inferior horn share a class, left and right do not.
        let class = |label: u32| labels.rows[usize::from(labels.position(label).unwrap())].class;
        assert!(class(4) == class(5) && class(4) != class(43));
        assert!(labels.position(999).unwrap_err().to_string().contains("999"));
    }
}
