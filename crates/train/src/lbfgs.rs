//! L-BFGS.

use std::collections::VecDeque;

use crate::line_search::{Search, Trial};
use crate::optimizer::{in_range, same_lengths};
use crate::{OptimizerState, Real, TrainError};

/// Pairs with a smaller product tell nothing of the curvature.
const LEAST_CURVATURE: f64 = 1e-10;

/// How far a step of [`Lbfgs`] goes along its direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineSearch {
    /// As far as the learning rate says.
    None,
    /// To a point that satisfies the strong Wolfe conditions.
    #[default]
    StrongWolfe,
}

/// Options of [`Lbfgs`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LbfgsOptions {
    /// First trial along each direction, 1.
    pub learning_rate: f64,
    /// Most directions of a call, 20.
    pub max_iter: usize,
    /// Most evaluations of a call; five quarters of `max_iter` if none.
    pub max_eval: Option<usize>,
    /// A call ends when no derivative is larger, 1e-7.
    pub tolerance_grad: f64,
    /// A call ends when neither a parameter nor the loss changes more, 1e-9.
    pub tolerance_change: f64,
    /// Pairs of steps and changes of the gradient that are kept, 100.
    pub history: usize,
    /// Strong Wolfe.
    pub line_search: LineSearch,
}

impl Default for LbfgsOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1.0,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history: 100,
            line_search: LineSearch::default(),
        }
    }
}

impl LbfgsOptions {
    /// The same with another first trial.
    #[must_use]
    pub fn with_learning_rate(self, learning_rate: f64) -> Self {
        Self { learning_rate, ..self }
    }

    /// The same with other limits of a call.
    #[must_use]
    pub fn with_limits(self, max_iter: usize, max_eval: Option<usize>) -> Self {
        Self { max_iter, max_eval, ..self }
    }

    /// The same with other tolerances, of derivatives and of changes.
    #[must_use]
    pub fn with_tolerances(self, tolerance_grad: f64, tolerance_change: f64) -> Self {
        Self { tolerance_grad, tolerance_change, ..self }
    }

    /// The same with another number of pairs.
    #[must_use]
    pub fn with_history(self, history: usize) -> Self {
        Self { history, ..self }
    }

    /// The same with another line search.
    #[must_use]
    pub fn with_line_search(self, line_search: LineSearch) -> Self {
        Self { line_search, ..self }
    }
}

/// The loss at a point, and its gradient.
pub type Objective<'a, T> = dyn FnMut(&[T]) -> Result<(f64, Vec<T>), TrainError> + 'a;

/// What a call of [`Lbfgs::step`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LbfgsReport {
    /// The loss at the point where it began.
    pub first_loss: f64,
    /// The loss at the point where it ended, as far as it was evaluated.
    pub loss: f64,
    /// Evaluations of the closure.
    pub evaluations: usize,
}

/// A step and what it changed in the gradient.
#[derive(Clone, Debug, PartialEq)]
struct Pair<T> {
    step: Vec<T>,
    change: Vec<T>,
    /// `1 / (step . change)`.
    rho: f64,
}

/// Limited-memory BFGS (Liu and Nocedal, 1989; two-loop recursion: Nocedal and Wright, Numerical Optimization, 2006,
/// algorithm 7.4) over all parameters as one vector. The loss must be the same function in every evaluation: full batches, no
/// mixed precision. Dot products are summed in f64.
///
/// ```
/// use volkit_train::{Lbfgs, LbfgsOptions};
///
/// let mut p = [4.0_f64, -2.0];
/// let mut lbfgs = Lbfgs::new(LbfgsOptions::default())?;
/// lbfgs.step(&mut p, &mut |p| Ok((p[0] * p[0] + 10.0 * p[1] * p[1], vec![2.0 * p[0], 20.0 * p[1]])))?;
/// assert!(p.iter().all(|x| x.abs() < 1e-4));
/// # Ok::<(), volkit_train::TrainError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lbfgs<T> {
    options: LbfgsOptions,
    n_iter: u64,
    pairs: VecDeque<Pair<T>>,
    /// Curvature along the last step, inverse.
    h0: f64,
    direction: Vec<T>,
    t: f64,
    previous: Option<(f64, Vec<T>)>,
}

