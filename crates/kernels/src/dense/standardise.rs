//! Normalisation by the statistics of channels, with its gradient.

use std::ops::Range;

use super::Cores;
use super::elements::{ElementsMut, Operand, PIECE, SharedElements, rectified};
use super::shared::check_len;
use crate::KernelError;
use crate::simd::{Body, Lane, dispatch};

const OP: &str = "standardise";

/// Partial sums that go side by side, for every instruction set.
const PARTS: usize = 16;

/// Mean and biased variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelMoments {
    /// Means `[C]`.
    pub mean: Vec<f64>,
    /// Mean squares of the differences from the mean, `[C]`.
    pub variance: Vec<f64>,
}

/// Normalisation of the channels of `[N, C, S]`: over batch and positions, or, with each channel of each sample taken for a
/// channel of one sample, over positions.
///
/// All sums are f64, in an order that depends on the shape alone. A rectifier behind it costs no pass of its own.
///
/// ```
/// use volkit_kernels::{Cores, Standardisation, Threads};
///
/// let (threads, x, mut y) = (Threads::single(), [1.0, 3.0], [0.0; 2]);
/// let (cores, norm) = (Cores::detect(&threads), Standardisation::new([1, 1, 2], 0.0)?);
/// let moments = norm.moments(&x, &cores)?;
/// norm.apply(&x, &moments, [&[10.0], &[0.5]], &mut y, &cores)?;
/// assert_eq!(y, [-9.5, 10.5]);
/// # Ok::<(), volkit_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Standardisation {
    shape: [usize; 3],
    eps: f64,
    rectifier: Option<f32>,
}

/// What [`Standardisation::gradient`] gives for weight and bias, `[C]` each.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterGradients {
    /// `sum(g h)`, with `h` the normalised input.
    pub weight: Vec<f32>,
    /// `sum(g)`.
    pub bias: Vec<f32>,
}

impl Standardisation {
    /// For tensors `[N, C, S]`, with `eps` added to the variance.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] for an `eps` that is negative or not finite, [`KernelError::Shape`] for an empty tensor.
    pub fn new(shape: [usize; 3], eps: f64) -> Result<Self, KernelError> {
        if !(eps.is_finite() && eps >= 0.0) {
            let why = "finite and not negative";
            return Err(KernelError::Parameter { op: OP, name: "eps", value: eps.to_string(), why });
        }
        if shape.contains(&0) {
            let wanted = "a tensor [N, C, S] that is not empty".into();
            return Err(KernelError::Shape { op: OP, wanted, got: format!("{shape:?}") });
        }
        Ok(Self { shape, eps, rectifier: None })
    }

    /// The same with a rectifier behind it: `y > 0 ? y : slope y`, with a slope that is not negative.
    #[must_use]
    pub fn with_rectifier(self, slope: Option<f32>) -> Self {
        Self { rectifier: slope, ..self }
    }

