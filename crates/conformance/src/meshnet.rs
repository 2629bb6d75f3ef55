//! The suite `meshnet`: real weights on a crop and on a whole head.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use volkit_core::{ArrayStore as _, BoxError, SilentProgress, Volume};
use volkit_geom::{Orientation, reorient};
use volkit_io::SafetensorsStore;
use volkit_kernels::Threads;
use volkit_seg::{Conformed, MeshNet, SegmentOptions, Segmenter as _};

use crate::ConformanceError;
use crate::check::Check;
use crate::index::{Entry, list, read_json};
use crate::machine::Machine;
use crate::suite::{Cases, Outcome, SuiteOptions};

/// Two best logits closer than this may change places when sums are done in another order.
const NEAR_TIE: f32 = 1e-3;
/// Tolerances of a crop's logits where the index names none.
const CROP_ATOL: f64 = 2e-4;
const CROP_RTOL: f64 = 1e-5;

pub(crate) fn run(
    folder: &Path,
    (options, machine): (&SuiteOptions, &Machine),
    cases: &mut Cases<'_>,
) -> Result<(), ConformanceError> {
    let path = folder.join("index.json");
    let Some(index) = read_json(&path)? else {
        return Err(ConformanceError::NoIndex { folder: folder.to_owned(), wanted: "index.json" });
    };
    let threads = Arc::new(Threads::new(options.threads));
    for (number, value) in list(&path, &index, "cases")?.iter().enumerate() {
        let entry = Entry::new(value, folder);
        let name = entry.text("name").map_or_else(|_| format!("case {number}"), str::to_owned);
        let parts = [entry.has("crop"), entry.has("labels")];
        if parts[0] {
            cases.case(format!("{name}/crop"), || crop(&entry, &threads, machine));
        }
        if parts[1] {
            cases.case(format!("{name}/head"), || head(&entry, &threads, machine));
        }
        if parts == [false; 2] {
            cases.case(name, || Err("the index has neither 'crop' nor 'labels'".into()));
        }
    }
    Ok(())
}

/// Logits in the middle of a crop that is run alone.
fn crop(entry: &Entry<'_>, threads: &Threads, machine: &Machine) -> Result<Outcome, BoxError> {
    let net = load(&entry.path("weights")?, threads, machine)?;
    let path = entry.path("crop")?;
    let store = SafetensorsStore::open(&path)?;
    let (input, wanted) = (store.get("input")?, store.get("logits_center")?);
    let (&[1, 1, nx, ny, nz], &[1, n_classes, mx, my, mz]) = (input.shape(), wanted.shape()) else {
        let shapes = format!("input {:?}, logits_center {:?}", input.shape(), wanted.shape());
        return Err(format!("{}: {shapes}: expected [1, 1, x, y, z] and [1, classes, x, y, z]", path.display()).into());
    };
    let (size, part) = ([nx, ny, nz], [mx, my, mz]);
    if (0..3).any(|axis| part[axis] > size[axis]) {
        return Err(format!("{}: logits_center {part:?} is larger than input {size:?}", path.display()).into());
    }
    let mut check = Check::new();
    check.equal("the number of classes", net.n_classes(), n_classes);
    if net.n_classes() == n_classes {
        let image = first_axis_fastest(&input.to_real::<f32>()?, size);
        let logits = net.logits(&image, size, threads)?;
        let got = centre(&logits, n_classes, size, part);
        let rtol = entry.number("crop_rtol").unwrap_or(CROP_RTOL);
        let atol = entry.number("crop_atol").unwrap_or(CROP_ATOL);
        let wanted = wanted.to_real::<f32>()?;
        let is_rounded = are_binary16(&wanted);
        if is_rounded {
            check.note("expected logits are rounded to binary16: half a step is allowed for");
        }
        let wanted: Vec<f64> = wanted.into_iter().map(f64::from).collect();
        let half_step = |w: f64| if is_rounded { half_binary16_step(w) } else { 0.0 };
        check.close_within("logits", &got, &wanted, |w| atol + rtol * w.abs() + half_step(w));
    }
    Ok(check.into())
}

/// Labels of a whole head.
fn head(entry: &Entry<'_>, threads: &Arc<Threads>, machine: &Machine) -> Result<Outcome, BoxError> {
    let net = load(&entry.path("weights")?, threads, machine)?;
    let scan = volkit_io::read(&entry.path("input")?)?.into_volume().squeezed();
    let expected = volkit_io::read(&entry.path("labels")?)?.into_volume().squeezed();
    let mut check = Check::new();
    check.equal("the shape of the labels", expected.shape(), scan.shape());
    if expected.shape() != scan.shape() {
        return Ok(check.into());
    }
    let image = Conformed::new(&scan)?;
    if image.is_resampled() {
        resampled_head(&net, &scan, &expected, entry, threads, &mut check)?;
    } else {
        conformed_head(&net, &image, &expected, threads, &mut check)?;
    }
    Ok(check.into())
}

