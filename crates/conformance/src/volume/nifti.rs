//! One file of `nifti/index.json`.

use volkit_core::{BoxError, Volume};
use volkit_io::{Endian, ImageInfo, ReadOptions, Values, probe, read_with};

use super::{canonical, header, values};
use crate::check::Check;
use crate::digest::{dtype, sha256_le};
use crate::index::Entry;
use crate::suite::Outcome;

/// Of affines and spacings: some peers compute them in f32.
pub(super) const RTOL: f64 = 1e-6;
pub(super) const ATOL: f64 = 1e-6;

pub(super) fn case(entry: &Entry<'_>) -> Result<Outcome, BoxError> {
    let paths = entry.paths("files")?;
    for path in &paths {
        // A file that is missing would pass as one that is refused.
        std::fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let path = &paths[0];
    let mut check = Check::new();
    match entry.text("expect")? {
        "ok" | "ok_by_content" | "ok_by_rule" => {}
        "error" => {
            if read_with(path, &ReadOptions::default()).is_ok() {
                check.fail("was read, expected an error");
            }
            return Ok(check.into());
        }
        other => return Err(format!("the index has 'expect' = {other}, which is not known").into()),
    }
    let info = probe(path)?;
    compare_info(entry, &info, &mut check)?;
    // The other files of a pair open as well, and tell the same.
    for other in &paths[1..] {
        check.equal("the shape by the pair's other file", probe(other)?.meta.shape(), info.meta.shape());
    }
    let stored = read_with(path, &ReadOptions::default().with_values(Values::Stored))?.into_volume();
    if entry.has("raw_le_sha256") {
        let wanted = entry.text("raw_le_sha256")?;
        check.equal("the checksum of stored voxels", sha256_le(stored.voxels().view()).as_str(), wanted);
    }
    values::compare_colours(entry, &stored, &mut check)?;
    let native = read_with(path, &ReadOptions::default())?.into_volume();
    values::compare(entry, &native, &mut check)?;
    if entry.has("canonical") {
        canonical::compare(&entry.entry("canonical")?, &native, &mut check)?;
    }
    header::compare(entry, &info, &mut check)?;
    compare_places(entry, &info, &native, &mut check);
    Ok(check.into())
}

/// What the file says before its voxels are read.
fn compare_info(entry: &Entry<'_>, info: &ImageInfo, check: &mut Check) -> Result<(), BoxError> {
    if entry.has("shape") {
        check.equal("the shape", info.meta.shape(), entry.counts("shape")?.as_slice());
    }
    if entry.has("dtype") {
        let wanted = entry.text("dtype")?;
        check.equal("the stored type", Some(info.stored), dtype(wanted));
    }
    if entry.has("endian") {
        let got = if info.endian == Endian::Big { "big" } else { "little" };
        // One byte a voxel has no order of its own, but the header has.
        check.equal("the byte order", got, entry.text("endian")?);
    }
    if entry.has("affine") {
        let got = info.meta.affine().to_matrix().concat();
        check.close("affine", &got, &entry.affine("affine")?.to_matrix().concat(), RTOL, ATOL);
    }
    if entry.has("zooms") {
        check.close("zooms", info.meta.spacing(), &entry.numbers("zooms")?, RTOL, ATOL);
    }
    for (field, got) in [("effective_slope", info.scaling.slope), ("effective_inter", info.scaling.inter)] {
        if entry.has(field) {
            check.close(field, &[got], &[entry.number(field)?], 0.0, 0.0);
        }
    }
    Ok(())
}

/// Whole reads must agree with what opening alone gave.
fn compare_places(entry: &Entry<'_>, info: &ImageInfo, native: &Volume, check: &mut Check) {
    check.equal("the shape when read", native.shape(), info.meta.shape());
    check.equal("the element type when read", native.dtype(), info.meta.dtype());
    if entry.has("affine") {
        let (read, probed) = (native.affine().to_matrix().concat(), info.meta.affine().to_matrix().concat());
        check.close("the affine when read", &read, &probed, 0.0, 0.0);
    }
}
