//! The header that a volume is written with.

use std::path::Path;

use volkit_core::{Affine, AxisMap, DType, Volume, VolumeMeta};

use crate::cast::smallest_label_dtype;
use crate::{BaseAffine, Header, IoError, MghHeader, NiftiVersion, Units, WriteOptions};

use super::affine::{Quaternion, quaternion_of};
use super::codec::{V1_BYTES, V2_BYTES};
use super::types::{code_of, dtype_of};
use super::{NiftiHeader, extensions, pair};

/// `aligned`: the code of an sform that this crate makes.
const ALIGNED: i64 = 2;
const MILLIMETRES_AND_SECONDS: i64 = 10;
/// Affines that differ by no more are the same (as in the usual comparison of arrays).
const RTOL: f64 = 1e-5;
const ATOL: f64 = 1e-8;
/// Axes whose directions agree to this cosine kept their place in the scanner.
const SAME_DIRECTION: f64 = 0.99;
const MAX_V1_AXIS: usize = i16::MAX as usize;

/// The element type to store when the caller names none.
pub(crate) fn default_dtype(
    path: &Path,
    volume: &Volume,
    header: &Header,
    options: &WriteOptions,
) -> Result<DType, IoError> {
    if let Some(asked) = options.dtype {
        return Ok(asked);
    }
    let dtype = volume.dtype();
    let was_stored = matches!(header, Header::Nifti(header) if dtype_of(header.datatype) == Some(dtype));
    match dtype {
        DType::F16 | DType::BF16 => Ok(DType::F32),
        DType::I64 | DType::U64 if !was_stored => smallest_label_dtype(volume).ok_or_else(|| {
            let what =
                format!("{dtype} values that do not fit i32: ask for {dtype} by name (many tools can not read it)");
            IoError::unsupported(path, what)
        }),
        dtype => Ok(dtype),
    }
}

/// The header for a volume that `meta` describes (with the stored element type), from the header it came with.
pub(crate) fn compose(
    path: &Path,
    meta: &VolumeMeta,
    header: &Header,
    options: &WriteOptions,
) -> Result<NiftiHeader, IoError> {
    let mut new = match header {
        Header::Nifti(old) if old.version > 0 => from_nifti(old, meta),
        Header::Mgh(old) => from_mgh(old, meta),
        _ => fresh(meta),
    };
    let dtype = meta.dtype();
    new.datatype = code_of(dtype).ok_or_else(|| {
        IoError::unsupported(path, format!("NIfTI has no element type {dtype}: write f32 (or another type by name)"))
    })?;
    new.bitpix = 8 * dtype.size() as i64;
    (new.scl_slope, new.scl_inter) = (1.0, 0.0);
    new.endian = options.endian;
    new.single_file = pair::part_of(path).is_none();
    let longest = meta.shape().iter().copied().max().unwrap_or(1);
    let needs_v2 = longest > MAX_V1_AXIS;
    if needs_v2 && options.nifti_version == NiftiVersion::One {
        return Err(IoError::bad_header(
            path,
            "dim",
            longest,
            format!("NIfTI-1 holds at most {MAX_V1_AXIS} along an axis"),
        ));
    }
    let was_v2 = new.version == 2;
    new.version = match options.nifti_version {
        NiftiVersion::One => 1,
        NiftiVersion::Two => 2,
        NiftiVersion::Auto => 1 + u8::from(was_v2 || needs_v2),
    };
    let header_len = if new.version == 2 { V2_BYTES } else { V1_BYTES };
    let before_voxels = header_len + extensions::encode(&new.extensions, new.endian).len();
    new.vox_offset = if new.single_file { before_voxels as f64 } else { 0.0 };
    Ok(new)
}

/// What the usual tools write, and units.
fn fresh(meta: &VolumeMeta) -> NiftiHeader {
    let mut header = NiftiHeader { xyzt_units: MILLIMETRES_AND_SECONDS, ..NiftiHeader::default() };
    set_shape(&mut header, meta);
    set_affine(&mut header, meta.affine());
    set_spacing(&mut header, meta, 0);
    header
}

/// MGH keeps the repetition time in milliseconds.
fn from_mgh(_old: &MghHeader, meta: &VolumeMeta) -> NiftiHeader {
    let mut header = fresh(meta);
    header.xyzt_units = Units::MGH.to_nifti();
    header
}

fn from_nifti(old: &NiftiHeader, meta: &VolumeMeta) -> NiftiHeader {
    let mut new = old.clone();
    let old_shape: Vec<usize> =
        (1..=old.dim[0].clamp(1, 7) as usize).map(|axis| old.dim[axis].max(1) as usize).collect();
    if old_shape != meta.shape() {
        set_shape(&mut new, meta);
    }
    // The base affine depends on the shape, so the old affine is what the new header would mean.
    let unchanged = new
        .chosen_affine(meta.spatial_size(), BaseAffine::Centred)
        .is_ok_and(|old| meta.affine().is_close(&old, RTOL, ATOL));
    if unchanged {
        drop_slice_timing_that_does_not_fit(&mut new, &old_shape, meta);
        set_spacing(&mut new, meta, 3);
        return new;
    }
    let old_size = std::array::from_fn(|axis| old_shape.get(axis).copied().unwrap_or(1));
    let old_affine = old.chosen_affine(old_size, BaseAffine::Centred).unwrap_or_default();
    if let Some(map) = reorientation(&old_affine, old_size, meta) {
        reorient_encoding(&mut new, &map, old_size);
    } else if !same_directions(&old_affine, meta.affine()) {
        new.set_encoding_axes([None; 3]);
        drop_slice_timing(&mut new);
    } else {
        drop_slice_timing_that_does_not_fit(&mut new, &old_shape, meta);
    }
    set_affine(&mut new, meta.affine());
    set_spacing(&mut new, meta, 0);
    new
}

