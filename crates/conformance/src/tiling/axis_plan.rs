//! Plans, windows and weights of one axis.

use volkit_core::BoxError;
use volkit_io::SafetensorsStore;
use volkit_tile::{AxisPlan, AxisSpec, Layout, NamedWindow, Window as _, WindowAxis, axis_weights};

use super::{array, integers};
use crate::check::Check;
use crate::index::Entry;
use crate::suite::Outcome;

/// Base windows are computed in f64.
const BASE_TOLERANCE: f64 = 1e-12;
/// Weights are rounded to f32.
const WEIGHT_TOLERANCE: f64 = 1e-7;
/// Weights add to one.
const SUM_TOLERANCE: f64 = 1e-6;

pub(super) fn case(entry: &Entry<'_>, store: &SafetensorsStore) -> Result<Outcome, BoxError> {
    let layout = match entry.text("layout")? {
        "end" => Layout::End,
        "even" => Layout::Even,
        other => return Ok(Outcome::Skipped(format!("layout {other} is not known"))),
    };
    let window = window(entry)?;
    let (tile, overlap) = (entry.count("T")?, entry.count("O")?);
    let plan = AxisPlan::new(0, entry.count("L")?, &AxisSpec::new(tile, overlap).with_layout(layout))?;
    let mut check = Check::new();
    let covered: Vec<_> = (0..plan.n_tiles()).map(|i| plan.covered(i)).collect();
    let starts: Vec<isize> = covered.iter().map(|range| range.start as isize).collect();
    check.equal("starts", starts, integers(entry, "starts")?);
    check.equal("lengths", covered.iter().map(ExactSizeIterator::len).collect::<Vec<_>>(), entry.counts("lengths")?);
    let cores: Vec<f64> =
        (0..plan.n_tiles()).flat_map(|i| [plan.core(i).start as f64, plan.core(i).end as f64]).collect();
    check.equal("crop_cores", cores, entry.numbers("crop_cores")?);
    let base = window.weights(WindowAxis { axis: 0, tile, overlap })?;
    check.close("base", &base, &array(store, entry.text("base")?)?, 0.0, BASE_TOLERANCE);
    let weights = axis_weights(0, &plan, &window)?;
    let rounded: Vec<f64> = weights.iter().flat_map(|own| own.iter().map(|&w| f64::from(w as f32))).collect();
    check.close("weights", &rounded, &array(store, entry.text("weights")?)?, 0.0, WEIGHT_TOLERANCE);
    let mut sums = vec![0.0; plan.length()];
    for (x, weight) in covered.into_iter().flatten().zip(&rounded) {
        sums[x] += weight;
    }
    check.close("sum of weights", &sums, &vec![1.0; plan.length()], 0.0, SUM_TOLERANCE);
    Ok(check.into())
}

fn window(entry: &Entry<'_>) -> Result<NamedWindow, BoxError> {
    Ok(match entry.text("window")? {
        "gaussian" => NamedWindow::Gaussian { sigma: entry.numbers("sigma")? },
        "tukey" => NamedWindow::Tukey { alpha: entry.number("alpha")? },
        name => name.replace('_', "-").parse()?,
    })
}