impl<T: Real> Lbfgs<T> {
    /// An optimiser that knows nothing of the curvature.
    ///
    /// # Errors
    /// [`TrainError::Option`] for an option out of its range.
    pub fn new(options: LbfgsOptions) -> Result<Self, TrainError> {
        const NAME: &str = "L-BFGS";
        in_range(NAME, ("learning_rate", options.learning_rate), f64::MIN_POSITIVE.., "positive")?;
        in_range(NAME, ("max_iter", options.max_iter as f64), 1.0.., "at least 1")?;
        in_range(NAME, ("history", options.history as f64), 1.0.., "at least 1")?;
        in_range(NAME, ("tolerance_grad", options.tolerance_grad), 0.0.., "not negative")?;
        in_range(NAME, ("tolerance_change", options.tolerance_change), 0.0.., "not negative")?;
        Ok(Self { options, n_iter: 0, pairs: VecDeque::new(), h0: 1.0, direction: Vec::new(), t: 0.0, previous: None })
    }

    /// Minimises for up to `max_iter` directions. `closure` gives the loss and its gradient at a point.
    ///
    /// # Errors
    /// Those of `closure`; [`TrainError::Length`] when parameters, gradient and those of earlier calls differ in number;
    /// [`TrainError::Loss`] for a first loss that is not finite. The parameters are those of the last whole step then.
    pub fn step(&mut self, parameters: &mut [T], closure: &mut Objective<'_, T>) -> Result<LbfgsReport, TrainError> {
        let options = self.options;
        let max_eval = options.max_eval.unwrap_or(options.max_iter * 5 / 4);
        if let Some((_, gradient)) = &self.previous {
            same_lengths("L-BFGS", &[parameters.len()], &[gradient.len()])?;
        }
        let mut evaluations = 0;
        let mut evaluate = |at: &[T]| -> Result<(f64, Vec<T>), TrainError> {
            evaluations += 1;
            let (loss, gradient) = closure(at)?;
            same_lengths("L-BFGS: the gradient", &[gradient.len()], &[at.len()])?;
            Ok((loss, gradient))
        };
        let (mut loss, mut gradient) = evaluate(parameters)?;
        let first_loss = loss;
        if !loss.is_finite() {
            return Err(TrainError::Loss { value: loss, step: self.n_iter });
        }
        let mut used = 1;
        let mut n = 0;
        while largest(&gradient) > options.tolerance_grad && n < options.max_iter {
            n += 1;
            let is_first = self.n_iter == 0;
            self.n_iter += 1;
            self.turn(&gradient);
            let slope = dot(&gradient, &self.direction);
            let sum: f64 = gradient.iter().map(|g| g.abs().to_f64()).sum();
            self.t = if is_first { options.learning_rate * (1.0 / sum).min(1.0) } else { options.learning_rate };
            self.previous = Some((loss, gradient.clone()));
            if slope > -options.tolerance_change {
                break;
            }
            let before = loss;
            match options.line_search {
                LineSearch::StrongWolfe => {
                    let start = Trial { t: 0.0, loss, gradient, slope };
                    let (from, direction) = (parameters.to_vec(), &self.direction);
                    let mut count = 0;
                    let mut trial = |t: f64| -> Result<Trial<T>, TrainError> {
                        count += 1;
                        let (loss, gradient) = evaluate(&moved(&from, direction, t))?;
                        let slope = dot(&gradient, direction);
                        Ok(Trial { t, loss, gradient, slope })
                    };
                    let most = max_eval.saturating_sub(used);
                    let search = Search { start, largest: largest(direction), most, evaluate: &mut trial };
                    let found = search.run(self.t)?;
                    used += count;
                    parameters.copy_from_slice(&moved(&from, direction, found.t));
                    (self.t, loss, gradient) = (found.t, found.loss, found.gradient);
                }
                LineSearch::None => {
                    parameters.copy_from_slice(&moved(parameters, &self.direction, self.t));
                    if n < options.max_iter {
                        (loss, gradient) = evaluate(parameters)?;
                        used += 1;
                    }
                }
            }
            let step = self.t.abs() * largest(&self.direction);
            if used >= max_eval || step <= options.tolerance_change || (loss - before).abs() < options.tolerance_change
            {
                break;
            }
        }
        Ok(LbfgsReport { first_loss, loss, evaluations })
    }

