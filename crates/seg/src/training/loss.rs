//! What a segmentation network is told about its answers, with gradients, on slices.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::SegError;

/// Voxels that one task works on; sums are taken by such blocks, in order, whatever the number of threads.
const BLOCK: usize = 4096;
/// Added to both sides of a Dice ratio.
const DICE_EPS: f64 = 1e-7;
/// Logits that the first phase asks for: this where a label is, its negative elsewhere.
const WARM_UP_LOGIT: f32 = 5.0;
/// Weight of background voxels in the first phase.
const WARM_UP_EPS: f64 = 1e-8;

/// The loss of a segmentation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LossConfig {
    /// Steps of the first phase, in which logits are drawn to 5 where a label is and to -5 elsewhere; 0.
    pub warm_up_steps: u64,
    /// Weight of `1 - Dice`, 1.
    pub dice: f64,
    /// Weight of the cross-entropy, 0 in the published training.
    pub cross_entropy: f64,
    /// Whether labels that do not occur in a sample count in the mean Dice, as in the published training; true. They have
    /// practically no gradient.
    pub absent_labels: bool,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { warm_up_steps: 0, dice: 1.0, cross_entropy: 0.0, absent_labels: true }
    }
}

/// A loss and its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LossValue {
    /// What is minimised.
    pub total: f64,
    /// Mean soft Dice over the labels that count; 0 in the first phase.
    pub dice: f64,
    /// Cross-entropy, the mean over voxels; 0 in the first phase.
    pub cross_entropy: f64,
}

impl LossConfig {
    /// The loss of step `step` for logits `[labels][voxels]` against the label of each voxel; the gradient with respect
    /// to the logits goes into `gradient`, of the same layout.
    ///
    /// Phase 1: `sum(w (z - 5 (2 g - 1))^2) / (n sum(w))` with `g` the one-hot target and `w = 1 - g_0 + 1e-8`.
    /// Phase 2: `dice * mean(1 - (2 sum(g p) + e) / (sum(g^2) + sum(p^2) + e)) + cross_entropy * mean(-log p)` with `p`
    /// the softmax and `e = 1e-7`.
    ///
    /// # Errors
    /// [`SegError::Option`] when lengths do not fit or a target is not below `labels`.
    pub fn evaluate(
        &self,
        step: u64,
        (logits, labels): (&[f32], usize),
        target: &[u8],
        gradient: &mut [f32],
    ) -> Result<LossValue, SegError> {
        let refuse = |name, value: String, why| Err(SegError::Option { name, value, why });
        let fits = logits.len() == labels * target.len() && gradient.len() == logits.len();
        if !fits || target.is_empty() || labels == 0 {
            let value = format!("{} for {labels} labels of {} voxels", logits.len(), target.len());
            return refuse("logits", value, "one value for each label of each voxel, and a gradient of that size");
        }
        if let Some(label) = target.iter().find(|label| usize::from(**label) >= labels) {
            return refuse("target", label.to_string(), "is a label of the network");
        }
        let mut tasks = Task::all(logits, labels, target, gradient);
        if step < self.warm_up_steps {
            return Ok(warm_up(&mut tasks, labels));
        }
        Ok(self.overlap(&mut tasks, labels, target.len()))
    }

    fn overlap(&self, tasks: &mut [Task<'_>], labels: usize, n_voxels: usize) -> LossValue {
        let sums = tasks.par_iter_mut().map(|task| task.softmax(labels)).collect::<Vec<_>>();
        let mut all = Sums::new(labels);
        sums.iter().for_each(|sums| all.add(sums));
        let counts = |label: usize| self.absent_labels || all.count[label] > 0.0;
        let n_counted = (0..labels).filter(|&label| counts(label)).count() as f64;
        let (mut dice, mut factors) = (0.0, vec![[0.0f32; 2]; labels]);
        for (label, factors) in factors.iter_mut().enumerate().filter(|(label, _)| counts(*label)) {
            let numerator = 2.0 * all.joint[label] + DICE_EPS;
            let denominator = all.count[label] + all.square[label] + DICE_EPS;
            dice += numerator / denominator / n_counted;
            let share = self.dice / n_counted;
            *factors = [-2.0 * share / denominator, 2.0 * share * numerator / (denominator * denominator)]
                .map(|factor| factor as f32);
        }
        let per_voxel = (self.cross_entropy / n_voxels as f64) as f32;
        tasks.par_iter_mut().for_each(|task| task.gradient(&factors, per_voxel));
        let cross_entropy = all.surprise / n_voxels as f64;
        let total = self.dice * (1.0 - dice) + self.cross_entropy * cross_entropy;
        LossValue { total, dice, cross_entropy }
    }
}

/// A block of voxels: a row of logits and one of the gradient for each label.
struct Task<'a> {
    logits: Vec<&'a [f32]>,
    gradient: Vec<&'a mut [f32]>,
    target: &'a [u8],
}

