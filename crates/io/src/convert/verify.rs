//! Comparing an array with its source, box by box.

use volkit_core::Voxels;

use super::plan::ArrayPlan;
use crate::{IoError, ZarrArray};

/// CRC-32 of the values of a box in the source and in the store.
pub(super) fn checksums(
    plan: &ArrayPlan,
    array: &ZarrArray,
    (start, size): (&[usize], &[usize]),
) -> Result<(u32, u32), IoError> {
    let len = size.iter().product();
    let mut values = Voxels::zeros(plan.dtype, len).map_err(|error| IoError::core(array.folder(), error))?;
    plan.data_set.read_box(start, size, values.view_mut())?;
    let source = crc32fast::hash(values.view().bytes());
    array.read_box(start, size, values.view_mut())?;
    Ok((source, crc32fast::hash(values.view().bytes())))
}
