//! Normalisation by the statistics of channels, with its gradient.

use super::Cores;
use super::shared::{Shared, check_len};
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
/// All sums are f64, in an order that depends on the shape alone.
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
        Ok(Self { shape, eps })
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
    pub fn moments(&self, x: &[f32], cores: &Cores<'_>) -> Result<ChannelMoments, KernelError> {
        check_len(OP, "x", x.len(), &self.shape)?;
        let (channels, share) = (self.shape[1], 1.0 / self.count() as f64);
        let mut moments = vec![[0.0; 2]; channels];
        let mut tasks: Vec<_> = moments.iter_mut().enumerate().collect();
        cores.threads.for_each_mut(&mut tasks, |(c, moments)| {
            let sum = |centre: f64| -> [f64; 2] {
                let mut total = [0.0; 2];
                for n in 0..self.shape[0] {
                    // SAFETY: the body asks for nothing beyond the instruction set.
                    let [first, second] = unsafe { dispatch(cores.isa, Powers(&x[self.row(n, *c)], centre)) };
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

    /// `y = weight * (x - mean) / sqrt(variance + eps) + bias`, with `[weight, bias]` one value a channel.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where a slice has another length.
    pub fn apply(
        &self,
        x: &[f32],
        moments: &ChannelMoments,
        [weight, bias]: [&[f32]; 2],
        y: &mut [f32],
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        self.check(x, moments, weight)?;
        check_len(OP, "bias", bias.len(), &self.shape[1..2])?;
        check_len(OP, "y", y.len(), &self.shape)?;
        let y = Shared::new(y);
        self.for_each_row(cores, |c, row| {
            let (mean, scale) = (moments.mean[c], f64::from(weight[c]) * self.inverse(moments, c));
            // The centre is taken off as a float and what its rounding left as part of the shift, so that a large offset
            // costs no precision.
            let centre = mean as f32;
            let shift = (f64::from(bias[c]) - (mean - f64::from(centre)) * scale) as f32;
            // SAFETY: this task alone writes the row.
            let y = unsafe { y.part(row.start, row.len()) };
            let body = Affine { x: &x[row], centre, scale: scale as f32, shift, y };
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(cores.isa, body) }
        });
        Ok(())
    }

    /// Gradients for `grad`, that of the result of [`Standardisation::apply`] with the moments of `x` itself: with `m` the
    /// mean over a channel, that of `x` is `weight / sqrt(variance + eps) * (g - m(g) - h m(g h))`.
    ///
    /// # Errors
    /// As [`Standardisation::apply`].
    pub fn gradient(
        &self,
        [x, grad]: [&[f32]; 2],
        moments: &ChannelMoments,
        weight: &[f32],
        gradient: &mut [f32],
        cores: &Cores<'_>,
    ) -> Result<ParameterGradients, KernelError> {
        self.gradients([x, grad], moments, (weight, true), gradient, cores)
    }

    /// The same where the moments are given, not those of `x`: that of `x` is `weight / sqrt(variance + eps) * g`.
    ///
    /// # Errors
    /// As [`Standardisation::apply`].
    pub fn gradient_of_fixed(
        &self,
        [x, grad]: [&[f32]; 2],
        moments: &ChannelMoments,
        weight: &[f32],
        gradient: &mut [f32],
        cores: &Cores<'_>,
    ) -> Result<ParameterGradients, KernelError> {
        self.gradients([x, grad], moments, (weight, false), gradient, cores)
    }

    fn gradients(
        &self,
        [x, grad]: [&[f32]; 2],
        moments: &ChannelMoments,
        (weight, through_moments): (&[f32], bool),
        gradient: &mut [f32],
        cores: &Cores<'_>,
    ) -> Result<ParameterGradients, KernelError> {
        self.check(x, moments, weight)?;
        check_len(OP, "the gradient of y", grad.len(), &self.shape)?;
        check_len(OP, "the gradient of x", gradient.len(), &self.shape)?;
        let channels = self.shape[1];
        let mut sums = vec![[0.0; 2]; channels];
        let mut tasks: Vec<_> = sums.iter_mut().enumerate().collect();
        cores.threads.for_each_mut(&mut tasks, |(c, sums)| {
            for n in 0..self.shape[0] {
                let row = self.row(n, *c);
                let body = Products { x: &x[row.clone()], grad: &grad[row], mean: moments.mean[*c] };
                // SAFETY: the body asks for nothing beyond the instruction set.
                let [plain, times] = unsafe { dispatch(cores.isa, body) };
                **sums = [sums[0] + plain, sums[1] + times * self.inverse(moments, *c)];
            }
        });
        let share = if through_moments { 1.0 / self.count() as f64 } else { 0.0 };
        let gradient = Shared::new(gradient);
        self.for_each_row(cores, |c, row| {
            // weight * inverse * (g - m(g) - (x - mean) * inverse * m(g h)) as g * a + (x - centre) * b + shift.
            let inverse = self.inverse(moments, c);
            let (factor, [plain, times]) = (f64::from(weight[c]) * inverse, sums[c].map(|s| s * share));
            let (centre, slope) = (moments.mean[c] as f32, -factor * inverse * times);
            let shift = -factor * plain - (moments.mean[c] - f64::from(centre)) * slope;
            // SAFETY: this task alone writes the row.
            let out = unsafe { gradient.part(row.start, row.len()) };
            let factors = [factor as f32, slope as f32, shift as f32];
            let body = Join { x: &x[row.clone()], grad: &grad[row], centre, factors, out };
            // SAFETY: the body asks for nothing beyond the instruction set.
            unsafe { dispatch(cores.isa, body) }
        });
        let all = |which: usize| sums.iter().map(|s| s[which] as f32).collect();
        Ok(ParameterGradients { weight: all(1), bias: all(0) })
    }

    fn check(&self, x: &[f32], moments: &ChannelMoments, weight: &[f32]) -> Result<(), KernelError> {
        check_len(OP, "x", x.len(), &self.shape)?;
        check_len(OP, "means", moments.mean.len(), &self.shape[1..2])?;
        check_len(OP, "variances", moments.variance.len(), &self.shape[1..2])?;
        check_len(OP, "weight", weight.len(), &self.shape[1..2])
    }

    fn inverse(&self, moments: &ChannelMoments, c: usize) -> f64 {
        1.0 / (moments.variance[c] + self.eps).sqrt()
    }

    /// Elements of channel `c` of sample `n`.
    fn row(&self, n: usize, c: usize) -> std::ops::Range<usize> {
        let [_, channels, positions] = self.shape;
        let start = (n * channels + c) * positions;
        start..start + positions
    }

    /// Each row of elements of one sample and channel, with its channel.
    fn for_each_row(&self, cores: &Cores<'_>, task: impl Fn(usize, std::ops::Range<usize>) + Sync) {
        let channels = self.shape[1];
        cores.threads.for_each(self.shape[0] * channels, |i| task(i % channels, self.row(i / channels, i % channels)));
    }
}

/// Sums of the differences from a centre and of their squares.
struct Powers<'a>(&'a [f32], f64);

impl Body for Powers<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> [f64; 2] {
        let (mut first, mut second) = ([0.0_f64; PARTS], [0.0_f64; PARTS]);
        let (chunks, rest) = self.0.as_chunks::<PARTS>();
        for chunk in chunks {
            for (i, x) in chunk.iter().enumerate() {
                let d = f64::from(*x) - self.1;
                first[i] += d;
                second[i] += d * d;
            }
        }
        for (i, x) in rest.iter().enumerate() {
            let d = f64::from(*x) - self.1;
            first[i] += d;
            second[i] += d * d;
        }
        [first.iter().sum(), second.iter().sum()]
    }
}

/// Sums of `g` and of `g * (x - mean)`.
struct Products<'a> {
    x: &'a [f32],
    grad: &'a [f32],
    mean: f64,
}

impl Body for Products<'_> {
    type Output = [f64; 2];

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> [f64; 2] {
        let (mut plain, mut times) = ([0.0_f64; PARTS], [0.0_f64; PARTS]);
        for (x, grad) in self.x.chunks(PARTS).zip(self.grad.chunks(PARTS)) {
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
        [plain.iter().sum(), times.iter().sum()]
    }
}

/// `y = (x - centre) * scale + shift`.
struct Affine<'a> {
    x: &'a [f32],
    centre: f32,
    scale: f32,
    shift: f32,
    y: &'a mut [f32],
}

impl Body for Affine<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        for (y, x) in self.y.iter_mut().zip(self.x) {
            *y = (x - self.centre) * self.scale + self.shift;
        }
    }
}

/// `out = g * a + (x - centre) * b + shift`.
struct Join<'a> {
    x: &'a [f32],
    grad: &'a [f32],
    centre: f32,
    factors: [f32; 3],
    out: &'a mut [f32],
}

impl Body for Join<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let [a, b, shift] = self.factors;
        for ((out, x), grad) in self.out.iter_mut().zip(self.x).zip(self.grad) {
            *out = grad * a + ((x - self.centre) * b + shift);
        }
    }
}