/// Sums over voxels, by label.
struct Sums {
    /// `g p`.
    joint: Vec<f64>,
    /// `p^2`.
    square: Vec<f64>,
    /// `g`.
    count: Vec<f64>,
    /// `-log p` of the right label.
    surprise: f64,
}

impl Sums {
    fn new(labels: usize) -> Self {
        let zeros = || vec![0.0; labels];
        Self { joint: zeros(), square: zeros(), count: zeros(), surprise: 0.0 }
    }

    fn add(&mut self, other: &Self) {
        let pairs =
            [(&mut self.joint, &other.joint), (&mut self.square, &other.square), (&mut self.count, &other.count)];
        for (to, from) in pairs {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
        self.surprise += other.surprise;
    }
}

impl<'a> Task<'a> {
    fn all(logits: &'a [f32], labels: usize, target: &'a [u8], gradient: &'a mut [f32]) -> Vec<Self> {
        let n = target.len();
        let task = |target| Self { logits: Vec::with_capacity(labels), gradient: Vec::with_capacity(labels), target };
        let mut tasks: Vec<Self> = target.chunks(BLOCK).map(task).collect();
        for (logits, gradient) in logits.chunks_exact(n).zip(gradient.chunks_exact_mut(n)) {
            for (task, (logits, gradient)) in tasks.iter_mut().zip(logits.chunks(BLOCK).zip(gradient.chunks_mut(BLOCK)))
            {
                task.logits.push(logits);
                task.gradient.push(gradient);
            }
        }
        tasks
    }

    /// Leaves the softmax where the gradient will be.
    fn softmax(&mut self, labels: usize) -> Sums {
        let n = self.target.len();
        let mut sums = Sums::new(labels);
        let mut largest = self.logits[0].to_vec();
        for row in &self.logits[1..] {
            largest.iter_mut().zip(*row).for_each(|(largest, value)| *largest = largest.max(*value));
        }
        let mut total = vec![0.0f32; n];
        for (row, p) in self.logits.iter().zip(&mut self.gradient) {
            for (((p, z), largest), total) in p.iter_mut().zip(*row).zip(&largest).zip(&mut total) {
                *p = (z - largest).exp();
                *total += *p;
            }
        }
        for (label, p) in self.gradient.iter_mut().enumerate() {
            let mut square = 0.0f32;
            for (p, total) in p.iter_mut().zip(&total) {
                *p /= total;
                square += *p * *p;
            }
            sums.square[label] = f64::from(square);
        }
        for (at, &label) in self.target.iter().enumerate() {
            let label = usize::from(label);
            sums.joint[label] += f64::from(self.gradient[label][at]);
            sums.count[label] += 1.0;
            sums.surprise += f64::from(total[at].ln() + largest[at] - self.logits[label][at]);
        }
        sums
    }

