//! The suite `tiling`: another program's sliding window, and the plans and weights of volkit's own rule.

mod axis_plan;
mod model;
mod sliding_window;

use std::path::Path;

use serde_json::Value;
use volkit_core::BoxError;
use volkit_io::SafetensorsStore;
use volkit_tile::{AxisPlan, AxisSpec, ImportanceMap, Layout, Overlap};

use crate::ConformanceError;
use crate::check::Check;
use crate::index::{Entry, list, read_json};
use crate::suite::{Cases, Outcome};

const MONAI: &str = "monai.json";
const AXIS_PLAN: &str = "axis_plan.json";
/// Of importance maps: absolute for MONAI's, relative for nnU-Net's.
const MAP_TOLERANCE: f64 = 1e-6;
const NN_UNET_TOLERANCE: f64 = 1e-5;

pub(crate) fn run(folder: &Path, cases: &mut Cases<'_>) -> Result<(), ConformanceError> {
    let [monai, axes] =
        [MONAI, AXIS_PLAN].map(|name| (folder.join(name), folder.join(name).with_extension("safetensors")));
    let (monai_index, axes_index) = (read_json(&monai.0)?, read_json(&axes.0)?);
    if monai_index.is_none() && axes_index.is_none() {
        return Err(ConformanceError::NoIndex { folder: folder.to_owned(), wanted: "monai.json or axis_plan.json" });
    }
    if let Some(index) = monai_index {
        let part = |field| -> Result<&[Value], ConformanceError> {
            if index.get(field).is_none() { Ok(&[]) } else { list(&monai.0, &index, field) }
        };
        for (number, value) in list(&monai.0, &index, "cases")?.iter().enumerate() {
            let entry = Entry::new(value, folder);
            let name = entry.text("name").map_or_else(|_| format!("case{number}"), str::to_owned);
            cases.case(format!("sliding_window/{name}"), || sliding_window::case(&entry, &open(&monai.1)?));
        }
        for (field, case) in [
            ("importance_maps", importance_map as Case),
            ("positions", positions),
            ("splitter", splitter),
            ("nnunet_gaussian", nn_unet_gaussian),
        ] {
            for (number, value) in part(field)?.iter().enumerate() {
                cases.case(format!("{field}/{number}"), || case(&Entry::new(value, folder), &monai.1));
            }
        }
    }
    if let Some(index) = axes_index {
        for (number, value) in list(&axes.0, &index, "cases")?.iter().enumerate() {
            let entry = Entry::new(value, folder);
            cases.case(format!("axis_plan/{number}"), || axis_plan::case(&entry, &open(&axes.1)?));
        }
    }
    Ok(())
}

type Case = fn(&Entry<'_>, &Path) -> Result<Outcome, BoxError>;

fn open(path: &Path) -> Result<SafetensorsStore, BoxError> {
    Ok(SafetensorsStore::open(path)?)
}

/// An array of a store as f64.
fn array(store: &SafetensorsStore, name: &str) -> Result<Vec<f64>, BoxError> {
    use volkit_core::ArrayStore as _;
    Ok(store.get(name)?.to_real::<f64>()?)
}

/// A share of the tile, or samples.
fn overlap(entry: &Entry<'_>) -> Result<Overlap, BoxError> {
    Ok(match entry.required("overlap")?.as_u64() {
        Some(samples) => Overlap::Samples(usize::try_from(samples)?),
        None => Overlap::Fraction(entry.number("overlap")?),
    })
}

fn spec(tile: usize, overlap: Overlap) -> AxisSpec {
    match overlap {
        Overlap::Samples(samples) => AxisSpec::new(tile, samples),
        Overlap::Fraction(fraction) => AxisSpec::fraction(tile, fraction),
    }
}

/// Whole numbers that may be negative.
fn integers(entry: &Entry<'_>, field: &str) -> Result<Vec<isize>, BoxError> {
    entry.numbers(field).map(|numbers| numbers.into_iter().map(|x| x as isize).collect())
}

fn importance_map(entry: &Entry<'_>, tensors: &Path) -> Result<Outcome, BoxError> {
    let sigma = entry.numbers("sigma_scale")?;
    let map = ImportanceMap::MonaiGaussian { sigma }.values(&entry.counts("patch")?)?;
    compare_map(&map, entry, tensors, [0.0, MAP_TOLERANCE])
}

fn nn_unet_gaussian(entry: &Entry<'_>, tensors: &Path) -> Result<Outcome, BoxError> {
    let map = ImportanceMap::NnUnetGaussian.values(&entry.counts("patch")?)?;
    compare_map(&map, entry, tensors, [NN_UNET_TOLERANCE, 0.0])
}

fn compare_map(map: &[f32], entry: &Entry<'_>, tensors: &Path, [rtol, atol]: [f64; 2]) -> Result<Outcome, BoxError> {
    let wanted = array(&open(tensors)?, entry.text("tensor")?)?;
    let got: Vec<f64> = map.iter().copied().map(f64::from).collect();
    let mut check = Check::new();
    check.close("map", &got, &wanted, rtol, atol);
    Ok(check.into())
}

fn positions(entry: &Entry<'_>, _tensors: &Path) -> Result<Outcome, BoxError> {
    let (length, tile, overlap) = (entry.count("length")?, entry.count("tile")?, overlap(entry)?);
    let mut check = Check::new();
    for (field, layout) in [("monai_end_aligned", Layout::End), ("nnunet_even", Layout::Even)] {
        let plan = AxisPlan::new(0, length, &spec(tile, overlap).with_layout(layout))?;
        check.equal(field, plan.starts(), integers(entry, field)?);
    }
    Ok(check.into())
}

fn splitter(entry: &Entry<'_>, _tensors: &Path) -> Result<Outcome, BoxError> {
    let offset = integers(entry, "offset")?[0];
    let axis = spec(entry.count("patch")?, overlap(entry)?).with_layout(Layout::Pad { offset });
    let plan = AxisPlan::new(0, entry.count("length")?, &axis)?;
    let end = plan.starts()[plan.n_tiles() - 1] + plan.tile() as isize;
    let mut check = Check::new();
    check.equal("locations", plan.starts(), integers(entry, "locations")?);
    check.equal("padded_length", end - offset.min(0), integers(entry, "padded_length")?[0]);
    Ok(check.into())
}