    /// Elements of a channel.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shape[0] * self.shape[2]
    }

    /// Mean and variance: first the mean, then the squares of the differences from it.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where `x` has another length.
    pub fn moments<'a>(&self, x: impl Into<Operand<'a>>, cores: &Cores<'_>) -> Result<ChannelMoments, KernelError> {
        let x = x.into();
        check_len(OP, "x", x.len(), &self.shape)?;
        let (channels, share) = (self.shape[1], 1.0 / self.count() as f64);
        let mut moments = vec![[0.0; 2]; channels];
        let mut tasks: Vec<_> = moments.iter_mut().enumerate().collect();
        cores.threads.for_each_mut(&mut tasks, |(c, moments)| {
            let sum = |centre: f64| -> [f64; 2] {
                let mut total = [0.0; 2];
                for n in 0..self.shape[0] {
                    let body = Powers { x, row: self.row(n, *c), centre };
                    // SAFETY: the body asks for nothing beyond the instruction set.
                    let [first, second] = unsafe { dispatch(cores.isa, body) };
                    total = [total[0] + first, total[1] + second];
                }
                total.map(|t| t * share)
            };
            let mean = sum(0.0)[0];
            **moments = [mean, sum(mean)[1]];
        });
        Ok(ChannelMoments {
            mean: moments.iter().map(|m| m[0]).collect(),
            variance: moments.iter().map(|m| m[1]).collect(),
        })
    }

    /// `y = weight * (x - mean) / sqrt(variance + eps) + bias`, with `[weight, bias]` one value a channel; rectified, if that
    /// is asked for.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where a slice has another length.
    pub fn apply<'a>(
        &self,
        x: impl Into<Operand<'a>>,
        moments: &ChannelMoments,
        parameters: [&[f32]; 2],
        y: impl Into<ElementsMut<'a>>,
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        let (x, mut y) = (x.into(), y.into());
        self.check(&x, moments, parameters)?;
        check_len(OP, "y", y.len(), &self.shape)?;
        let (y, slope) = (y.share(), self.rectifier);
        self.for_each_row(cores, |c, row| {
            let body = Apply { x, row, line: self.line(c, moments, parameters), slope, y };
            // SAFETY: this task alone writes the row.
            unsafe { dispatch(cores.isa, body) }
        });
        Ok(())
    }

    /// Gradients for `grad`, that of the result of [`Standardisation::apply`] with the moments of `x` itself and these
    /// `[weight, bias]`: with `m` the mean over a channel, that of `x` is
    /// `weight / sqrt(variance + eps) * (g - m(g) - h m(g h))`.
    ///
    /// # Errors
    /// As [`Standardisation::apply`].
    pub fn gradient<'a>(
        &self,
        arguments: [impl Into<Operand<'a>>; 2],
        moments: &ChannelMoments,
        parameters: [&[f32]; 2],
        gradient: impl Into<ElementsMut<'a>>,
        cores: &Cores<'_>,
    ) -> Result<ParameterGradients, KernelError> {
        self.gradients(arguments.map(Into::into), moments, (parameters, true), gradient.into(), cores)
    }

    /// The same where the moments are given, not those of `x`: that of `x` is `weight / sqrt(variance + eps) * g`.
    ///
    /// # Errors
    /// As [`Standardisation::apply`].
    pub fn gradient_of_fixed<'a>(
        &self,
        arguments: [impl Into<Operand<'a>>; 2],
        moments: &ChannelMoments,
        parameters: [&[f32]; 2],
        gradient: impl Into<ElementsMut<'a>>,
        cores: &Cores<'_>,
    ) -> Result<ParameterGradients, KernelError> {
        self.gradients(arguments.map(Into::into), moments, (parameters, false), gradient.into(), cores)
    }

    fn gradients(
        &self,
        [x, grad]: [Operand<'_>; 2],
        moments: &ChannelMoments,
        (parameters, through_moments): ([&[f32]; 2], bool),
        mut gradient: ElementsMut<'_>,
        cores: &Cores<'_>,
    ) -> Result<ParameterGradients, KernelError> {
        self.check(&x, moments, parameters)?;
        check_len(OP, "the gradient of y", grad.len(), &self.shape)?;
        check_len(OP, "the gradient of x", gradient.len(), &self.shape)?;
        let arguments = |c: usize, row| {
            let behind = self.rectifier.map(|slope| (self.line(c, moments, parameters), slope));
            Arguments { x, grad, behind, row }
        };
        let channels = self.shape[1];
        let mut sums = vec![[0.0; 2]; channels];
        let mut tasks: Vec<_> = sums.iter_mut().enumerate().collect();
        cores.threads.for_each_mut(&mut tasks, |(c, sums)| {
            for n in 0..self.shape[0] {
                let body = Products { arguments: arguments(*c, self.row(n, *c)), mean: moments.mean[*c] };
                // SAFETY: the body asks for nothing beyond the instruction set.
                let [plain, times] = unsafe { dispatch(cores.isa, body) };
                **sums = [sums[0] + plain, sums[1] + times * self.inverse(moments, *c)];
            }
        });
        let share = if through_moments { 1.0 / self.count() as f64 } else { 0.0 };
        let gradient = gradient.share();
        self.for_each_row(cores, |c, row| {
            // weight * inverse * (g - m(g) - (x - mean) * inverse * m(g h)) as g * a + (x - centre) * b + shift.
            let inverse = self.inverse(moments, c);
            let (factor, [plain, times]) = (f64::from(parameters[0][c]) * inverse, sums[c].map(|s| s * share));
            let slope = -factor * inverse * times;
            let centre = moments.mean[c] as f32;
            let shift = -factor * plain - (moments.mean[c] - f64::from(centre)) * slope;
            let line = Line { centre, scale: slope as f32, shift: shift as f32 };
            let body = Join { arguments: arguments(c, row), factor: factor as f32, line, out: gradient };
            // SAFETY: this task alone writes the row.
            unsafe { dispatch(cores.isa, body) }
        });
        let all = |which: usize| sums.iter().map(|s| s[which] as f32).collect();
        Ok(ParameterGradients { weight: all(1), bias: all(0) })
    }

    fn check(&self, x: &Operand<'_>, moments: &ChannelMoments, parameters: [&[f32]; 2]) -> Result<(), KernelError> {
        check_len(OP, "x", x.len(), &self.shape)?;
        check_len(OP, "means", moments.mean.len(), &self.shape[1..2])?;
        check_len(OP, "variances", moments.variance.len(), &self.shape[1..2])?;
        check_len(OP, "weight", parameters[0].len(), &self.shape[1..2])?;
        check_len(OP, "bias", parameters[1].len(), &self.shape[1..2])
    }

    /// What the elements of channel `c` go through.
    fn line(&self, c: usize, moments: &ChannelMoments, [weight, bias]: [&[f32]; 2]) -> Line {
        let (mean, scale) = (moments.mean[c], f64::from(weight[c]) * self.inverse(moments, c));
        // The centre is taken off as a float and what its rounding left as part of the shift, so that a large offset
        // costs no precision.
        let centre = mean as f32;
        let shift = f64::from(bias[c]) - (mean - f64::from(centre)) * scale;
        Line { centre, scale: scale as f32, shift: shift as f32 }
    }

    fn inverse(&self, moments: &ChannelMoments, c: usize) -> f64 {
        1.0 / (moments.variance[c] + self.eps).sqrt()
    }

    /// Elements of channel `c` of sample `n`.
    fn row(&self, n: usize, c: usize) -> Range<usize> {
        let [_, channels, positions] = self.shape;
        let start = (n * channels + c) * positions;
        start..start + positions
    }

    /// Each row of elements of one sample and channel, with its channel.
    fn for_each_row(&self, cores: &Cores<'_>, task: impl Fn(usize, Range<usize>) + Sync) {
        let channels = self.shape[1];
        cores.threads.for_each(self.shape[0] * channels, |i| task(i % channels, self.row(i / channels, i % channels)));
    }
}

