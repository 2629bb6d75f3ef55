//! A line search for the strong Wolfe conditions: bracketing and zoom (Nocedal and Wright, Numerical Optimization, 2006,
//! algorithms 3.5 and 3.6) with cubic interpolation (equation 3.59).

use crate::{Real, TrainError};

/// Sufficient decrease, and curvature.
const C1: f64 = 1e-4;
const C2: f64 = 0.9;
/// A bracket in which no value moves by as much is not divided.
const LEAST_MOVE: f64 = 1e-9;

/// A point on the line.
#[derive(Clone, Debug)]
pub(crate) struct Trial<T> {
    /// Share of the direction.
    pub(crate) t: f64,
    pub(crate) loss: f64,
    pub(crate) gradient: Vec<T>,
    /// Derivative along the direction.
    pub(crate) slope: f64,
}

/// Searches along a direction from a point.
pub(crate) struct Search<'a, T> {
    /// At `t` = 0.
    pub(crate) start: Trial<T>,
    /// Largest absolute value of the direction.
    pub(crate) largest: f64,
    /// Trials that may be made besides the first.
    pub(crate) most: usize,
    /// The loss and gradient at a share of the direction.
    pub(crate) evaluate: &'a mut dyn FnMut(f64) -> Result<Trial<T>, TrainError>,
}

impl<T: Real> Search<'_, T> {
    /// The best point found, starting with a trial at `t`.
    pub(crate) fn run(mut self, t: f64) -> Result<Trial<T>, TrainError> {
        let start = self.start.clone();
        let mut previous = start.clone();
        let mut trial = (self.evaluate)(t)?;
        let mut count = 0;
        let bracket = loop {
            if count >= self.most {
                break [start, trial];
            }
            let rises = trial.loss > self.start.loss + C1 * trial.t * self.start.slope;
            if rises || (count > 1 && trial.loss >= previous.loss) {
                break [previous, trial];
            }
            if trial.slope.abs() <= -C2 * self.start.slope {
                return Ok(trial);
            }
            if trial.slope >= 0.0 {
                break [previous, trial];
            }
            let bounds = [trial.t + 0.01 * (trial.t - previous.t), 10.0 * trial.t];
            let next = cubic_minimum(&previous, &trial, bounds);
            previous = trial;
            trial = (self.evaluate)(next)?;
            count += 1;
        };
        self.zoom(bracket, count)
    }

    /// Divides a bracket until its better end satisfies the conditions.
    fn zoom(&mut self, mut ends: [Trial<T>; 2], mut count: usize) -> Result<Trial<T>, TrainError> {
        let mut was_close = false;
        let mut low = usize::from(ends[0].loss > ends[1].loss);
        while count < self.most {
            let [a, b] = [ends[0].t, ends[1].t];
            if (b - a).abs() * self.largest < LEAST_MOVE {
                break;
            }
            let bounds = [a.min(b), a.max(b)];
            let mut t = cubic_minimum(&ends[0], &ends[1], bounds);
            let margin = 0.1 * (bounds[1] - bounds[0]);
            if (bounds[1] - t).min(t - bounds[0]) < margin {
                if was_close || t >= bounds[1] || t <= bounds[0] {
                    let upper_is_nearer = (t - bounds[1]).abs() < (t - bounds[0]).abs();
                    t = if upper_is_nearer { bounds[1] - margin } else { bounds[0] + margin };
                    was_close = false;
                } else {
                    was_close = true;
                }
            } else {
                was_close = false;
            }
            let trial = (self.evaluate)(t)?;
            count += 1;
            let rises = trial.loss > self.start.loss + C1 * t * self.start.slope;
            if rises || trial.loss >= ends[low].loss {
                ends[1 - low] = trial;
                low = usize::from(ends[0].loss > ends[1].loss);
                continue;
            }
            let is_flat = trial.slope.abs() <= -C2 * self.start.slope;
            if !is_flat && trial.slope * (ends[1 - low].t - ends[low].t) >= 0.0 {
                ends[1 - low] = ends[low].clone();
            }
            ends[low] = trial;
            if is_flat {
                break;
            }
        }
        let [first, second] = ends;
        Ok(if low == 0 { first } else { second })
    }
}

/// Where the cubic through two points with their slopes is least, within bounds; their middle where it has no minimum.
fn cubic_minimum<T>(a: &Trial<T>, b: &Trial<T>, [least, most]: [f64; 2]) -> f64 {
    let d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    if square.is_nan() || square < 0.0 {
        return 0.5 * (least + most);
    }
    let d2 = square.sqrt();
    let t = if a.t <= b.t {
        b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2))
    } else {
        a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2.0 * d2))
    };
    t.max(least).min(most)
}
