//! The values of a volume: checksums, sums, samples.

use serde_json::Value;
use volkit_core::{BoxError, Volume, Voxels};

use crate::check::Check;
use crate::digest::{sha256_f64, values_f64};
use crate::index::{Entry, counts, numbers};

/// Sums are done in another order by the programs that made the goldens.
const SUM_RTOL: f64 = 1e-9;
/// Period of the weights of `wsum`.
const WEIGHT_PERIOD: usize = 997;

/// Compares real or complex values, scaled.
pub(super) fn compare(entry: &Entry<'_>, volume: &Volume, check: &mut Check) -> Result<(), BoxError> {
    if !entry.has("value_le_sha256") {
        return Ok(());
    }
    let values = values_f64(volume.voxels())?;
    check.equal("the checksum of values", sha256_f64(&values).as_str(), entry.text("value_le_sha256")?);
    let is_complex = volume.dtype().is_complex();
    if entry.has("n") {
        check.equal("the number of voxels", volume.meta().n_voxels(), entry.count("n")?);
    }
    if !is_complex {
        compare_sums(entry, &values, check)?;
    }
    let parts = if is_complex { 2 } else { 1 };
    if entry.has("samples") {
        for sample in entry.list("samples")? {
            let (offset, wanted) = sample_of(sample, volume)?;
            let got = values.get(offset * parts..(offset + 1) * parts).unwrap_or_default();
            check.close(&format!("the value at {}", sample[0]), got, &wanted, 0.0, 0.0);
        }
    }
    if entry.has("samples_all") {
        // The first voxels, one after the other.
        let wanted = entry.numbers("samples_all")?;
        check.close("values", values.get(..wanted.len()).unwrap_or(&values), &wanted, 0.0, 0.0);
    }
    Ok(())
}

/// Compares colours, byte by byte.
pub(super) fn compare_colours(entry: &Entry<'_>, volume: &Volume, check: &mut Check) -> Result<(), BoxError> {
    if !entry.has("samples_rgb") {
        return Ok(());
    }
    for sample in entry.list("samples_rgb")? {
        let (offset, wanted) = sample_of(sample, volume)?;
        let colour = match volume.voxels() {
            Voxels::Rgb24(values) => values.get(offset).map(<[u8; 3]>::as_slice),
            Voxels::Rgba32(values) => values.get(offset).map(<[u8; 4]>::as_slice),
            other => return Err(format!("colours are expected, the voxels are {}", other.dtype()).into()),
        };
        let got: Vec<f64> = colour.unwrap_or_default().iter().map(|&byte| f64::from(byte)).collect();
        check.close(&format!("the colour at {}", sample[0]), &got, &wanted, 0.0, 0.0);
    }
    Ok(())
}

/// Position in the slice and expected numbers of `[index, value]`.
fn sample_of(sample: &Value, volume: &Volume) -> Result<(usize, Vec<f64>), BoxError> {
    let wrong =
        || format!("the index has a sample {sample} that is not [index, value] of the shape {:?}", volume.shape());
    let (index, wanted) = sample.get(0).and_then(counts).zip(sample.get(1).and_then(numbers)).ok_or_else(wrong)?;
    let inside = index.len() == volume.shape().len() && index.iter().zip(volume.shape()).all(|(i, n)| i < n);
    if !inside {
        return Err(wrong().into());
    }
    let offset = index.iter().zip(volume.shape()).rev().fold(0, |offset, (i, n)| offset * n + i);
    Ok((offset, wanted))
}

fn compare_sums(entry: &Entry<'_>, values: &[f64], check: &mut Check) -> Result<(), BoxError> {
    let finite = || values.iter().copied().filter(|x| x.is_finite());
    let weighted = |(k, &x): (usize, &f64)| if x.is_finite() { x * ((k % WEIGHT_PERIOD) + 1) as f64 } else { 0.0 };
    let magnitude: f64 = finite().map(f64::abs).sum();
    let weighted_magnitude: f64 = values.iter().enumerate().map(weighted).map(f64::abs).sum();
    for (field, got, atol) in [
        ("n_nan", values.iter().filter(|x| x.is_nan()).count() as f64, 0.0),
        ("n_inf", values.iter().filter(|x| x.is_infinite()).count() as f64, 0.0),
        ("min_finite", finite().fold(f64::INFINITY, f64::min), 0.0),
        ("max_finite", finite().fold(f64::NEG_INFINITY, f64::max), 0.0),
        ("sum_finite", finite().sum(), SUM_RTOL * magnitude),
        ("wsum", values.iter().enumerate().map(weighted).sum(), SUM_RTOL * weighted_magnitude),
    ] {
        if entry.has(field) {
            check.close(field, &[got], &[entry.number(field)?], 0.0, atol);
        }
    }
    Ok(())
}
