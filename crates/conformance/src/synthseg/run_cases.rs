//! What is compared of a run.

use volkit_core::{ArrayStore as _, BoxError, SilentProgress};
use volkit_seg::{
    NetworkOptions, NetworkOutput, Posteriors, QC_SIZE, Structures, SynthSeg, SynthSegCsv, parcels, qc_header,
    qc_input, qc_scores,
};

use super::postprocess::{largest_relative, of_labels};
use super::preprocess::numbers;
use super::runs::{Run, differing, plain_labels};
use super::tensors::{Channels, Kept, Tensor, compare};
use super::{
    PARCELS_SECTION, QUALITY_SECTION, SCORE, SINGLE_VOLUME, SMOOTHING_SECTION, VOLUME, VOLUMES_SECTION, documented,
};
use crate::check::Check;
use crate::suite::Outcome;

/// What voxels add to a volume whose posterior lies within rounding of a threshold and falls on its other side, in mm3.
const AT_THRESHOLD_MM3: f64 = 1.0;
/// Of the largest value of a resampled scan, and half a step of the 8 bits that the file may have.
const RESAMPLED: f64 = 1e-4 + 0.5 / 255.0;
const SEGMENTATION_TENSOR: &str = "net_seg_posterior_kept_region_stride4";
const PARCELLATION_TENSOR: &str = "net_parc_posterior_stride16";

pub(super) fn placement(run: &Run<'_>) -> Result<Outcome, BoxError> {
    let (placement, entry) = (&run.done()?.output.placement, &run.entry);
    let mut check = Check::new();
    let shape = entry.counts("net_input_shape")?;
    check.equal("net_input_shape", &placement.padded_size[..], shape.get(1..4).unwrap_or_default());
    check.equal("pad_idx", numbers(placement.kept), entry.counts("pad_idx")?);
    let crop = if entry.has("crop_idx") { Some(entry.counts("crop_idx")?) } else { None };
    check.equal("crop_idx", placement.crop.map(numbers), crop);
    Ok(check.into())
}

pub(super) fn labels(run: &Run<'_>) -> Result<Outcome, BoxError> {
    let (done, (alike, _)) = (run.done()?, run.alike()?);
    let (output, own) = (&done.output, run.label_volume(run.name)?);
    let mut check = Check::new();
    check.equal("the shape", output.labels.shape(), own.shape());
    let (affine, wanted) = (output.labels.affine().rows(), own.affine().rows());
    check.close("the affine", affine.as_flattened(), wanted.as_flattened(), 1e-5, 1e-4);
    let own = own.to_real::<i32>()?;
    let (different, beyond) = differing(output, &own, |label| label)?;
    if run.compat() || beyond == 0 || !(run.flags.is_raw() || run.flags.is_raw_parcellation()) {
        check.equal("the number of labels that differ and are no near ties", beyond, 0);
        let note = format!("{different} of {} labels differ", own.len());
        check.note(if done.note.is_empty() { note } else { done.note.clone() });
        return Ok(check.into());
    }
    // Structures are those of the run that smooths; where parcels lie in the cortex is another network's decision.
    let (_, beyond) = differing(output, &run.labels(alike)?, plain_labels)?;
    check.equal("the number of structures that differ and are no near ties", beyond, 0);
    let got = output.labels.as_slice::<i32>().ok_or("labels are i32")?;
    if run.flags.parc {
        let is_parcel = |label: i32| parcels().iter().skip(1).any(|parcel| i64::from(parcel.label) == i64::from(label));
        let is_wrong = |label: &&i32| [3, 42].contains(*label) || **label > 1000 && !is_parcel(**label);
        check.equal("the number of voxels of the cortex without a parcel", got.iter().filter(is_wrong).count(), 0);
    }
    let size = format!("{different} of {} labels are others than those of the published program", own.len());
    Ok(Outcome::Differs(check, documented(SMOOTHING_SECTION, &size)))
}