fn set_shape(header: &mut NiftiHeader, meta: &VolumeMeta) {
    let n_axes = meta.shape().len();
    header.dim = [1; 8];
    header.dim[0] = n_axes as i64;
    for (dim, &len) in header.dim[1..].iter_mut().zip(meta.shape()) {
        *dim = len as i64;
    }
    header.pixdim[n_axes + 1..].fill(1.0);
}

/// The spacing of the axes from `first` on. Where it is that of the header after its repairs, the field stays.
fn set_spacing(header: &mut NiftiHeader, meta: &VolumeMeta, first: usize) {
    for (axis, &spacing) in meta.spacing().iter().enumerate().skip(first) {
        header.pixdim[axis + 1] = spacing;
    }
}

/// The sform gets the affine, the qform the nearest it can hold, without a code.
fn set_affine(header: &mut NiftiHeader, affine: &Affine) {
    let Quaternion { bcd, qfac, spacing } = quaternion_of(affine);
    (header.sform_code, header.qform_code) = (ALIGNED, 0);
    header.srow = *affine.rows();
    header.quatern = bcd;
    header.qoffset = affine.translation();
    header.pixdim[0] = qfac;
    header.pixdim[1..4].copy_from_slice(&spacing);
}

/// The flips and swaps of axes that lead from the old grid to the new one, if it is nothing else.
fn reorientation(old_affine: &Affine, old_size: [usize; 3], meta: &VolumeMeta) -> Option<AxisMap> {
    const PERMUTATIONS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let maps = PERMUTATIONS.into_iter().flat_map(|source_axis| {
        (0..8).map(move |bits| AxisMap { source_axis, flipped: [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0] })
    });
    let leads_there = |map: &AxisMap| {
        map.new_size(old_size) == meta.spatial_size()
            && map.new_affine(old_affine, old_size).is_close(meta.affine(), RTOL, 1e-4)
    };
    maps.into_iter().find(leads_there)
}

/// Moves the axes that `dim_info` names, and turns slice timing round where the slice axis now runs backwards.
fn reorient_encoding(header: &mut NiftiHeader, map: &AxisMap, old_size: [usize; 3]) {
    let new_axis = |old: usize| map.source_axis.iter().position(|&axis| axis == old);
    let old_axes = header.encoding_axes();
    header.set_encoding_axes(old_axes.map(|axis| axis.and_then(new_axis)));
    let slice_axis = old_axes[2].unwrap_or(2);
    if new_axis(slice_axis).is_some_and(|axis| map.flipped[axis]) {
        let last = old_size[slice_axis] as i64 - 1;
        if header.slice_end > 0 {
            let turned = last.checked_sub(header.slice_end).zip(last.checked_sub(header.slice_start));
            // Numbers that can not be turned round name no slices.
            let Some(turned) = turned else { return drop_slice_timing(header) };
            (header.slice_start, header.slice_end) = turned;
        }
        header.slice_code = match header.slice_code {
            code @ (1 | 3 | 5) => code + 1,
            code @ (2 | 4 | 6) => code - 1,
            code => code,
        };
    }
}

fn same_directions(old: &Affine, new: &Affine) -> bool {
    (0..3).all(|axis| {
        let (a, b) = (old.column(axis), new.column(axis));
        let dot: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
        dot >= SAME_DIRECTION * old.spacing()[axis] * new.spacing()[axis]
    })
}

fn drop_slice_timing_that_does_not_fit(header: &mut NiftiHeader, old_shape: &[usize], meta: &VolumeMeta) {
    let axis = header.encoding_axes()[2].unwrap_or(2);
    if old_shape.get(axis) != meta.shape().get(axis) {
        drop_slice_timing(header);
    }
}

fn drop_slice_timing(header: &mut NiftiHeader) {
    (header.slice_code, header.slice_start, header.slice_end, header.slice_duration) = (0, 0, 0, 0.0);
}

#[cfg(test)]
mod tests {
    use volkit_core::AxisMap;

    use super::reorient_encoding;
    use crate::nifti::NiftiHeader;

    fn turned(slice_start: i64, slice_end: i64) -> NiftiHeader {
        let mut header =
            NiftiHeader { slice_start, slice_end, slice_code: 1, slice_duration: 0.5, ..NiftiHeader::default() };
        let map = AxisMap { source_axis: [0, 1, 2], flipped: [false, false, true] };
        reorient_encoding(&mut header, &map, [4, 4, 10]);
        header
    }

    #[test]
    fn slices_run_backwards_along_an_axis_that_is_turned() {
        let header = turned(1, 7);
        assert_eq!((header.slice_start, header.slice_end, header.slice_code), (2, 8, 2));
    }

    #[test]
    fn slices_that_can_not_be_counted_are_dropped() {
        let header = turned(i64::MIN, i64::MAX);
        assert_eq!((header.slice_start, header.slice_end, header.slice_code, header.slice_duration), (0, 0, 0, 0.0));
        let header = turned(0, i64::MAX);
        assert_eq!((header.slice_start, header.slice_end), (10 - 1 - i64::MAX, 9));
    }
}
