//! Values in boxes of row-major arrays: checked, copied with a change of element type, and filled.

use volkit_core::{CoreError, DType, Voxels, VoxelsMut, VoxelsRef, with_voxels};

use crate::boxes::{Place, copy_bytes, for_each_run};

/// Checks that a box lies inside an array (row-major, any rank) and gives its number of elements.
pub(super) fn check_box(shape: &[usize], start: &[usize], size: &[usize], len: usize) -> Result<(), CoreError> {
    let axes = || start.iter().zip(size).zip(shape);
    let inside = start.len() == shape.len()
        && size.len() == shape.len()
        && axes().all(|((a, n), m)| a.checked_add(*n).is_some_and(|end| end <= *m));
    if !inside {
        return Err(CoreError::Region { start: start.to_vec(), size: size.to_vec(), shape: shape.to_vec() });
    }
    let wanted = size.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    match wanted {
        Some(wanted) if wanted == len => Ok(()),
        wanted => Err(CoreError::Length { shape: size.to_vec(), wanted: wanted.unwrap_or(usize::MAX), got: len }),
    }
}

/// Copies a box between two row-major arrays, converted to the element type of the target.
pub(super) fn copy_box(
    (source, from): (Place<'_>, VoxelsRef<'_>),
    (target, mut to): (Place<'_>, VoxelsMut<'_>),
    size: &[usize],
) -> Result<(), CoreError> {
    let mut result = Ok(());
    if from.dtype() == to.dtype() {
        copy_bytes(size, from.dtype().size(), (from.bytes(), source), (to.bytes_mut(), target));
        return Ok(());
    }
    for_each_run(size, source, target, |a, b, len| {
        if result.is_ok() {
            result = sub(from, a, len).convert_into(to.slice(b..b + len));
        }
    });
    result
}

/// Elements of a box, all of one value.
pub(super) fn fill_box(
    target: Place<'_>,
    mut to: VoxelsMut<'_>,
    size: &[usize],
    fill: VoxelsRef<'_>,
) -> Result<(), CoreError> {
    let mut one = Voxels::zeros(to.dtype(), 1)?;
    fill.convert_into(one.view_mut())?;
    let pattern = one.view().bytes().to_vec();
    let bytes = to.bytes_mut();
    for_each_run(size, target, target, |_, at, len| {
        for element in bytes[at * pattern.len()..(at + len) * pattern.len()].chunks_exact_mut(pattern.len()) {
            element.copy_from_slice(&pattern);
        }
    });
    Ok(())
}

/// Whether elements of one type can be read as another.
pub(super) fn converts(from: DType, to: DType) -> bool {
    from == to || (from.is_real() && to.is_real())
}

pub(super) fn sub(voxels: VoxelsRef<'_>, start: usize, len: usize) -> VoxelsRef<'_> {
    with_voxels!(VoxelsRef, voxels, values => (&values[start..start + len]).into())
}