pub(super) fn posteriors(run: &Run<'_>) -> Result<Outcome, BoxError> {
    let (output, (alike, _)) = (&run.done()?.output, run.alike()?);
    let volume = output.posteriors.as_ref().ok_or("posteriors are kept")?.to_volume()?;
    let channels = Channels::of(&volume)?;
    let tensor = Tensor::read(&run.tensors(alike)?, "posteriors_stride")?;
    let mut check = Check::new();
    compare(&mut check, "posteriors", (&tensor, run.stride(alike)?, [0; 3]), &channels, Kept::Whole);
    if alike == run.name {
        return Ok(check.into());
    }
    let (mut own, stored) = (Check::new(), Tensor::read(&run.tensors(run.name)?, "posteriors_stride")?);
    compare(&mut own, "posteriors", (&stored, run.stride(run.name)?, [0; 3]), &channels, Kept::Whole);
    let off = own.into_result(String::new()).error.unwrap_or(f64::NAN);
    let size = format!("equal to those of {alike}; up to {off:.2} off those of the published program");
    Ok(Outcome::Differs(check, documented(SMOOTHING_SECTION, &size)))
}

/// Volumes against sums in f64; a run without a crop in `compat` has sums in f32.
pub(super) fn volumes(run: &Run<'_>) -> Result<Outcome, BoxError> {
    let (volumes, (alike, entry)) = (&run.done()?.output.volumes, run.alike()?);
    let wanted = entry.numbers("volumes_float64")?;
    let rtol = if volumes.single { SINGLE_VOLUME } else { VOLUME };
    let mut check = Check::new();
    check.close("volumes", &volumes.structures, &wanted, rtol, AT_THRESHOLD_MM3);
    if let Some(total) = volumes.total {
        check.close("the total", &[total], &[wanted.iter().sum()], rtol, AT_THRESHOLD_MM3);
    }
    if alike == run.name {
        return Ok(check.into());
    }
    let off = largest_relative(&volumes.structures, &run.entry.numbers("volumes_float64")?);
    let size = format!("equal to those of {alike}; up to {off:.1e} off those of the published program");
    Ok(Outcome::Differs(check, documented(SMOOTHING_SECTION, &size)))
}

/// Cells of the last line of a table.
fn cells(table: &str) -> Result<Vec<f64>, BoxError> {
    let row = table.trim_end().lines().last().ok_or("an empty table")?;
    row.split(',').skip(1).map(|cell| Ok(cell.trim().parse::<f64>()?)).collect()
}

/// The table that the published program wrote.
pub(super) fn table(run: &Run<'_>) -> Result<Outcome, BoxError> {
    let (volumes, text) = (&run.done()?.output.volumes, std::fs::read_to_string(run.file("_vol.csv"))?);
    let structures = if run.flags.v1 { Structures::v1() } else { Structures::v2() };
    let csv = SynthSegCsv::new(structures);
    let csv = if run.flags.parc { csv.with_parcels() } else { csv };
    let mut check = Check::new();
    check.equal("the header", text.split_inclusive('\n').next(), Some(csv.header("subject").as_str()));
    let (got, wanted) = (cells(&csv.row("", volumes))?, cells(&text)?);
    check.equal("the number of cells", got.len(), wanted.len());
    // Parcels are scaled by a few sums in f32.
    let tolerance = |wanted: &f64| AT_THRESHOLD_MM3 + VOLUME * wanted.abs();
    let is_equal = got.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= tolerance(b));
    let is_followed_otherwise = run.flags.parc || run.flags.is_raw();
    let is_in_f64 = run.entry.has("crop_idx");
    if run.compat() || is_in_f64 && (is_equal || !is_followed_otherwise) {
        check.close_within("the table", &got, &wanted, |wanted| tolerance(&wanted));
        let same = got.iter().zip(&wanted).filter(|(a, b)| a == b).count();
        check.note(format!("{same} of {} cells are the same", wanted.len()));
        return Ok(check.into());
    }
    let n = csv.names().len() - volumes.parcels.len();
    let (first, mine, theirs) = (usize::from(volumes.total.is_some()), &got[..n], &wanted[..n]);
    if !run.flags.is_raw() {
        check.close("the total and the structures", mine, theirs, SINGLE_VOLUME, AT_THRESHOLD_MM3);
    }
    if !run.flags.parc {
        let size = format!("up to {:.1e} of a volume", largest_relative(mine, theirs));
        return Ok(Outcome::Differs(check, documented(VOLUMES_SECTION, &size)));
    }
    // Parcels add up to the cortex; those of the published program to the white matter where there is a total.
    let labels = if run.flags.v1 { [3, 42] } else { [2, 41] };
    let sums = [&got[n..], &wanted[n..]].map(|parcels| parcels.iter().sum::<f64>());
    let cortex = of_labels(&mine[first..], [3, 42])?;
    check.close("the sum of parcels", &[sums[0]], &[cortex], 1e-4, 0.1);
    check.close("the published sum of parcels", &[sums[1]], &[of_labels(&theirs[first..], labels)?], 1e-4, 0.1);
    let size = format!("parcels add up to {:.1} mm3, in the published table to {:.1}", sums[0], sums[1]);
    let section = if run.flags.v1 { SMOOTHING_SECTION } else { PARCELS_SECTION };
    Ok(Outcome::Differs(check, documented(section, &size)))
}