    /// Takes the last step in and finds the next direction.
    fn turn(&mut self, gradient: &[T]) {
        let Some((_, previous)) = &self.previous else {
            self.direction = gradient.iter().map(|g| -*g).collect();
            return;
        };
        let t = T::from_f64(self.t);
        let change: Vec<T> = gradient.iter().zip(previous).map(|(a, b)| *a - *b).collect();
        let step: Vec<T> = self.direction.iter().map(|d| *d * t).collect();
        let product = dot(&change, &step);
        if product > LEAST_CURVATURE {
            if self.pairs.len() == self.options.history {
                self.pairs.pop_front();
            }
            self.h0 = product / dot(&change, &change);
            self.pairs.push_back(Pair { step, change, rho: 1.0 / product });
        }
        let mut q: Vec<T> = gradient.iter().map(|g| -*g).collect();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let share = pair.rho * dot(&pair.step, &q);
            add(&mut q, -share, &pair.change);
            shares.push(share);
        }
        let h0 = T::from_f64(self.h0);
        q.iter_mut().for_each(|q| *q *= h0);
        for (pair, share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let share = share - pair.rho * dot(&pair.change, &q);
            add(&mut q, share, &pair.step);
        }
        self.direction = q;
    }

    /// What must be kept to go on later.
    #[must_use]
    pub fn state(&self) -> OptimizerState<T> {
        let (mut arrays, mut numbers) = (Vec::new(), Vec::new());
        for (index, pair) in self.pairs.iter().enumerate() {
            arrays.push(("step".to_owned(), index, pair.step.clone()));
            arrays.push(("change".to_owned(), index, pair.change.clone()));
        }
        if let Some((loss, gradient)) = &self.previous {
            arrays.push(("direction".to_owned(), 0, self.direction.clone()));
            arrays.push(("gradient".to_owned(), 0, gradient.clone()));
            numbers.extend([("loss".to_owned(), *loss), ("t".to_owned(), self.t)]);
        }
        OptimizerState { steps: self.n_iter, arrays, numbers }
    }

    /// Goes on from a state.
    ///
    /// # Errors
    /// [`TrainError::State`] when something is missing or does not fit together; the optimiser is as it was then.
    pub fn restore(&mut self, mut state: OptimizerState<T>) -> Result<(), TrainError> {
        let mut restored = Self::new(self.options)?;
        restored.n_iter = state.steps;
        for index in 0..state.count("step") {
            let (step, change) = (state.take("step", index)?, state.take("change", index)?);
            let product = if step.len() == change.len() { dot(&change, &step) } else { 0.0 };
            if product <= 0.0 {
                let why = "does not fit its change of the gradient".to_owned();
                return Err(TrainError::State { name: format!("step.{index}"), why });
            }
            restored.h0 = product / dot(&change, &change);
            restored.pairs.push_back(Pair { step, change, rho: 1.0 / product });
        }
        if state.steps > 0 {
            restored.direction = state.take("direction", 0)?;
            let gradient = state.take("gradient", 0)?;
            let n = gradient.len();
            if restored.direction.len() != n || restored.pairs.iter().any(|pair| pair.step.len() != n) {
                return Err(TrainError::State {
                    name: "gradient.0".into(),
                    why: format!("{n} values, other than the rest"),
                });
            }
            restored.t = state.number("t")?;
            restored.previous = Some((state.number("loss")?, gradient));
        }
        *self = restored;
        Ok(())
    }
}

fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}

fn add<T: Real>(to: &mut [T], factor: f64, what: &[T]) {
    let factor = T::from_f64(factor);
    to.iter_mut().zip(what).for_each(|(to, x)| *to += factor * *x);
}

fn largest<T: Real>(values: &[T]) -> f64 {
    values.iter().map(|x| x.abs().to_f64()).fold(0.0, f64::max)
}

fn moved<T: Real>(from: &[T], direction: &[T], t: f64) -> Vec<T> {
    let t = T::from_f64(t);
    from.iter().zip(direction).map(|(p, d)| *p + t * *d).collect()
}