/// `(x - centre) * scale + shift`.
#[derive(Clone, Copy)]
struct Line {
    centre: f32,
    scale: f32,
    shift: f32,
}

impl Line {
    #[inline(always)]
    fn at(self, x: f32) -> f32 {
        (x - self.centre) * self.scale + self.shift
    }
}

/// Sums of the differences from a centre and of their squares.
struct Powers<'a> {
    x: Operand<'a>,
    row: Range<usize>,
    centre: f64,
}

impl Body for Powers<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> [f64; 2] {
        let (mut first, mut second) = ([0.0_f64; PARTS], [0.0_f64; PARTS]);
        let mut room = [0.0; PIECE];
        for at in self.row.clone().step_by(PIECE) {
            let x = self.x.piece(at, PIECE.min(self.row.end - at), &mut room);
            let (chunks, rest) = x.as_chunks::<PARTS>();
            for chunk in chunks {
                for (i, x) in chunk.iter().enumerate() {
                    let d = f64::from(*x) - self.centre;
                    first[i] += d;
                    second[i] += d * d;
                }
            }
            for (i, x) in rest.iter().enumerate() {
                let d = f64::from(*x) - self.centre;
                first[i] += d;
                second[i] += d * d;
            }
        }
        [first.iter().sum(), second.iter().sum()]
    }
}

/// `y = rectified(line(x))`.
struct Apply<'a> {
    x: Operand<'a>,
    row: Range<usize>,
    line: Line,
    slope: Option<f32>,
    y: SharedElements,
}

