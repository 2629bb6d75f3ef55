//! Structures in pairs: left and right by their names.

use super::ReportVolume;
use crate::LabelTable;

/// Beginnings of names that say the side, as they are spelt by SynthSeg, FreeSurfer and parcellations. The last part
/// is kept for what both sides share.
const SIDES: [[&str; 2]; 4] = [["left ", "right "], ["left-", "right-"], ["left_", "right_"], ["lh.", "rh."]];
/// Beginnings of the names of the cortex's parcels.
const PARCELS: [&str; 2] = ["ctx-lh-", "ctx-rh-"];

/// A structure of both sides, or one that has none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Its name without the side.
    pub(super) name: String,
    /// Its labels: left and right, or only the first.
    pub(super) labels: [Option<u32>; 2],
    /// Volumes of these, in mm3.
    pub(super) mm3: [Option<f64>; 2],
}

impl Row {
    /// `100 (L - R) / ((L + R) / 2)`, in percent: 0 where the sides are equal, 200 where all is left.
    pub(super) fn asymmetry_percent(&self) -> Option<f64> {
        let [Some(left), Some(right)] = self.mm3 else { return None };
        let sum = left + right;
        (sum > 0.0 && sum.is_finite()).then(|| 100.0 * (left - right) / (0.5 * sum))
    }

    /// Both sides together, in mm3.
    pub(super) fn sum_mm3(&self) -> f64 {
        self.mm3.iter().flatten().sum()
    }
}

/// The rows of a page's tables, each in the order in which its first member came.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    /// Structures with a left and a right.
    pub(super) pairs: Vec<Row>,
    /// Structures in the middle, and others without a partner.
    pub(super) single: Vec<Row>,
    /// Parcels of the cortex.
    pub(super) parcels: Vec<Row>,
}

impl Rows {
    /// Sorts volumes into pairs by the names of their labels.
    pub(super) fn new(volumes: &[ReportVolume], table: &LabelTable) -> Self {
        let mut sided: Vec<(bool, Row)> = Vec::new();
        let mut rows = Self::default();
        for volume in volumes.iter().filter(|volume| volume.label != 0) {
            let name = table.name(volume.label);
            let Some((side, is_parcel, stem)) = side_of(&name) else {
                rows.single.push(Row { name, labels: [Some(volume.label), None], mm3: [Some(volume.mm3), None] });
                continue;
            };
            let is_other_half = |(of_parcel, row): &&mut (bool, Row)| {
                *of_parcel == is_parcel && row.name == stem && row.labels[side].is_none()
            };
            let at = match sided.iter_mut().find(is_other_half) {
                Some((_, row)) => row,
                None => {
                    sided.push((is_parcel, Row { name: stem, labels: [None; 2], mm3: [None; 2] }));
                    // Just pushed.
                    let Some((_, row)) = sided.last_mut() else { continue };
                    row
                }
            };
            at.labels[side] = Some(volume.label);
            at.mm3[side] = Some(volume.mm3);
        }
        for (is_parcel, row) in sided {
            match row.labels {
                _ if is_parcel => rows.parcels.push(row),
                [Some(_), Some(_)] => rows.pairs.push(row),
                // The other side is not there: the name says which one it is.
                [Some(label), None] | [None, Some(label)] => {
                    let mm3 = [row.mm3[0].or(row.mm3[1]), None];
                    rows.single.push(Row { name: table.name(label), labels: [Some(label), None], mm3 });
                }
                [None, None] => {}
            }
        }
        rows
    }
}

/// Side (0 left, 1 right), whether it is a parcel of the cortex, and the name without the side.
fn side_of(name: &str) -> Option<(usize, bool, String)> {
    let lower = name.to_ascii_lowercase();
    let stem = |prefix: &str| (lower.starts_with(prefix)).then(|| name[prefix.len()..].to_owned());
    for (side, prefix) in PARCELS.into_iter().enumerate() {
        if let Some(stem) = stem(prefix) {
            return Some((side, true, stem));
        }
    }
    SIDES.iter().flat_map(|pair| pair.iter().enumerate()).find_map(|(side, prefix)| Some((side, false, stem(prefix)?)))
}

#[cfg(test)]
mod tests {
    use super::{Row, Rows, side_of};
    use crate::report::ReportVolume;
    use crate::{Label, LabelTable, Structures};

    fn rows(labels: &[(u32, &str, f64)]) -> Rows {
        let table = LabelTable::new(labels.iter().map(|&(id, name, _)| Label::new(id, name, [9; 3])));
        let volumes: Vec<_> = labels.iter().map(|&(label, _, mm3)| ReportVolume { label, mm3 }).collect();
        Rows::new(&volumes, &table)
    }

    #[test]
    fn sides_by_name() {
        assert_eq!(side_of("left cerebral cortex"), Some((0, false, "cerebral cortex".into())));
        assert_eq!(side_of("Right-Hippocampus"), Some((1, false, "Hippocampus".into())));
        assert_eq!(side_of("ctx-rh-cuneus"), Some((1, true, "cuneus".into())));
        assert_eq!(side_of("3rd ventricle"), None);
        assert_eq!(side_of("leftover"), None);
    }

    #[test]
    fn pairs_need_both_sides_and_asymmetry_is_of_their_mean() {
        let rows = rows(&[
            (0, "background", 1e6),
            (16, "brain-stem", 20.0),
            (53, "right hippocampus", 90.0),
            (17, "left hippocampus", 110.0),
            (18, "left amygdala", 5.0),
        ]);
        assert_eq!(rows.pairs.len(), 1);
        assert_eq!((rows.pairs[0].name.as_str(), rows.pairs[0].labels), ("hippocampus", [Some(17), Some(53)]));
        assert_eq!(rows.pairs[0].asymmetry_percent(), Some(20.0));
        assert_eq!(rows.pairs[0].sum_mm3(), 200.0);
        let single: Vec<_> = rows.single.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(single, ["brain-stem", "left amygdala"]);
        assert_eq!(rows.single[1].asymmetry_percent(), None);
    }

    #[test]
    fn nothing_on_both_sides_has_no_asymmetry() {
        let row = |mm3| Row { name: String::new(), labels: [Some(1), Some(2)], mm3 };
        assert_eq!(row([Some(0.0), Some(0.0)]).asymmetry_percent(), None);
        assert_eq!(row([Some(4.0), Some(0.0)]).asymmetry_percent(), Some(200.0));
        assert_eq!(row([Some(0.0), Some(4.0)]).asymmetry_percent(), Some(-200.0));
        assert_eq!(row([Some(f64::NAN), Some(4.0)]).asymmetry_percent(), None);
    }

    #[test]
    fn two_of_the_same_name_do_not_overwrite_each_other() {
        let rows = rows(&[(1, "left x", 1.0), (2, "left x", 2.0), (3, "right x", 3.0)]);
        assert_eq!(rows.pairs.len() + rows.single.len(), 2);
        assert_eq!(rows.pairs[0].mm3, [Some(1.0), Some(3.0)]);
        assert_eq!(rows.single[0].mm3, [Some(2.0), None]);
    }

    #[test]
    fn the_published_structures_are_fourteen_pairs_and_four() {
        let structures = Structures::v2();
        let volumes: Vec<_> = structures.channels().iter().map(|s| ReportVolume { label: s.label, mm3: 1.0 }).collect();
        let rows = Rows::new(&volumes, &structures.label_table(false));
        assert_eq!((rows.pairs.len(), rows.single.len(), rows.parcels.len()), (14, 4, 0));
    }
}