pub(super) fn scores(run: &Run<'_>) -> Result<Outcome, BoxError> {
    let done = run.done()?;
    let got = done.output.qc_scores.as_ref().ok_or("a run with scores has them")?;
    let got: Vec<f64> = got.iter().map(|&score| f64::from(score)).collect();
    let text = std::fs::read_to_string(run.file("_qc.csv"))?;
    let (wanted, mut check) = (cells(&text)?, Check::new());
    check.equal("the header", text.split_inclusive('\n').next(), Some(qc_header("subject").as_str()));
    if run.compat() {
        check.close("scores", &got, &wanted, 0.0, SCORE);
        return Ok(check.into());
    }
    let output = network_output(run, false)?;
    let channels = output.quality_channels.ok_or("a run with scores has channels")?;
    let (size, structures) = (done.output.placement.padded_size, run_structures(run));
    let ours = qc_input(&channels, size, structures, false)?;
    let theirs = qc_input(&channels, size, structures, true)?;
    check.equal("where the cube of the quality network begins", ours.start, cube_start(&channels, size, structures));
    if ours == theirs && !run.flags.is_raw() {
        check.close("scores", &got, &wanted, 0.0, SCORE);
        check.note("the cube is the same by either rule");
        return Ok(check.into());
    }
    // The same network on the cube that follows from the labels: worked out here once more.
    let again = run.quality()?.scores(&ours.groups, [QC_SIZE; 3], &run.fixture.threads, &SilentProgress)?;
    let again: Vec<f32> = qc_scores(&again.into_iter().map(|score| score as f32).collect::<Vec<_>>());
    check.equal("scores", got.clone(), again.iter().map(|&score| f64::from(score)).collect::<Vec<_>>());
    let off = got.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let size =
        format!("the cube begins at {:?}, by channel 24 at {:?}; scores up to {off:.4} off", ours.start, theirs.start);
    Ok(Outcome::Differs(check, documented(QUALITY_SECTION, &size)))
}

/// First voxel of 224^3 around what is neither background nor label 24.
fn cube_start(channels: &[u8], size: [usize; 3], structures: &Structures) -> [i64; 3] {
    let outer = structures.channel_of(24);
    let places =
        channels.iter().enumerate().filter(|(_, channel)| **channel != 0 && Some(usize::from(**channel)) != outer);
    let (mut low, mut high) = ([i64::MAX; 3], [i64::MIN; 3]);
    for (at, _) in places {
        let p = [at % size[0], at / size[0] % size[1], at / (size[0] * size[1])].map(|i| i as i64);
        low = std::array::from_fn(|axis| low[axis].min(p[axis]));
        high = std::array::from_fn(|axis| high[axis].max(p[axis] + 1));
    }
    if low[0] == i64::MAX {
        (low, high) = ([0; 3], size.map(|n| n.min(QC_SIZE) as i64));
    }
    let missing = |axis: usize| QC_SIZE as f64 - (high[axis] - low[axis]) as f64;
    std::array::from_fn(|axis| low[axis] - (missing(axis) / 2.0).ceil() as i64)
}

pub(super) fn resampled(run: &Run<'_>) -> Result<Outcome, BoxError> {
    let wanted = volkit_io::read(run.file("_resampled.nii.gz"))?.into_volume();
    let mut check = Check::new();
    let Some(got) = &run.done()?.output.resampled else {
        // The file of a scan that needs no resampling is the scan itself.
        let values = run.scan()?.to_real::<f64>()?;
        check.close("the scan", &values, &wanted.to_real::<f64>()?, RESAMPLED, 0.0);
        check.note("the scan was not resampled");
        return Ok(check.into());
    };
    check.equal("the shape", got.shape(), wanted.shape());
    check.close("the affine", got.affine().rows().as_flattened(), wanted.affine().rows().as_flattened(), 1e-5, 1e-6);
    let wanted = wanted.to_real::<f64>()?;
    let largest = wanted.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    check.close("the resampled scan", &got.to_real::<f64>()?, &wanted, 0.0, RESAMPLED * largest);
    Ok(check.into())
}