impl Body for Apply<'_> {
    type Output = ();

    /// # Safety
    /// The row of `y` is this body's alone.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let (mut from, mut to) = ([0.0; PIECE], [0.0; PIECE]);
        let line = self.line;
        for at in self.row.clone().step_by(PIECE) {
            let n = PIECE.min(self.row.end - at);
            let x = self.x.piece(at, n, &mut from);
            // SAFETY: the row is this body's alone.
            let y = unsafe { self.y.room(at, n, &mut to) };
            match self.slope {
                None => y.iter_mut().zip(x).for_each(|(y, x)| *y = line.at(*x)),
                Some(slope) => y.iter_mut().zip(x).for_each(|(y, x)| *y = rectified(line.at(*x), slope)),
            }
            // SAFETY: as above.
            unsafe { self.y.finish(at, &to[..n]) };
        }
    }
}

/// What the gradient of a row is formed from.
struct Arguments<'a> {
    x: Operand<'a>,
    grad: Operand<'a>,
    /// What stands before a rectifier, and the slope of that below zero.
    behind: Option<(Line, f32)>,
    row: Range<usize>,
}

impl Arguments<'_> {
    /// `n` elements of `x` and of the gradient before the rectifier, from `at` on.
    #[inline(always)]
    fn piece<'s>(&'s self, at: usize, n: usize, [x, grad]: &'s mut [[f32; PIECE]; 2]) -> [&'s [f32]; 2] {
        let x = self.x.piece(at, n, x);
        let Some((line, slope)) = self.behind else { return [x, self.grad.piece(at, n, grad)] };
        let grad = &mut grad[..n];
        self.grad.widen(at, grad);
        for (grad, x) in grad.iter_mut().zip(x) {
            *grad = if line.at(*x) > 0.0 { *grad } else { *grad * slope };
        }
        [x, grad]
    }
}

/// Sums of `g` and of `g * (x - mean)`.
struct Products<'a> {
    arguments: Arguments<'a>,
    mean: f64,
}

impl Body for Products<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> [f64; 2] {
        let (mut plain, mut times) = ([0.0_f64; PARTS], [0.0_f64; PARTS]);
        let mut room = [[0.0; PIECE]; 2];
        let Range { start, end } = self.arguments.row;
        for at in (start..end).step_by(PIECE) {
            let [x, grad] = self.arguments.piece(at, PIECE.min(end - at), &mut room);
            for (x, grad) in x.chunks(PARTS).zip(grad.chunks(PARTS)) {
                if let (Ok(x), Ok(grad)) = (<&[f32; PARTS]>::try_from(x), <&[f32; PARTS]>::try_from(grad)) {
                    for i in 0..PARTS {
                        plain[i] += f64::from(grad[i]);
                        times[i] += f64::from(grad[i]) * (f64::from(x[i]) - self.mean);
                    }
                } else {
                    for (i, (x, grad)) in x.iter().zip(grad).enumerate() {
                        plain[i] += f64::from(*grad);
                        times[i] += f64::from(*grad) * (f64::from(*x) - self.mean);
                    }
                }
            }
        }
        [plain.iter().sum(), times.iter().sum()]
    }
}

/// `out = g * factor + line(x)`.
struct Join<'a> {
    arguments: Arguments<'a>,
    factor: f32,
    line: Line,
    out: SharedElements,
}

impl Body for Join<'_> {
    type Output = ();

    /// # Safety
    /// The row of `out` is this body's alone.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let (mut room, mut to) = ([[0.0; PIECE]; 2], [0.0; PIECE]);
        let Range { start, end } = self.arguments.row;
        for at in (start..end).step_by(PIECE) {
            let n = PIECE.min(end - at);
            let [x, grad] = self.arguments.piece(at, n, &mut room);
            // SAFETY: the row is this body's alone.
            let out = unsafe { self.out.room(at, n, &mut to) };
            for ((out, x), grad) in out.iter_mut().zip(x).zip(grad) {
                *out = grad * self.factor + self.line.at(*x);
            }
            // SAFETY: as above.
            unsafe { self.out.finish(at, &to[..n]) };
        }
    }
}