    /// Turns the softmax `p` into the gradient with respect to the logits. That with respect to `p` is
    /// `a g + b p`; through the softmax that becomes `p (a g + b p - s)` with `s = sum(p (a g + b p))`.
    fn gradient(&mut self, factors: &[[f32; 2]], per_voxel: f32) {
        let mut s = vec![0.0f32; self.target.len()];
        for (p, [_, b]) in self.gradient.iter().zip(factors) {
            s.iter_mut().zip(p.iter()).for_each(|(s, p)| *s += b * p * p);
        }
        let right: Vec<f32> =
            self.target.iter().enumerate().map(|(at, &label)| self.gradient[usize::from(label)][at]).collect();
        for ((s, &label), p) in s.iter_mut().zip(self.target).zip(&right) {
            *s += factors[usize::from(label)][0] * p;
        }
        for (p, [_, b]) in self.gradient.iter_mut().zip(factors) {
            for (p, s) in p.iter_mut().zip(&s) {
                *p *= b * *p - s + per_voxel;
            }
        }
        for ((at, &label), p) in self.target.iter().enumerate().zip(&right) {
            let label = usize::from(label);
            self.gradient[label][at] += factors[label][0] * p - per_voxel;
        }
    }
}

fn warm_up(tasks: &mut [Task<'_>], labels: usize) -> LossValue {
    let weight = |label: u8| if label == 0 { WARM_UP_EPS } else { 1.0 + WARM_UP_EPS };
    let weights: Vec<f64> = tasks.iter().map(|task| task.target.iter().map(|&label| weight(label)).sum()).collect();
    let norm = weights.iter().sum::<f64>() * labels as f64;
    let losses = tasks.par_iter_mut().map(|task| {
        let mut loss = 0.0;
        for (label, (row, gradient)) in task.logits.iter().zip(&mut task.gradient).enumerate() {
            for ((z, gradient), &target) in row.iter().zip(gradient.iter_mut()).zip(task.target) {
                let wanted = if usize::from(target) == label { WARM_UP_LOGIT } else { -WARM_UP_LOGIT };
                let (off, weight) = (f64::from(z - wanted), weight(target) / norm);
                loss += weight * off * off;
                *gradient = (2.0 * weight * off) as f32;
            }
        }
        loss
    });
    let total = losses.collect::<Vec<f64>>().iter().sum();
    LossValue { total, ..LossValue::default() }
}

#[cfg(test)]
mod tests {
    use super::LossConfig;

    fn case() -> (Vec<f32>, Vec<u8>) {
        let n = 5000;
        let logits = (0..3 * n).map(|i| ((i * 7919 % 1000) as f32 / 250.0) - 2.0).collect();
        (logits, (0..n).map(|i| u8::from(i % 5 == 0)).collect())
    }

    fn value(config: &LossConfig, logits: &[f32], target: &[u8]) -> f64 {
        let mut gradient = vec![0.0; logits.len()];
        config.evaluate(0, (logits, 3), target, &mut gradient).unwrap().total
    }

    #[test]
    fn gradients_are_differences() {
        let (logits, target) = case();
        let both = LossConfig { cross_entropy: 0.5, ..LossConfig::default() };
        let present = LossConfig { absent_labels: false, ..both };
        let warm = LossConfig { warm_up_steps: 1, ..both };
        for config in [both, present, warm, LossConfig { dice: 0.0, ..both }] {
            let mut gradient = vec![0.0; logits.len()];
            config.evaluate(0, (&logits, 3), &target, &mut gradient).unwrap();
            // Along the signs of many derivatives at once, so that differences are far above rounding.
            for (start, step) in [(0, 3), (4096, 7), (10_001, 2)] {
                let shifted = |by: f32| -> Vec<f32> {
                    let mut shifted = logits.clone();
                    let pairs = shifted.iter_mut().zip(&gradient).skip(start).step_by(step);
                    pairs.for_each(|(z, g)| *z += by * g.signum());
                    shifted
                };
                let h = 0.02;
                let difference = value(&config, &shifted(h), &target) - value(&config, &shifted(-h), &target);
                let along: f32 = gradient.iter().skip(start).step_by(step).map(|g| g.abs()).sum();
                let (difference, along) = (difference / f64::from(2.0 * h), f64::from(along));
                assert!((difference - along).abs() < 2e-3 * along + 1e-5, "{config:?}: {difference} {along}");
            }
        }
    }

    #[test]
    fn losses_by_hand() {
        // Two voxels, two labels, logits that give p = 3/4 and 1/4.
        let big = 3.0f32.ln();
        let logits = [big, 0.0, 0.0, 0.0];
        let config = LossConfig { cross_entropy: 1.0, ..LossConfig::default() };
        let mut gradient = [0.0; 4];
        let loss = config.evaluate(0, (&logits, 2), &[0, 1], &mut gradient).unwrap();
        // Dice of label 0: 2 * .75 / (1 + .75^2 + .5^2); of label 1: 2 * .5 / (1 + .25^2 + .5^2).
        let dice = 0.5 * (1.5 / 1.8125 + 1.0 / 1.3125);
        assert!((loss.dice - dice).abs() < 1e-6, "{loss:?}");
        let surprise = 0.5 * ((4.0f64 / 3.0).ln() + 2.0f64.ln());
        assert!((loss.cross_entropy - surprise).abs() < 1e-6 && (loss.total - (1.0 - dice + surprise)).abs() < 1e-6);
        // The first phase: only voxel 1 counts; logits 0 and 0, wanted -5 and 5.
        let warm = LossConfig { warm_up_steps: 10, ..config };
        let loss = warm.evaluate(9, (&logits, 2), &[0, 1], &mut gradient).unwrap();
        assert!((loss.total - 25.0).abs() < 1e-4, "{loss:?}");
        assert!((gradient[1] - 5.0).abs() < 1e-4 && (gradient[3] + 5.0).abs() < 1e-4 && gradient[0].abs() < 1e-6);
        assert_ne!(warm.evaluate(10, (&logits, 2), &[0, 1], &mut gradient).unwrap().dice, 0.0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (config, mut gradient) = (LossConfig::default(), [0.0; 4]);
        let error = config.evaluate(0, (&[0.0; 4], 2), &[0, 2], &mut gradient).unwrap_err().to_string();
        assert!(error.contains("target = 2"), "{error}");
        assert!(config.evaluate(0, (&[0.0; 3], 2), &[0, 1], &mut gradient).is_err());
        assert!(config.evaluate(0, (&[], 2), &[], &mut []).is_err());
    }
}
