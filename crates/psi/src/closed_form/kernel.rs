//! The loops over a block of pixels, in f64.

use std::f64::consts::TAU;

use volkit_core::RealElement;
use volkit_kernels::{Isa, Vectorized, vectorize};

use super::ClosedForm;
use super::atan2::atan2;
use super::chain::SyntheticPhase;

/// Pixels that are solved together: arrays of that length stay in the nearest cache.
pub(super) const BLOCK: usize = 128;

/// How fringe orders are found.
#[derive(Clone, Debug)]
pub(super) enum Orders {
    /// Down the phases, from the middle of the range.
    Chain { phases: Vec<SyntheticPhase>, middle: f64 },
    /// All fringes of a laser between two heights.
    Search { laser: usize, low: f64, high: f64, trials: usize },
}

/// Arrays of a block.
pub(super) struct Scratch {
    greys: Box<[f64; BLOCK]>,
    cosine: Box<[f64; BLOCK]>,
    sine: Box<[f64; BLOCK]>,
    /// By laser.
    pub(super) phases: Vec<[f64; BLOCK]>,
    trial: Box<[f64; BLOCK]>,
    error: Box<[f64; BLOCK]>,
    pub(super) height: Box<[f64; BLOCK]>,
    pub(super) modulation: Box<[f64; BLOCK]>,
    pub(super) residual: Box<[f64; BLOCK]>,
}

impl Scratch {
    pub(super) fn new(lasers: usize) -> Self {
        let zeros = || Box::new([0.0; BLOCK]);
        Self {
            greys: zeros(),
            cosine: zeros(),
            sine: zeros(),
            phases: vec![[0.0; BLOCK]; lasers],
            trial: zeros(),
            error: zeros(),
            height: zeros(),
            modulation: zeros(),
            residual: zeros(),
        }
    }
}

/// Pixels `start .. start + len` of images `[C, n]`.
pub(super) struct Block<'a, T> {
    pub(super) solver: &'a ClosedForm,
    pub(super) images: &'a [T],
    pub(super) n: usize,
    pub(super) start: usize,
    pub(super) len: usize,
}

impl<T: RealElement> Block<'_, T> {
    /// Phases and the weakest amplitude.
    pub(super) fn demodulate(&self, scratch: &mut Scratch) {
        let isa = Isa::detect();
        scratch.modulation.fill(f64::INFINITY);
        let steps = self.solver.demodulation.cosine.len();
        for laser in 0..self.solver.wave_numbers.len() {
            scratch.cosine.fill(0.0);
            scratch.sine.fill(0.0);
            for step in 0..steps {
                let from = (laser * steps + step) * self.n + self.start;
                for (to, grey) in scratch.greys.iter_mut().zip(&self.images[from..from + self.len]) {
                    *to = grey.to_f64();
                }
                let weights = [self.solver.demodulation.cosine[step], self.solver.demodulation.sine[step]];
                vectorize(isa, AddGreys { scratch, weights });
            }
            vectorize(isa, Angles { scratch, laser });
        }
    }

    pub(super) fn solve(&self, scratch: &mut Scratch) {
        let isa = Isa::detect();
        self.demodulate(scratch);
        match &self.solver.orders {
            Orders::Chain { phases, middle } => {
                scratch.height.fill(*middle);
                for phase in phases {
                    vectorize(isa, Refine { scratch, phase });
                }
            }
            &Orders::Search { laser, low, high, trials } => {
                let wave_numbers = self.solver.wave_numbers.as_slice();
                vectorize(isa, Search { scratch, wave_numbers, laser, low, high, trials });
            }
        }
        vectorize(isa, Combine { scratch, wave_numbers: &self.solver.wave_numbers });
    }
}

struct AddGreys<'a> {
    scratch: &'a mut Scratch,
    weights: [f64; 2],
}

