//! Volumes of structures, and the table that lists them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use volkit_core::Volume;

use crate::{LabelTable, SegError, Segmentation};

/// How much of a scan has one label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelVolume {
    /// The label.
    pub id: u32,
    /// Voxels of the scan's grid with that label.
    pub voxels: u64,
    /// Their volume, in mm3.
    pub mm3: f64,
}

/// Lines of a volumes table: comma separated, CRLF line ends, one column per label but the background (0).
///
/// ```
/// use volkit_seg::{LabelTable, VolumesCsv};
/// let csv = VolumesCsv::new(&LabelTable::neutral(3));
/// assert_eq!(csv.header("subject"), "subject,label 1,label 2\r\n");
/// ```
#[derive(Clone, Debug)]
pub struct VolumesCsv {
    columns: Vec<(u32, String)>,
}

impl VolumesCsv {
    /// Columns in the order of the table.
    #[must_use]
    pub fn new(table: &LabelTable) -> Self {
        let columns = table.iter().filter(|label| label.id != 0).map(|label| (label.id, label.name.clone()));
        Self { columns: columns.collect() }
    }

    /// The first line. Its first cell is `subject` where the table lists scans, empty where it belongs to one scan.
    #[must_use]
    pub fn header(&self, first_cell: &str) -> String {
        let mut line = quoted(first_cell);
        for (_, name) in &self.columns {
            line.push(',');
            line.push_str(&quoted(name));
        }
        line + "\r\n"
    }

    /// The line of one scan: volumes in mm3, rounded to three decimals (half to even), shortest form (`12.0`).
    #[must_use]
    pub fn row(&self, subject: &str, segmentation: &Segmentation) -> String {
        let mut line = quoted(subject);
        for &(id, _) in &self.columns {
            let mm3 = segmentation.volumes.iter().find(|volume| volume.id == id).map_or(0.0, |volume| volume.mm3);
            let _ = write!(line, ",{:?}", rounded(mm3));
        }
        line + "\r\n"
    }
}

/// To three decimals; decimal formatting rounds the exact binary value half to even.
fn rounded(mm3: f64) -> f64 {
    format!("{mm3:.3}").parse().unwrap_or(mm3)
}

/// A cell of a comma-separated table.
pub(crate) fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// Name of a scan in a volumes table: the base name of its file without `.nii.gz` (other suffixes stay).
#[must_use]
pub fn subject_name(base_name: &str) -> &str {
    base_name.strip_suffix(".nii.gz").unwrap_or(base_name)
}

/// Volumes of labels `0..n_labels` from their voxel counts.
pub(crate) fn label_volumes(counts: &[u64], voxel_mm3: f64) -> Vec<LabelVolume> {
    let volume = |(id, &voxels): (usize, &u64)| LabelVolume { id: id as u32, voxels, mm3: voxels as f64 * voxel_mm3 };
    counts.iter().enumerate().map(volume).collect()
}

/// The volume of each label of a table, and of any other that occurs, by the voxels of a label map; in ascending order.
///
/// # Errors
/// [`SegError::Core`] for colours and complex numbers.
pub fn counted_volumes(labels: &Volume, table: &LabelTable, voxel_mm3: f64) -> Result<Vec<LabelVolume>, SegError> {
    let mut counts: BTreeMap<i32, u64> = table.iter().map(|label| (label.id as i32, 0)).collect();
    for run in labels.to_real::<i32>()?.chunk_by(|a, b| a == b) {
        *counts.entry(run[0]).or_default() += run.len() as u64;
    }
    let volume = |(id, voxels): (i32, u64)| LabelVolume { id: id as u32, voxels, mm3: voxels as f64 * voxel_mm3 };
    Ok(counts.into_iter().map(volume).collect())
}

#[cfg(test)]
mod tests {
    use super::{quoted, rounded, subject_name};

    #[test]
    fn three_decimals_half_to_even_and_shortest() {
        assert_eq!(format!("{:?}", rounded(12.0)), "12.0");
        assert_eq!(format!("{:?}", rounded(0.062_5)), "0.062");
        assert_eq!(format!("{:?}", rounded(0.187_5)), "0.188");
        assert_eq!(format!("{:?}", rounded(483_145.123_49)), "483145.123");
    }

    #[test]
    fn cells_and_subjects() {
        assert_eq!(quoted("grey, left"), "\"grey, left\"");
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(subject_name("sub-01_T1w.nii.gz"), "sub-01_T1w");
        assert_eq!(subject_name("sub-01.nii"), "sub-01.nii");
        assert_eq!(subject_name("a.mgz"), "a.mgz");
    }
}
