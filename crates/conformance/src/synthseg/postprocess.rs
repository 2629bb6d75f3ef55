//! From posteriors to labels and volumes.

use std::cell::OnceCell;

use volkit_core::BoxError;
use volkit_io::SafetensorsStore;
use volkit_seg::{Placement, Posteriors, PostprocessOptions, Postprocessed, Structures, parcels, postprocess};

use super::tensors::{Channels, Kept, Tensor, compare};
use super::{Fixture, PARCELS_SECTION, SINGLE_VOLUME, VOLUME, VOLUMES_SECTION, documented, object};
use crate::ConformanceError;
use crate::check::Check;
use crate::index::Entry;
use crate::suite::{Cases, Outcome};

/// Parcels whose posteriors come from this platform's sine: the relative error that its last bits make.
const SINE: f64 = 1e-4;
/// Half of the last decimal that is printed.
const PRINTED: f64 = 5.1e-4;
/// Every how many voxels posteriors are stored.
const STRIDE: usize = 3;

pub(super) fn run(fixture: &Fixture<'_>, cases: &mut Cases<'_>) -> Result<bool, ConformanceError> {
    let Some(index) = object(&fixture.path("postprocess.json"))? else { return Ok(false) };
    let index = serde_json::Value::Object(index);
    let shared = Entry::new(&index, fixture.folder);
    let Some(fields) = index.as_object() else { return Ok(false) };
    for (name, value) in fields.iter().filter(|(_, value)| value.get("affine").is_some()) {
        let case = Case { fixture, name, entry: Entry::new(value, fixture.folder), shared, done: OnceCell::new() };
        cases.case(format!("postprocess/{name}/labels"), || case.labels());
        cases.case(format!("postprocess/{name}/volumes"), || case.volumes());
        cases.case(format!("postprocess/{name}/printed"), || case.printed());
        if case.tensor().is_ok() {
            cases.case(format!("postprocess/{name}/posteriors"), || case.posteriors());
        }
    }
    Ok(true)
}

struct Case<'a> {
    fixture: &'a Fixture<'a>,
    name: &'a str,
    entry: Entry<'a>,
    /// What all cases share.
    shared: Entry<'a>,
    done: OnceCell<Result<Postprocessed, String>>,
}