impl Vectorized for AddGreys<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Scratch { greys, cosine, sine, .. } = self.scratch;
        for i in 0..BLOCK {
            cosine[i] += self.weights[0] * greys[i];
            sine[i] += self.weights[1] * greys[i];
        }
    }
}

struct Angles<'a> {
    scratch: &'a mut Scratch,
    laser: usize,
}

impl Vectorized for Angles<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Scratch { cosine, sine, phases, modulation, .. } = self.scratch;
        let phase = &mut phases[self.laser];
        for i in 0..BLOCK {
            let amplitude = (cosine[i] * cosine[i] + sine[i] * sine[i]).sqrt();
            modulation[i] = if amplitude < modulation[i] { amplitude } else { modulation[i] };
            phase[i] = atan2(sine[i], cosine[i]);
        }
    }
}

/// The height nearest to the one so far that a synthetic phase allows.
struct Refine<'a> {
    scratch: &'a mut Scratch,
    phase: &'a SyntheticPhase,
}

impl Vectorized for Refine<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Scratch { trial, phases, height, .. } = self.scratch;
        trial.fill(0.0);
        for (factor, phase) in self.phase.factors.iter().zip(phases) {
            for i in 0..BLOCK {
                trial[i] += factor * phase[i];
            }
        }
        let k = self.phase.wave_number;
        for i in 0..BLOCK {
            let order = ((k * height[i] - trial[i]) / TAU).round_ties_even();
            height[i] = (trial[i] + TAU * order) / k;
        }
    }
}

/// The height in the range that leaves the least squared phase.
struct Search<'a> {
    scratch: &'a mut Scratch,
    wave_numbers: &'a [f64],
    laser: usize,
    low: f64,
    high: f64,
    trials: usize,
}

impl Vectorized for Search<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Scratch { phases, trial, error, height, residual, .. } = self.scratch;
        residual.fill(f64::INFINITY);
        let (k, own) = (self.wave_numbers[self.laser], &phases[self.laser]);
        for number in 0..self.trials {
            for i in 0..BLOCK {
                let first = ((k * self.low - own[i]) / TAU).ceil();
                trial[i] = (own[i] + TAU * (first + number as f64)) / k;
            }
            error.fill(0.0);
            for (k, phase) in self.wave_numbers.iter().zip(phases.iter()) {
                for i in 0..BLOCK {
                    let turns = (k * trial[i] - phase[i]) / TAU;
                    let left = turns - turns.round_ties_even();
                    error[i] += left * left;
                }
            }
            for i in 0..BLOCK {
                // The first is taken in any case: a range below one fringe may hold none of its heights.
                let is_better = error[i] < residual[i] && (trial[i] <= self.high || number == 0);
                height[i] = if is_better { trial[i] } else { height[i] };
                residual[i] = if is_better { error[i] } else { residual[i] };
            }
        }
    }
}

/// All lasers together, and the phase that is left.
struct Combine<'a> {
    scratch: &'a mut Scratch,
    wave_numbers: &'a [f64],
}

impl Vectorized for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Scratch { phases, trial, height, residual, .. } = self.scratch;
        trial.fill(0.0);
        for (k, phase) in self.wave_numbers.iter().zip(phases.iter()) {
            for i in 0..BLOCK {
                let order = ((k * height[i] - phase[i]) / TAU).round_ties_even();
                trial[i] += k * (phase[i] + TAU * order);
            }
        }
        let squares = self.wave_numbers.iter().map(|k| k * k).sum::<f64>();
        for i in 0..BLOCK {
            height[i] = trial[i] / squares;
        }
        residual.fill(0.0);
        for (k, phase) in self.wave_numbers.iter().zip(phases.iter()) {
            for i in 0..BLOCK {
                let turns = (k * height[i] - phase[i]) / TAU;
                let left = TAU * (turns - turns.round_ties_even());
                residual[i] += left * left;
            }
        }
        let scale = 1.0 / self.wave_numbers.len() as f64;
        for error in residual.iter_mut() {
            *error = (*error * scale).sqrt();
        }
    }
}
