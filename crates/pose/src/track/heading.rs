//! The direction of the body, its sign carried from frame to frame.

use super::Moments;
use crate::matrix::{apply, dot, eigen, norm, of_symmetric, product, sub, unit};

/// What motion along the axis weighs beside the agreement of neighbouring frames.
const MOTION: f64 = 0.5;

/// The angle of the body's axis in each frame: that of the eigenvector of the largest eigenvalue of the covariance, in the
/// plane of x and y.
///
/// The signs are those, of all frames together, that agree best: with where optimal transport between the Gaussians of
/// neighbouring frames carries the axis, and with motion, which is forward. (The published rule takes the sign of each frame
/// from the one before alone, so that one error stays to the end.)
#[must_use]
pub fn headings(moments: &[Moments]) -> Vec<f64> {
    let axes: Vec<[f64; 3]> = moments.iter().map(|m| eigen(&m.covariance).1[2]).collect();
    let steps: Vec<[f64; 3]> = moments.windows(2).map(|pair| sub(pair[1].centre, pair[0].centre)).collect();
    let mean_step = steps.iter().map(|step| norm(*step)).sum::<f64>() / steps.len().max(1) as f64;
    // Best sums of agreements up to a frame whose sign is + or -, and the sign of the frame before in each.
    let mut best = [0.0; 2];
    let mut before: Vec<[usize; 2]> = Vec::with_capacity(steps.len());
    for (t, step) in steps.iter().enumerate() {
        let tip = unit(transported(&moments[t], &moments[t + 1], axes[t])).unwrap_or(axes[t]);
        let agreement = dot(tip, axes[t + 1]);
        let forward = if mean_step > 0.0 { (dot(*step, axes[t + 1]) / mean_step).clamp(-1.0, 1.0) } else { 0.0 };
        let sum = |from: usize, to: usize| {
            let sign = if to == 0 { 1.0 } else { -1.0 };
            best[from] + if from == to { agreement } else { -agreement } + MOTION * sign * forward
        };
        let from = [0, 1].map(|to| usize::from(sum(1, to) > sum(0, to)));
        best = [sum(from[0], 0), sum(from[1], 1)];
        before.push(from);
    }
    let mut sign = usize::from(best[1] > best[0]);
    let mut signs = vec![sign];
    for from in before.iter().rev() {
        sign = from[sign];
        signs.push(sign);
    }
    signs.reverse();
    let angle = |(axis, sign): (&[f64; 3], &usize)| {
        let s = if *sign == 0 { 1.0 } else { -1.0 };
        (s * axis[1]).atan2(s * axis[0])
    };
    axes.iter().zip(&signs).map(angle).collect()
}

/// Where the map between the Gaussians takes `mean + axis`, seen from the mean of the second:
/// `S2^1/2 (S2^1/2 S1 S2^1/2)^-1/2 S2^1/2 axis`.
fn transported(from: &Moments, to: &Moments, axis: [f64; 3]) -> [f64; 3] {
    let root = of_symmetric(&to.covariance, |x| x.max(0.0).sqrt());
    let middle = product(&root, &product(&from.covariance, &root));
    let inverse = of_symmetric(&middle, |x| if x > 0.0 { 1.0 / x.sqrt() } else { 0.0 });
    apply(&root, apply(&inverse, apply(&root, axis)))
}