impl Case<'_> {
    fn done(&self) -> Result<&Postprocessed, BoxError> {
        let done = self.done.get_or_init(|| self.compute().map_err(|error| error.to_string()));
        Ok(done.as_ref().map_err(Clone::clone)?)
    }

    fn compute(&self) -> Result<Postprocessed, BoxError> {
        let posteriors = self.input()?;
        let size = posteriors.size;
        let parcellation = if self.has_parcels()? { Some(seeded_parcellation(size)?) } else { None };
        let [x, y, z, end_x, end_y, end_z] =
            self.shared.counts("pad_idx")?.try_into().map_err(|_| "'pad_idx' has six counts")?;
        let kept = volkit_seg::Bounds { start: [x, y, z], end: [end_x, end_y, end_z] };
        let placement = Placement::whole(size, self.entry.affine("affine")?).padded(size, kept)?;
        let options = PostprocessOptions::new()
            .with_fast(self.entry.flag("fast")?)
            .with_compat(self.fixture.compat)
            .with_keep_posteriors(true);
        Ok(postprocess(&posteriors, parcellation.as_ref(), Structures::v2(), &placement, &options)?)
    }

    /// Posteriors that are stored in 8 bits.
    fn input(&self) -> Result<Posteriors, BoxError> {
        let volume = volkit_io::read(self.fixture.path("postprocess_input_u8.nii.gz"))?.into_volume();
        let [nx, ny, nz, n] =
            <[usize; 4]>::try_from(volume.shape()).map_err(|_| "postprocess_input_u8.nii.gz has four axes")?;
        let (values, voxels) = (volume.to_real::<f32>()?, nx * ny * nz);
        let interleaved = (0..voxels * n).map(|at| values[at / n + voxels * (at % n)] / 255.0).collect();
        Ok(Posteriors::new([nx, ny, nz], n, interleaved)?)
    }

    fn has_parcels(&self) -> Result<bool, BoxError> {
        Ok(self.entry.numbers("volumes_reference")?.len() > Structures::v2().count())
    }

    fn labels(&self) -> Result<Outcome, BoxError> {
        let done = self.done()?;
        let wanted = volkit_io::read(self.fixture.path(&format!("postprocess_{}_seg.nii.gz", self.name)))?;
        let wanted = wanted.into_volume();
        let mut check = Check::new();
        check.equal("the shape", done.labels.shape(), wanted.shape());
        check.equal("the indexed shape", done.labels.shape(), &self.entry.counts("shape")?[..]);
        let (got, wanted) = (done.labels.to_real::<i32>()?, wanted.to_real::<i32>()?);
        let different = got.iter().zip(&wanted).filter(|(a, b)| a != b).count();
        check.equal("the number of labels that differ", different, 0);
        check.note(format!("0 of {} labels may differ", wanted.len()));
        Ok(check.into())
    }

    /// Figures before they are printed, against sums in f64.
    fn volumes(&self) -> Result<Outcome, BoxError> {
        let (done, wanted) = (self.done()?, self.entry.numbers("volumes_float64_exact")?);
        let tolerance = if self.fixture.compat { SINGLE_VOLUME } else { VOLUME };
        let mut check = Check::new();
        check.close("volumes", &done.volumes.structures, &wanted, tolerance, 1e-6);
        Ok(check.into())
    }

    /// Figures as the published program prints them.
    fn printed(&self) -> Result<Outcome, BoxError> {
        let volumes = &self.done()?.volumes;
        let got: Vec<f64> = volumes.figures().map(|figure| volumes.rounded(figure)).collect();
        let wanted = self.entry.numbers("volumes_reference")?;
        let (n, mut check) = (Structures::v2().count(), Check::new());
        if got.len() != wanted.len() || wanted.len() < n {
            return Err(format!("{} figures, expected {}", got.len(), wanted.len()).into());
        }
        if self.fixture.compat {
            // Added in the same order and the same type: the same bits.
            let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
            check.equal("the total and the structures", single(&got[..n]), single(&wanted[..n]));
            check.close("parcels", &got[n..], &wanted[n..], SINE, PRINTED);
            return Ok(check.into());
        }
        check.close("the total and the structures", &got[..n], &wanted[..n], SINGLE_VOLUME, PRINTED);
        let largest = largest_relative(&got[..n], &wanted[..n]);
        if wanted.len() == n {
            let size = format!("up to {largest:.1e} of a volume");
            return Ok(Outcome::Differs(check, documented(VOLUMES_SECTION, &size)));
        }
        // The published program scales parcels to the white matter: its figures times cortex / white matter are ours.
        let exact = self.entry.numbers("volumes_float64_exact")?;
        let factor = of_labels(&exact, [3, 42])? / of_labels(&exact, [2, 41])?;
        let scaled: Vec<f64> = wanted[n..].iter().map(|value| value * factor).collect();
        check.close("parcels", &got[n..], &scaled, SINE, PRINTED * factor.max(1.0));
        let size = format!("parcels are {factor:.4} times those of the published program");
        Ok(Outcome::Differs(check, documented(PARCELS_SECTION, &size)))
    }

    fn tensor(&self) -> Result<Tensor, BoxError> {
        let store = SafetensorsStore::open(self.fixture.path("postprocess_posteriors.safetensors"))?;
        Tensor::read(&store, &format!("{}.posteriors_stride{STRIDE}", self.name))
    }

    fn posteriors(&self) -> Result<Outcome, BoxError> {
        let (tensor, done) = (self.tensor()?, self.done()?);
        let volume = done.posteriors.as_ref().ok_or("posteriors are kept")?.to_volume()?;
        let mut check = Check::new();
        compare(&mut check, "posteriors", (&tensor, STRIDE, [0; 3]), &Channels::of(&volume)?, Kept::Whole);
        Ok(check.into())
    }
}

/// Volume of both labels, out of figures without a total.
pub(super) fn of_labels(structures: &[f64], labels: [u32; 2]) -> Result<f64, BoxError> {
    let table = Structures::of_channels(structures.len() + 1)?;
    let of = |label| table.channel_of(label).and_then(|channel| structures.get(channel - 1)).ok_or("no such label");
    Ok(of(labels[0])? + of(labels[1])?)
}

/// Largest relative difference of figures above 1.
pub(super) fn largest_relative(got: &[f64], wanted: &[f64]) -> f64 {
    got.iter().zip(wanted).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

/// Parcellation posteriors by the formula of the folder's index.
fn seeded_parcellation(size: [usize; 3]) -> Result<Posteriors, BoxError> {
    let (n, [nx, ny, nz]) = (parcels().len(), size);
    let mut values = Vec::with_capacity(nx * ny * nz * n);
    for at in 0..nx * ny * nz {
        let [i, j, k] = [at % nx, at / nx % ny, at / (nx * ny)].map(|p| p as f32);
        let power = |class: usize| {
            let c = class as f32;
            let logit = (0.15 * (c + 1.0) * i + 0.3 * c).sin() + (0.11 * c * j).cos() + (0.07 * k * c + c).sin();
            (2.0 * f64::from(logit)).exp()
        };
        let powers: Vec<f64> = (0..n).map(power).collect();
        let sum: f64 = powers.iter().sum();
        values.extend(powers.iter().map(|power| (power / sum) as f32));
    }
    Ok(Posteriors::new(size, n, values)?)
}
