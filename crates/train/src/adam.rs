//! Adam and its variants.

use crate::optimizer::{check, in_range};
use crate::{Optimizer, OptimizerState, Parameter, Real, TrainError};

/// How weights are drawn to zero.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum WeightDecay {
    /// Added to the gradient, `g + decay p`, as the gradient of `decay / 2 |p|^2`.
    L2(f64),
    /// Beside the gradient, `p (1 - rate decay)`: `AdamW` (Loshchilov and Hutter, 2019).
    Decoupled(f64),
}

/// Options of [`Adam`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdamOptions {
    /// Learning rate, 1e-3.
    pub learning_rate: f64,
    /// Decay of the first and second moments, 0.9 and 0.999.
    pub betas: [f64; 2],
    /// Added to the root of the second moment, 1e-8.
    pub epsilon: f64,
    /// None.
    pub weight_decay: Option<WeightDecay>,
    /// Whether the largest second moment so far stands in its place (Reddi et al., 2018); no.
    pub amsgrad: bool,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self { learning_rate: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: None, amsgrad: false }
    }
}

impl AdamOptions {
    /// The same with another learning rate.
    #[must_use]
    pub fn with_learning_rate(self, learning_rate: f64) -> Self {
        Self { learning_rate, ..self }
    }

    /// The same with other decays of the moments.
    #[must_use]
    pub fn with_betas(self, betas: [f64; 2]) -> Self {
        Self { betas, ..self }
    }

    /// The same with another epsilon.
    #[must_use]
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The same with weights drawn to zero.
    #[must_use]
    pub fn with_weight_decay(self, weight_decay: WeightDecay) -> Self {
        Self { weight_decay: Some(weight_decay), ..self }
    }

    /// The same with or without amsgrad.
    #[must_use]
    pub fn with_amsgrad(self, amsgrad: bool) -> Self {
        Self { amsgrad, ..self }
    }

    fn check(&self) -> Result<(), TrainError> {
        const NAME: &str = "Adam";
        in_range(NAME, ("learning_rate", self.learning_rate), 0.0.., "not negative")?;
        for beta in self.betas {
            in_range(NAME, ("betas", beta), 0.0..1.0, "at least 0 and below 1")?;
        }
        in_range(NAME, ("epsilon", self.epsilon), 0.0.., "not negative")?;
        match self.weight_decay {
            None => Ok(()),
            Some(WeightDecay::L2(decay) | WeightDecay::Decoupled(decay)) => {
                in_range(NAME, ("weight_decay", decay), 0.0.., "not negative")
            }
        }
    }
}

/// The moments of one array, for trainers that keep their own lists of arrays; see [`Adam`] for the whole.
///
/// An array may be rows, of one thing each, that come and go between steps.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamMoments<T> {
    first: Vec<T>,
    second: Vec<T>,
    /// The largest second moments, for amsgrad.
    largest: Option<Vec<T>>,
}

impl<T: Real> AdamMoments<T> {
    /// Zeros for `len` values.
    #[must_use]
    pub fn new(len: usize, options: &AdamOptions) -> Self {
        let zeros = || vec![T::default(); len];
        Self { first: zeros(), second: zeros(), largest: options.amsgrad.then(zeros) }
    }

    /// Values that there are moments of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Step number `step` (from 1) over an array whose value `i` has the learning rate `rates[i % rates.len()]`:
    /// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
    /// `p -= rate / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)` (Kingma and Ba, 2015, algorithm 1, in the order
    /// of operations of PyTorch).
    ///
    /// # Errors
    /// [`TrainError::Length`] when lengths differ from that of the moments, or there are no rates.
    pub fn step(
        &mut self,
        parameter: Parameter<'_, T>,
        step: u64,
        rates: &[f64],
        options: &AdamOptions,
    ) -> Result<(), TrainError> {
        const NAME: &str = "AdamMoments::step";
        check(NAME, std::slice::from_ref(&parameter), Some(&[self.len()]))?;
        if rates.is_empty() {
            return Err(TrainError::Length { what: NAME, index: 0, got: 0, wanted: 1 });
        }
        let t = i32::try_from(step).unwrap_or(i32::MAX);
        let corrections = options.betas.map(|beta| 1.0 - beta.powi(t));
        let [b1, b2] = options.betas.map(T::from_f64);
        let [c1, c2] = options.betas.map(|beta| T::from_f64(1.0 - beta));
        let (root, epsilon) = (T::from_f64(corrections[1].sqrt()), T::from_f64(options.epsilon));
        let (l2, decoupled) = match options.weight_decay {
            None => (0.0, 0.0),
            Some(WeightDecay::L2(decay)) => (decay, 0.0),
            Some(WeightDecay::Decoupled(decay)) => (0.0, decay),
        };
        let l2 = T::from_f64(l2);
        let rates: Vec<[T; 2]> = rates
            .iter()
            .map(|rate| [T::from_f64(rate / corrections[0]), T::from_f64(1.0 - rate * decoupled)])
            .collect();
        let Parameter { values, gradient } = parameter;
        for (row, values) in values.chunks_mut(rates.len()).enumerate() {
            let first = row * rates.len();
            for (k, (value, [rate, kept])) in values.iter_mut().zip(&rates).enumerate() {
                let i = first + k;
                *value *= *kept;
                let g = gradient[i] + l2 * *value;
                let (m, v) = (&mut self.first[i], &mut self.second[i]);
                *m = b1 * *m + c1 * g;
                *v = b2 * *v + c2 * g * g;
                let mut second = *v;
                if let Some(largest) = &mut self.largest {
                    if second > largest[i] {
                        largest[i] = second;
                    }
                    second = largest[i];
                }
                *value -= *rate * (*m / (second.sqrt() / root + epsilon));
            }
        }
        Ok(())
    }

