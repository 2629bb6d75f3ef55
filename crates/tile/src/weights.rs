//! Weights that add to one at every sample.

use std::sync::Arc;

use crate::{AxisPlan, TileError, Window, WindowAxis};

/// A sum of weights below this share of the largest one counts as no weight.
const LEAST_SHARE: f64 = 1e-6;

/// The weights of every tile of an axis over the samples of the image that it covers ([`AxisPlan::covered`]):
/// `w_i(k) = g(k) / D(s_i + k)` with `D(x) = sum_i g(x - s_i)`, in f64.
///
/// Tiles and windows are products over the axes, so the weights of an image of any rank add to one: no count volume is
/// kept and nothing is divided at the end. A sample that one tile covers has the weight 1 exactly.
///
/// # Errors
/// [`TileError::Window`] for a window of another length, or one with negative or infinite weights;
/// [`TileError::Uncovered`] where no tile has a weight.
pub fn axis_weights(axis: usize, plan: &AxisPlan, window: &dyn Window) -> Result<Vec<Arc<[f64]>>, TileError> {
    let base = base_window(axis, plan, window)?;
    let n = plan.n_tiles();
    let half = plan.tile() / 2;
    let mut windows: Vec<&[f64]> = vec![&base; n];
    let mut sums = sum(plan, &windows);
    let largest = sums.iter().copied().fold(0.0, f64::max);
    let (mut first, mut last) = (base.clone(), base.clone());
    if sums.iter().any(|&d| d < LEAST_SHARE * largest) {
        // The border has no neighbour that could make up for a small weight.
        first[..half].fill(1.0);
        last[half..].fill(1.0);
        if n == 1 {
            first[half..].fill(1.0);
        }
        windows[n - 1] = &last;
        windows[0] = &first;
        sums = sum(plan, &windows);
    }
    if let Some(position) = sums.iter().position(|&d| d == 0.0) {
        return Err(TileError::Uncovered { axis, position });
    }
    let mut weights: Vec<Arc<[f64]>> = Vec::with_capacity(n);
    for (i, window) in windows.iter().enumerate() {
        let own: Vec<f64> = covered(plan, i, window).map(|(x, g)| g / sums[x]).collect();
        // Tiles inside an image all have the same weights: they share them.
        match weights.last().filter(|before| ***before == *own) {
            Some(same) => weights.push(Arc::clone(same)),
            None => weights.push(own.into()),
        }
    }
    Ok(weights)
}

fn base_window(axis: usize, plan: &AxisPlan, window: &dyn Window) -> Result<Vec<f64>, TileError> {
    let asked = WindowAxis { axis, tile: plan.tile(), overlap: plan.overlap() };
    let refused = |why: String| TileError::Window { axis, why };
    let base = window.weights(asked).map_err(|error| refused(error.to_string()))?;
    if base.len() != plan.tile() {
        return Err(refused(format!("the window has {} weights, the tile {} samples", base.len(), plan.tile())));
    }
    match base.iter().position(|g| !(g.is_finite() && *g >= 0.0)) {
        Some(k) => Err(refused(format!("the window has the weight {} at sample {k}", base[k]))),
        None => Ok(base),
    }
}

/// Samples of the image in tile `i` with their weights.
fn covered<'a>(plan: &AxisPlan, i: usize, window: &'a [f64]) -> impl Iterator<Item = (usize, f64)> + 'a {
    let start = plan.starts()[i];
    plan.covered(i).map(move |x| (x, window[(x as isize - start) as usize]))
}

fn sum(plan: &AxisPlan, windows: &[&[f64]]) -> Vec<f64> {
    let mut sums = vec![0.0; plan.length()];
    for (i, window) in windows.iter().enumerate() {
        covered(plan, i, window).for_each(|(x, g)| sums[x] += g);
    }
    sums
}