/// On the network's own grid each differing voxel must be a near tie of this program's logits.
fn conformed_head(
    net: &MeshNet,
    image: &Conformed,
    expected: &Volume,
    threads: &Threads,
    check: &mut Check,
) -> Result<(), BoxError> {
    let (expected, _) = reorient(expected, Orientation::LIA)?;
    let wanted = expected.to_real::<i64>()?;
    let decisions = net.decide(image, threads, &SilentProgress)?;
    let pairs = decisions.labels.iter().zip(&decisions.margins).zip(&wanted);
    let different: Vec<f32> =
        pairs.filter(|((label, _), wanted)| i64::from(**label) != **wanted).map(|((_, margin), _)| *margin).collect();
    let worst = different.iter().copied().fold(0.0, f32::max);
    check.within("the margin of a differing voxel", f64::from(worst), f64::from(NEAR_TIE));
    let beyond = different.iter().filter(|margin| **margin >= NEAR_TIE).count();
    if beyond > 0 {
        check.fail(format!("{beyond} voxels differ that are no near ties"));
    }
    let allowed = decisions.near_ties(NEAR_TIE);
    check.note(format!("{} of {} voxels differ, {allowed} near ties may", different.len(), wanted.len()));
    Ok(())
}

/// On another grid the margins are lost on the way, so differing voxels are counted.
fn resampled_head(
    net: &MeshNet,
    scan: &Volume,
    expected: &Volume,
    entry: &Entry<'_>,
    threads: &Arc<Threads>,
    check: &mut Check,
) -> Result<(), BoxError> {
    let allowed = entry.count("near_ties")?;
    let options = SegmentOptions::new().with_threads(Arc::clone(threads));
    let got = net.segment(scan, &options, &SilentProgress)?.labels.to_real::<i64>()?;
    let wanted = expected.to_real::<i64>()?;
    let different = got.iter().zip(&wanted).filter(|(a, b)| a != b).count();
    check.within("the number of differing voxels", different as f64, allowed as f64);
    check.note(format!("{different} of {} voxels differ, {allowed} may", wanted.len()));
    Ok(())
}

/// Whether all numbers, and so many that it is no chance, have the 11 significant bits of binary16.
fn are_binary16(values: &[f32]) -> bool {
    const LEAST: usize = 1000;
    const DROPPED_BITS: u32 = 0x1FFF;
    const LARGEST: f32 = 65_504.0;
    values.len() >= LEAST && values.iter().all(|x| x.to_bits() & DROPPED_BITS == 0 && x.abs() <= LARGEST)
}

/// Most that rounding to the binary16 number `x` can have moved a number.
fn half_binary16_step(x: f64) -> f64 {
    const LEAST_EXPONENT: i32 = -14;
    let exponent = (x.abs().log2().floor() as i32).max(LEAST_EXPONENT);
    f64::from(exponent - 11).exp2()
}

fn load(path: &PathBuf, threads: &Threads, machine: &Machine) -> Result<MeshNet, BoxError> {
    let in_file = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
    MeshNet::from_store_built(&SafetensorsStore::open(path)?, &machine.build(threads))
        .map_err(|error| in_file(&error).into())
}

/// From an array whose last axis is fastest to one whose first axis is.
fn first_axis_fastest(values: &[f32], [nx, ny, nz]: [usize; 3]) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for z in 0..nz {
        for y in 0..ny {
            out.extend((0..nx).map(|x| values[(x * ny + y) * nz + z]));
        }
    }
    out
}

/// The middle `part` of logits (classes fastest, then x, y, z) as `[classes, x, y, z]`, last axis fastest.
fn centre(logits: &[f32], n_classes: usize, size: [usize; 3], part: [usize; 3]) -> Vec<f64> {
    let start: [usize; 3] = std::array::from_fn(|axis| (size[axis] - part[axis]) / 2);
    let mut out = Vec::with_capacity(n_classes * part.iter().product::<usize>());
    for class in 0..n_classes {
        for x in start[0]..start[0] + part[0] {
            for y in start[1]..start[1] + part[1] {
                for z in start[2]..start[2] + part[2] {
                    let voxel = x + size[0] * (y + size[1] * z);
                    out.push(f64::from(logits[voxel * n_classes + class]));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{are_binary16, centre, first_axis_fastest, half_binary16_step};

    #[test]
    fn rounding_to_binary16_is_seen() {
        // Between 8 and 16 the numbers are 1/128 apart, below 2^-14 they are 2^-24 apart.
        assert_eq!([8.0, 15.99, -1.0, 0.0].map(half_binary16_step), [8, 8, 11, 25].map(|n| 0.5f64.powi(n)));
        let mut values: Vec<f32> = (0..2000).map(|i| 8.0 + i as f32 / 128.0 * 0.5).collect();
        assert!(!are_binary16(&values));
        values.retain(|x| (x * 128.0).fract() == 0.0 && *x < 16.0);
        let repeated = values.repeat(2);
        assert!(are_binary16(&repeated) && !are_binary16(&values[..100]));
    }

    #[test]
    fn axes_turn() {
        // Value = 100 x + 10 y + z, last axis fastest.
        let size = [2, 3, 4];
        let values: Vec<f32> = (0..24).map(|v| (100 * (v / 12) + 10 * (v / 4 % 3) + v % 4) as f32).collect();
        let turned = first_axis_fastest(&values, size);
        assert_eq!(turned[..4], [0.0, 100.0, 10.0, 110.0]);
        assert_eq!(turned[2 * 3], 1.0);
        // With one class, the whole as its own centre comes back as it was.
        let back: Vec<f32> = centre(&turned, 1, size, size).iter().map(|&x| x as f32).collect();
        assert_eq!(back, values);
        let two_classes: Vec<f32> = turned.iter().flat_map(|&v| [v, -v]).collect();
        assert_eq!(centre(&two_classes, 2, size, [2, 1, 2]), [11.0, 12.0, 111.0, 112.0, -11.0, -12.0, -111.0, -112.0]);
    }
}