/// Whether the folder keeps what the networks of a run gave.
pub(super) fn has_networks(run: &Run<'_>) -> bool {
    let has = |name: &str| run.tensors(run.name).is_ok_and(|store| store.names().iter().any(|found| found == name));
    has(SEGMENTATION_TENSOR) || has(PARCELLATION_TENSOR) || run.flags.fast || run.flags.robust
}

fn run_structures(run: &Run<'_>) -> &'static Structures {
    if run.flags.v1 { Structures::v1() } else { Structures::v2() }
}

/// What the networks give before post-processing.
fn network_output(run: &Run<'_>, compat: bool) -> Result<NetworkOutput, BoxError> {
    let (scan, options) = (run.scan()?, run.options(compat)?);
    let prepared = SynthSeg::prepare(&scan, &options)?.prepared;
    let mut networks = run.followed(run.segmentation(&scan, &options)?.0)?;
    if run.flags.qc {
        networks = networks.with_quality(run.quality()?);
    }
    let how = NetworkOptions::default().with_fast(run.flags.fast || run.flags.robust).with_compat(compat);
    let size = prepared.placement.padded_size;
    Ok(networks.run(&prepared.net_input, size, &how, &run.fixture.threads, &SilentProgress)?)
}

/// Posteriors of the networks before post-processing.
pub(super) fn networks(run: &Run<'_>) -> Result<Outcome, BoxError> {
    let (store, flags) = (run.tensors(run.name)?, run.flags);
    let published = network_output(run, true)?;
    let kept = run.done()?.output.placement.kept.start;
    let mut check = Check::new();
    if let Ok(tensor) = Tensor::read(&store, SEGMENTATION_TENSOR) {
        // Classes were cleaned up and thresholds applied in place before it was stored.
        let whole = Kept::ProportionsFrom(0);
        compare(&mut check, "the segmentation network", (&tensor, 4, kept), &published.segmentation, whole);
    }
    if flags.fast || flags.robust {
        // Fast runs work on a copy of what they keep, so that the mean of all channels is that of the network.
        let means = run.entry.numbers("net_output_mean")?;
        let mean = mean(&published.segmentation);
        check.within("the mean of the segmentation network", (mean - means.first().unwrap_or(&f64::NAN)).abs(), 1e-6);
    }
    if let Ok(tensor) = Tensor::read(&store, PARCELLATION_TENSOR) {
        let parcellation = published.parcellation.as_ref().ok_or("a run with parcels has a parcellation")?;
        // The background was set to 0 or 1 in place, and the sum to 1, before it was stored.
        let parcels = Kept::ProportionsFrom(1);
        compare(&mut check, "the parcellation network", (&tensor, 16, [0; 3]), parcellation, parcels);
    }
    if run.compat() || !(flags.is_raw() || flags.is_raw_parcellation()) {
        return Ok(check.into());
    }
    let ours = network_output(run, false)?;
    let segmentation = flags.is_raw().then_some((&ours.segmentation, &published.segmentation));
    let parcellation = ours.parcellation.as_ref().zip(published.parcellation.as_ref());
    let parcellation = parcellation.filter(|_| flags.is_raw_parcellation());
    let mut sizes = Vec::new();
    for (name, (ours, theirs)) in [("segmentation", segmentation), ("parcellation", parcellation)]
        .into_iter()
        .filter_map(|(name, pair)| Some((name, pair?)))
    {
        let smoothed = theirs.smoothed(&run.fixture.threads)?;
        check.within(name, largest(&smoothed, ours), super::POSTERIOR);
        sizes.push(format!("{name} up to {:.2} off before smoothing", largest(theirs, ours)));
    }
    Ok(Outcome::Differs(check, documented(SMOOTHING_SECTION, &sizes.join(", "))))
}

fn mean(posteriors: &Posteriors) -> f64 {
    posteriors.values.iter().map(|&value| f64::from(value)).sum::<f64>() / posteriors.values.len() as f64
}

fn largest(a: &Posteriors, b: &Posteriors) -> f64 {
    if a.values.len() != b.values.len() {
        return f64::INFINITY;
    }
    a.values.iter().zip(&b.values).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}
