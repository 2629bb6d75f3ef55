//! Fields of NIfTI headers and their extensions.

use volkit_core::BoxError;
use volkit_io::{Header, ImageInfo, NiftiHeader};

use crate::check::Check;
use crate::index::Entry;

pub(super) fn compare(entry: &Entry<'_>, info: &ImageInfo, check: &mut Check) -> Result<(), BoxError> {
    let Header::Nifti(header) = &info.header else {
        if entry.has("header") {
            check.fail(format!("has no NIfTI header, it was read as {}", info.format));
        }
        return Ok(());
    };
    if entry.has("header") {
        compare_fields(&entry.entry("header")?, header, check)?;
    }
    // What the file holds, also where it means nothing (a slope of 0).
    for (field, got) in [
        ("stored_slope", header.scl_slope),
        ("stored_inter", header.scl_inter),
        ("stored_vox_offset", header.vox_offset),
    ] {
        if entry.has(field) {
            check.close(field, &[got], &[entry.number(field)?], 0.0, 0.0);
        }
    }
    if entry.has("extensions") {
        let wanted = entry.list("extensions")?;
        check.equal("the number of extensions", header.extensions.len(), wanted.len());
        for (extension, wanted) in header.extensions.iter().zip(wanted) {
            let code = wanted.get("ecode").and_then(serde_json::Value::as_i64);
            check.equal("an extension's code", Some(i64::from(extension.code)), code);
            let content: String = extension.content().iter().map(|byte| format!("{byte:02x}")).collect();
            let wanted =
                wanted.get("content_hex").and_then(serde_json::Value::as_str).map(|hex| hex.trim_end_matches("00"));
            check.equal("an extension's content", Some(content.trim_end_matches("00")), wanted);
        }
    }
    Ok(())
}

fn compare_fields(entry: &Entry<'_>, header: &NiftiHeader, check: &mut Check) -> Result<(), BoxError> {
    for (field, got) in [
        ("intent_code", header.intent_code),
        ("slice_code", header.slice_code),
        ("xyzt_units", header.xyzt_units),
        ("datatype", header.datatype),
        ("bitpix", header.bitpix),
        ("dim_info", header.dim_info),
    ] {
        if entry.has(field) {
            check.equal(field, got as f64, entry.number(field)?);
        }
    }
    for (field, got) in [("qform_code", header.qform_code), ("sform_code", header.sform_code)] {
        if entry.has(field) {
            check.equal(field, valid_code(got as f64), valid_code(entry.number(field)?));
        }
    }
    if entry.has("pixdim") {
        let wanted = repaired_pixdim(&entry.numbers("pixdim")?);
        check.close("pixdim", &repaired_pixdim(&header.pixdim), &wanted, 0.0, 0.0);
    }
    let dim = header.dim.map(|n| n as f64);
    for (field, got) in [
        ("dim", dim.as_slice()),
        ("intent_p", &header.intent_p),
        ("cal_min", &[header.cal_min]),
        ("cal_max", &[header.cal_max]),
        ("toffset", &[header.toffset]),
    ] {
        if entry.has(field) {
            check.close(field, got, &entry.numbers(field)?, 0.0, 0.0);
        }
    }
    for (field, got) in [("descrip", header.description()), ("intent_name", header.intent_text())] {
        if entry.has(field) {
            check.equal(field, got.as_str(), entry.text(field)?);
        }
    }
    Ok(())
}

/// A form's code, 0 where it is none of the standard. Readers differ in whether they show the field as stored or as it
/// counts, so both sides of a comparison are brought to what counts.
fn valid_code(code: f64) -> f64 {
    if (0.0..=5.0).contains(&code) { code } else { 0.0 }
}

/// `pixdim` as it counts: a handedness other than -1 is 1, a spacing of 0 is 1, a negative one its absolute value.
fn repaired_pixdim(pixdim: &[f64]) -> Vec<f64> {
    let repaired = |(axis, &value): (usize, &f64)| match axis {
        0 if value == -1.0 => -1.0,
        0 => 1.0,
        1..=3 if value == 0.0 => 1.0,
        1..=3 => value.abs(),
        _ => value,
    };
    pixdim.iter().enumerate().map(repaired).collect()
}

#[cfg(test)]
mod tests {
    use super::{repaired_pixdim, valid_code};

    #[test]
    fn what_counts_of_odd_fields() {
        assert_eq!([-3.0, 0.0, 5.0, 6.0, 77.0].map(valid_code), [0.0, 0.0, 5.0, 0.0, 0.0]);
        assert_eq!(repaired_pixdim(&[7.0, 0.0, -2.0, 1.5, -1.0, 0.0]), [1.0, 1.0, 2.0, 1.5, -1.0, 0.0]);
        assert_eq!(repaired_pixdim(&[-1.0]), [-1.0]);
    }
}
