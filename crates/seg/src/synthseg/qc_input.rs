//! What the quality network sees: the groups of structures in a cube.

use rayon::prelude::*;

use super::tables::{OUTER_CSF, Structures, qc_groups};
use crate::SegError;

/// Voxels of the quality network's cube along each axis.
pub const QC_SIZE: usize = 224;
/// Channel that the reference program leaves out where it means the label.
const COMPAT_CHANNEL: u8 = 24;

/// The group of each voxel of the quality network's cube.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QcInput {
    /// Groups from 0 to 8 of 224^3 voxels, x fastest.
    pub groups: Vec<u8>,
    /// Voxel of the network's volume at which the cube begins; may lie outside.
    pub start: [i64; 3],
}

impl QcInput {
    /// Groups as one of 9 channels, `[z][y][x][c]`.
    #[must_use]
    pub fn one_hot(&self) -> Vec<f32> {
        let n = qc_groups().len();
        let mut out = vec![0.0; self.groups.len() * n];
        out.par_chunks_exact_mut(n).zip(&self.groups).with_min_len(QC_SIZE).for_each(|(voxel, &group)| {
            if let Some(value) = voxel.get_mut(usize::from(group)) {
                *value = 1.0;
            }
        });
        out
    }
}

/// Cuts the cube around the brain out of a map of channels (the strongest channel of each voxel of the network's volume
/// of `size`, x fastest), with background where it reaches beyond.
///
/// The brain is what is neither background nor the fluid around it (label 24); with `compat` neither background nor
/// channel 24, which is another structure, as in the reference program.
///
/// # Errors
/// [`SegError::Option`] when `channels` does not have the size or names channels that `structures` lacks.
pub fn qc_input(channels: &[u8], size: [usize; 3], structures: &Structures, compat: bool) -> Result<QcInput, SegError> {
    let refuse = |value: String, why| Err(SegError::Option { name: "channels", value, why });
    if size.iter().product::<usize>() != channels.len() {
        return refuse(format!("{} for size {size:?}", channels.len()), "one for each voxel");
    }
    if let Some(wrong) = channels.iter().find(|&&channel| usize::from(channel) >= structures.count()) {
        return refuse(wrong.to_string(), "the network does not have so many");
    }
    let left_out = if compat { Some(COMPAT_CHANNEL) } else { structures.channel_of(OUTER_CSF).map(|c| c as u8) };
    let start = cube_start(channels, size, |channel| channel != 0 && Some(channel) != left_out);
    let group_of: Vec<u8> = structures.channels().iter().map(|structure| structure.qc_group as u8).collect();
    let mut groups = vec![0u8; QC_SIZE * QC_SIZE * QC_SIZE];
    let inside = |axis: usize, i: usize| usize::try_from(start[axis] + i as i64).ok().filter(|&p| p < size[axis]);
    groups.par_chunks_exact_mut(QC_SIZE * QC_SIZE).enumerate().for_each(|(k, plane)| {
        let Some(z) = inside(2, k) else { return };
        for (j, row) in plane.chunks_exact_mut(QC_SIZE).enumerate() {
            let Some(y) = inside(1, j) else { continue };
            for (i, group) in row.iter_mut().enumerate() {
                if let Some(x) = inside(0, i) {
                    *group = group_of[usize::from(channels[x + size[0] * (y + size[1] * z)])];
                }
            }
        }
    });
    Ok(QcInput { groups, start })
}

/// First voxel of the cube with the box of what `is_brain` tells in its middle.
fn cube_start(channels: &[u8], size: [usize; 3], is_brain: impl Fn(u8) -> bool) -> [i64; 3] {
    let [nx, ny, _] = size;
    let (mut low, mut high) = (size, [0usize; 3]);
    for (row, values) in channels.chunks_exact(nx.max(1)).enumerate() {
        let Some(first) = values.iter().position(|&channel| is_brain(channel)) else { continue };
        let last = values.iter().rposition(|&channel| is_brain(channel)).unwrap_or(first);
        for (axis, (from, to)) in [(first, last), (row % ny, row % ny), (row / ny, row / ny)].into_iter().enumerate() {
            low[axis] = low[axis].min(from);
            high[axis] = high[axis].max(to + 1);
        }
    }
    if high == [0; 3] {
        (low, high) = ([0; 3], size.map(|n| n.min(QC_SIZE)));
    }
    std::array::from_fn(|axis| {
        let gap = QC_SIZE as i64 - (high[axis] as i64 - low[axis] as i64);
        // Rounded up, also for a box larger than the cube, from which as much is cut.
        low[axis] as i64 - (gap + 1).div_euclid(2)
    })
}

#[cfg(test)]
mod tests {
    use super::{QC_SIZE, cube_start};

    #[test]
    fn the_box_lies_in_the_middle() {
        let mut channels = vec![0u8; 300 * 10 * 4];
        let brain = |channel: u8| channel != 0;
        // Nothing: (0, 0, 0) to (224, 10, 4).
        assert_eq!(cube_start(&channels, [300, 10, 4], brain), [0, -107, -110]);
        channels[3] = 1;
        channels[300 * 10 + 10 + 300 * 5] = 1;
        // x 3 to 11, y 0 to 6, z 0 to 2.
        assert_eq!(cube_start(&channels, [300, 10, 4], brain), [3 - 108, -109, -111]);
        channels[299] = 1;
        // x 3 to 300 is 297, 73 more than the cube: -73 / 2 rounded up is -36.
        assert_eq!(cube_start(&channels, [300, 10, 4], brain)[0], 3 + 36);
        assert_eq!(QC_SIZE % 32, 0);
    }
}