    /// Makes the rows of `width` values those that `origins` names, with zeros where it names none.
    ///
    /// # Errors
    /// [`TrainError::Length`] for a row that is not there.
    pub fn rearrange(&mut self, width: usize, origins: &[Option<usize>]) -> Result<(), TrainError> {
        let n_rows = self.len() / width.max(1);
        if let Some(row) = origins.iter().flatten().find(|row| **row >= n_rows) {
            return Err(TrainError::Length {
                what: "AdamMoments::rearrange",
                index: *row,
                got: n_rows,
                wanted: row + 1,
            });
        }
        let rearranged = |values: &[T]| {
            let mut out = Vec::with_capacity(origins.len() * width);
            for origin in origins {
                match origin {
                    Some(row) => out.extend_from_slice(&values[row * width..(row + 1) * width]),
                    None => out.resize(out.len() + width, T::default()),
                }
            }
            out
        };
        (self.first, self.second) = (rearranged(&self.first), rearranged(&self.second));
        self.largest = self.largest.as_deref().map(rearranged);
        Ok(())
    }

    /// Sets all to zero.
    pub fn clear(&mut self) {
        self.first.fill(T::default());
        self.second.fill(T::default());
        self.largest.iter_mut().for_each(|largest| largest.fill(T::default()));
    }

    /// First and second moments.
    #[must_use]
    pub fn moments(&self) -> [&[T]; 2] {
        [&self.first, &self.second]
    }
}

/// Adam, `AdamW` and amsgrad: see [`AdamMoments::step`].
///
/// ```
/// use volkit_train::{Adam, AdamOptions, Optimizer as _, Parameter};
///
/// let mut adam = Adam::new(AdamOptions::default().with_learning_rate(0.1))?;
/// let (mut values, gradient) = ([1.0_f32, 2.0], [0.5, -3.0]);
/// adam.step(&mut [Parameter { values: &mut values, gradient: &gradient }])?;
/// assert!((values[0] - 0.9).abs() < 1e-6 && (values[1] - 2.1).abs() < 1e-6);
/// # Ok::<(), volkit_train::TrainError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Adam<T> {
    options: AdamOptions,
    steps: u64,
    moments: Vec<AdamMoments<T>>,
}

impl<T: Real> Adam<T> {
    /// An optimiser that has taken no step.
    ///
    /// # Errors
    /// [`TrainError::Option`] for an option out of its range.
    pub fn new(options: AdamOptions) -> Result<Self, TrainError> {
        options.check()?;
        Ok(Self { options, steps: 0, moments: Vec::new() })
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &AdamOptions {
        &self.options
    }
}

const FIRST: &str = "first_moment";
const SECOND: &str = "second_moment";
const LARGEST: &str = "largest_second_moment";

impl<T: Real> Optimizer<T> for Adam<T> {
    fn step(&mut self, parameters: &mut [Parameter<'_, T>]) -> Result<(), TrainError> {
        let known: Vec<usize> = self.moments.iter().map(AdamMoments::len).collect();
        check("Adam", parameters, (self.steps > 0).then_some(known.as_slice()))?;
        if self.steps == 0 {
            self.moments = parameters.iter().map(|p| AdamMoments::new(p.values.len(), &self.options)).collect();
        }
        self.steps += 1;
        for (moments, parameter) in self.moments.iter_mut().zip(parameters) {
            let parameter = Parameter { values: parameter.values, gradient: parameter.gradient };
            moments.step(parameter, self.steps, &[self.options.learning_rate], &self.options)?;
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.options.learning_rate
    }

    fn set_learning_rate(&mut self, rate: f64) {
        self.options.learning_rate = rate;
    }

    fn state(&self) -> OptimizerState<T> {
        let mut arrays = Vec::new();
        for (index, moments) in self.moments.iter().enumerate() {
            arrays.push((FIRST.to_owned(), index, moments.first.clone()));
            arrays.push((SECOND.to_owned(), index, moments.second.clone()));
            arrays.extend(moments.largest.clone().map(|largest| (LARGEST.to_owned(), index, largest)));
        }
        OptimizerState { steps: self.steps, arrays, numbers: Vec::new() }
    }

    fn restore(&mut self, mut state: OptimizerState<T>) -> Result<(), TrainError> {
        let mut restored = Vec::new();
        for index in 0..state.count(FIRST) {
            let moments = AdamMoments {
                first: state.take(FIRST, index)?,
                second: state.take(SECOND, index)?,
                largest: if self.options.amsgrad { Some(state.take(LARGEST, index)?) } else { None },
            };
            let n = moments.first.len();
            if moments.second.len() != n || moments.largest.as_ref().is_some_and(|largest| largest.len() != n) {
                let why = "moments of one array differ in length".to_owned();
                return Err(TrainError::State { name: format!("{FIRST}.{index}"), why });
            }
            restored.push(moments);
        }
        (self.steps, self.moments) = (state.steps, restored);
        Ok(())
    }
}
