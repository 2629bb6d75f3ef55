//! A whole head through a network of full size.

use std::path::{Path, PathBuf};

use volkit_core::{BoxError, SilentProgress};
use volkit_io::{SafetensorsStore, open_weights};
use volkit_seg::{Networks, SegmentationNet, SynthSeg, SynthSegOptions};

use super::runs::differing;
use super::tensors::{Channels, Kept, Tensor, VoxelValues, compare};
use super::{Fixture, PREPARED, SINGLE_VOLUME, VOLUMES_SECTION, documented, object};
use crate::ConformanceError;
use crate::check::Check;
use crate::index::Entry;
use crate::suite::{Cases, Outcome};

const STRIDE: usize = 16;
/// Largest share of labels that may differ: those of near ties, and of voxels whose posterior lies at a threshold of the
/// clean-up.
const DIFFERENT: f64 = 1e-4;
/// Tolerance of volumes, relative: that of posteriors of a network of full size, whose sums they are.
const WHOLE_VOLUME: f64 = 5e-4;
/// Tolerance of volumes added in f32 as the published program does: such a sum drifts by 2e-3 of a structure, and drifts
/// otherwise when posteriors differ in their last bits.
const PRINTED: f64 = 1e-3;
/// Every how many voxels the network's input is stored.
const INPUT_STRIDE: usize = 4;

pub(super) fn run(fixture: &Fixture<'_>, cases: &mut Cases<'_>) -> Result<bool, ConformanceError> {
    let indexes = indexes(&fixture.path("full"));
    for path in &indexes {
        let Some(index) = object(path)? else { continue };
        let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let index = serde_json::Value::Object(index);
        let entry = Entry::new(&index, fixture.folder);
        cases.case(format!("full/{name}"), || case(fixture, &path.with_extension(""), &entry));
    }
    Ok(!indexes.is_empty())
}

fn indexes(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let mut found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    found.sort();
    found
}

fn case(fixture: &Fixture<'_>, base: &Path, entry: &Entry<'_>) -> Result<Outcome, BoxError> {
    let Some(model) = &fixture.model else {
        let made_by = entry.text("weights")?;
        return Ok(Outcome::Skipped(format!("needs the weights of '{made_by}', given with --model")));
    };
    let net = SegmentationNet::from_store(open_weights(model)?.as_ref(), &fixture.build())?;
    let store = SafetensorsStore::open(base.with_extension("safetensors"))?;
    let scan = fixture.input(entry.text("input")?.split(' ').next().unwrap_or_default())?;
    let options = SynthSegOptions::new().with_compat(fixture.compat).with_keep_posteriors(true);
    let prepared = SynthSeg::prepare(&scan, &options)?;
    let mut check = Check::new();
    let placement = prepared.prepared.placement;
    let shape = entry.counts("net_input_shape")?;
    check.equal("net_input_shape", &placement.padded_size[..], shape.get(1..4).unwrap_or_default());
    let input = Tensor::read(&store, "net_input_stride4")?;
    let image = Image { size: placement.padded_size, values: &prepared.prepared.net_input };
    let mut of_input = Check::new();
    compare(&mut of_input, "the input", (&input, INPUT_STRIDE, [0; 3]), &image, Kept::Whole);
    check.within("the input", of_input.into_result(String::new()).error.unwrap_or(f64::NAN), PREPARED);
    let whole = SynthSeg::new(Networks::new(net));
    let output = whole.segment_prepared(prepared, &options, &fixture.threads, &SilentProgress)?;
    let volume = output.posteriors.as_ref().ok_or("posteriors are kept")?.to_volume()?;
    let channels = Channels::of(&volume)?;
    let tensor = Tensor::read(&store, "final_posterior_stride16")?;
    compare(&mut check, "posteriors", (&tensor, STRIDE, [0; 3]), &channels, Kept::Whole);
    labels(&mut check, base, entry, &output)?;
    let (volumes, exact) = (&output.volumes, entry.numbers("volumes_float64")?);
    let got: Vec<f64> = volumes.total.iter().chain(&volumes.structures).copied().collect();
    check.close("volumes", &got, &exact, if volumes.single { SINGLE_VOLUME } else { WHOLE_VOLUME }, 1.0);
    let printed: Vec<f64> = volumes.figures().map(|figure| volumes.rounded(figure)).collect();
    let reference = entry.numbers("volumes_reference")?;
    let off = super::postprocess::largest_relative(&printed, &reference);
    check.within("volumes as printed", off, if fixture.compat { PRINTED } else { SINGLE_VOLUME });
    if fixture.compat {
        return Ok(check.into());
    }
    Ok(Outcome::Differs(check, documented(VOLUMES_SECTION, &format!("up to {off:.1e} of a volume"))))
}

/// Counts of all labels, and every second label.
fn labels(
    check: &mut Check,
    base: &Path,
    entry: &Entry<'_>,
    output: &volkit_seg::SynthSegOutput,
) -> Result<(), BoxError> {
    let got = output.labels.as_slice::<i32>().ok_or("labels are i32")?;
    let counts = entry.entry("label_counts")?;
    let mut moved = 0usize;
    for label in volkit_seg::Structures::v2().channels().iter().map(|structure| structure.label) {
        let wanted = if counts.has(&label.to_string()) { counts.count(&label.to_string())? } else { 0 };
        moved += got.iter().filter(|&&found| i64::from(found) == i64::from(label)).count().abs_diff(wanted);
    }
    let ties = entry.count("voxels_with_top2_gap_below_1e-4")?;
    check.within("the counts of labels", moved as f64, ties as f64);
    let name = base.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stored = volkit_io::read(base.with_file_name(format!("{name}_seg_every2nd_u8.nii.gz")))?.into_volume();
    let (stored_shape, stored) = (stored.shape().to_vec(), stored.to_real::<i32>()?);
    let [nx, ny, _] = output.labels.meta().spatial_size();
    // Every second voxel of a copy of our labels that has the stored ones in place, so that the rest counts as equal.
    let mut wanted = got.to_vec();
    for (at, label) in stored.iter().enumerate() {
        let p =
            [at % stored_shape[0], at / stored_shape[0] % stored_shape[1], at / (stored_shape[0] * stored_shape[1])];
        if let Some(place) = wanted.get_mut(2 * p[0] + nx * (2 * p[1] + ny * 2 * p[2])) {
            *place = *label;
        }
    }
    let (different, beyond) = differing(output, &wanted, |label| label)?;
    check.within("the share of labels that differ", different as f64 / stored.len() as f64, DIFFERENT);
    check.note(format!("{different} of {} labels differ, {beyond} of them are no near ties", stored.len()));
    Ok(())
}

/// One value a voxel.
struct Image<'a> {
    size: [usize; 3],
    values: &'a [f32],
}

impl VoxelValues for Image<'_> {
    fn at(&self, [x, y, z]: [usize; 3]) -> Option<Vec<f32>> {
        self.values.get(x + self.size[0] * (y + self.size[1] * z)).map(|&value| vec![value])
    }
}
