//! Elements of 32 and 16 bits, which kernels read and write in pieces of f32.

use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};

use super::Cores;
use super::shared::{Shared, check_len};
use crate::KernelError;
use crate::simd::{Body, Lane, dispatch};

/// Elements that are converted together: 8 kB as f32, which the first-level cache holds.
pub(super) const PIECE: usize = 2048;

/// Elements of a task of [`convert`].
const TASK: usize = 32 * PIECE;

/// Elements of a tensor, row-major. Kernels compute in f32 whatever they are.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Elements<'a> {
    /// 32 bits.
    F32(&'a [f32]),
    /// 16 bits, 11 of them the significand's.
    F16(&'a [f16]),
    /// 16 bits, 8 of them the significand's.
    Bf16(&'a [bf16]),
}

impl<'a, T: AsRef<[f32]> + ?Sized> From<&'a T> for Elements<'a> {
    fn from(values: &'a T) -> Self {
        Self::F32(values.as_ref())
    }
}

impl Elements<'_> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F16(x) => x.len(),
            Self::Bf16(x) => x.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes those from `start` on to `to`.
    #[inline(always)]
    fn widen(&self, start: usize, to: &mut [f32]) {
        let n = to.len();
        match self {
            Self::F32(x) => to.copy_from_slice(&x[start..][..n]),
            Self::F16(x) => x[start..][..n].convert_to_f32_slice(to),
            Self::Bf16(x) => {
                for (to, x) in to.iter_mut().zip(&x[start..][..n]) {
                    *to = f32::from_bits(u32::from(x.to_bits()) << 16);
                }
            }
        }
    }

    /// Multiplies `values` by `slope` where the elements from `start` on are not above zero.
    #[inline(always)]
    fn slope_below(&self, start: usize, slope: f32, values: &mut [f32]) {
        // The first patterns of 16 bits above zero are those of positive numbers, infinity the last of them.
        const INFINITY: [u16; 2] = [f16::INFINITY.to_bits(), bf16::INFINITY.to_bits()];
        let n = values.len();
        match self {
            Self::F32(x) => {
                for (value, x) in values.iter_mut().zip(&x[start..][..n]) {
                    *value = if *x > 0.0 { *value } else { *value * slope };
                }
            }
            Self::F16(x) => {
                for (value, x) in values.iter_mut().zip(&x[start..][..n]) {
                    *value = if x.to_bits().wrapping_sub(1) < INFINITY[0] { *value } else { *value * slope };
                }
            }
            Self::Bf16(x) => {
                for (value, x) in values.iter_mut().zip(&x[start..][..n]) {
                    *value = if x.to_bits().wrapping_sub(1) < INFINITY[1] { *value } else { *value * slope };
                }
            }
        }
    }
}

/// A tensor that a kernel reads: its elements or, behind a rectifier, their gradient before it.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    elements: Elements<'a>,
    /// Results of the rectifier, and its slope below zero.
    rectified: Option<(Elements<'a>, f32)>,
}

impl<'a, T: Into<Elements<'a>>> From<T> for Operand<'a> {
    fn from(elements: T) -> Self {
        Self { elements: elements.into(), rectified: None }
    }
}

impl<'a> Operand<'a> {
    /// The gradient of the argument of `y = x > 0 ? x : slope x`, with `slope` not negative, for the gradient `grad` of its
    /// results `y`; it is formed piece by piece where it is read.
    ///
    /// # Errors
    /// [`KernelError::Shape`] when there are not as many gradients as results.
    pub fn before_rectifier(
        grad: impl Into<Elements<'a>>,
        results: impl Into<Elements<'a>>,
        slope: f32,
    ) -> Result<Self, KernelError> {
        let (elements, results) = (grad.into(), results.into());
        check_len("rectifier", "the gradient of its results", elements.len(), &[results.len()])?;
        Ok(Self { elements, rectified: Some((results, slope)) })
    }

    pub(super) fn len(&self) -> usize {
        self.elements.len()
    }

    /// The elements where they are f32 as they are.
    #[inline(always)]
    pub(super) fn plain(&self) -> Option<&'a [f32]> {
        match (self.elements, self.rectified) {
            (Elements::F32(x), None) => Some(x),
            _ => None,
        }
    }

    /// Writes the elements from `start` on to `to`.
    #[inline(always)]
    pub(super) fn widen(&self, start: usize, to: &mut [f32]) {
        self.elements.widen(start, to);
        if let Some((results, slope)) = self.rectified {
            results.slope_below(start, slope, to);
        }
    }

    /// The `n` elements from `start` on: where they are, or formed in `room`.
    #[inline(always)]
    pub(super) fn piece<'s>(&self, start: usize, n: usize, room: &'s mut [f32]) -> &'s [f32]
    where
        'a: 's,
    {
        match self.plain() {
            Some(x) => &x[start..][..n],
            None => {
                self.widen(start, &mut room[..n]);
                &room[..n]
            }
        }
    }
}

/// Room for the elements of a tensor, row-major.
#[derive(Debug)]
#[non_exhaustive]
pub enum ElementsMut<'a> {
    /// 32 bits.
    F32(&'a mut [f32]),
    /// 16 bits, 11 of them the significand's.
    F16(&'a mut [f16]),
    /// 16 bits, 8 of them the significand's.
    Bf16(&'a mut [bf16]),
}

impl<'a, T: AsMut<[f32]> + ?Sized> From<&'a mut T> for ElementsMut<'a> {
    fn from(values: &'a mut T) -> Self {
        Self::F32(values.as_mut())
    }
}

impl ElementsMut<'_> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::F32(x) => x.len(),
            Self::F16(x) => x.len(),
            Self::Bf16(x) => x.len(),
        }
    }

    pub(super) fn share(&mut self) -> SharedElements {
        match self {
            Self::F32(x) => SharedElements::F32(Shared::new(x)),
            Self::F16(x) => SharedElements::F16(Shared::new(x)),
            Self::Bf16(x) => SharedElements::Bf16(Shared::new(x)),
        }
    }
}

/// Room whose parts go to different tasks.
#[derive(Clone, Copy, Debug)]
pub(super) enum SharedElements {
    F32(Shared<f32>),
    F16(Shared<f16>),
    Bf16(Shared<bf16>),
}

impl SharedElements {
    /// Where the `n` elements from `start` on are to be written: in their place, or in `room` if they are not f32.
    ///
    /// # Safety
    /// As [`Shared::part`].
    #[inline(always)]
    pub(super) unsafe fn room(self, start: usize, n: usize, room: &mut [f32]) -> &mut [f32] {
        match self {
            // SAFETY: passed on from the caller.
            Self::F32(to) => unsafe { to.part(start, n) },
            _ => &mut room[..n],
        }
    }

    /// Brings what was written to [`SharedElements::room`] into its place, if it is not there.
    ///
    /// # Safety
    /// As [`Shared::part`].
    #[inline(always)]
    pub(super) unsafe fn finish(self, start: usize, room: &[f32]) {
        if !matches!(self, Self::F32(_)) {
            // SAFETY: passed on from the caller.
            unsafe { self.write(start, room) };
        }
    }

    /// Rounds `values` to the elements from `start` on, to the nearest, ties to even.
    ///
    /// # Safety
    /// As [`Shared::part`].
    #[inline(always)]
    pub(super) unsafe fn write(self, start: usize, values: &[f32]) {
        let n = values.len();
        // SAFETY: passed on from the caller.
        unsafe {
            match self {
                Self::F32(to) => to.part(start, n).copy_from_slice(values),
                Self::F16(to) => to.part(start, n).convert_from_f32_slice(values),
                Self::Bf16(to) => {
                    for (to, x) in to.part(start, n).iter_mut().zip(values) {
                        *to = narrowed(*x);
                    }
                }
            }
        }
    }
}

/// Writes the elements of `from` to `to`, rounded to the nearest of its type, ties to even.
///
/// # Errors
/// [`KernelError::Shape`] where the lengths differ.
///
/// ```
/// use volkit_kernels::{Cores, Operand, Threads, convert};
///
/// let (threads, mut gradient) = (Threads::single(), [0.0; 2]);
/// let operand = Operand::before_rectifier(&[5.0, 7.0], &[1.0, 0.0], 0.5)?;
/// convert(operand, &mut gradient, &Cores::detect(&threads))?;
/// assert_eq!(gradient, [5.0, 3.5]);
/// # Ok::<(), volkit_kernels::KernelError>(())
/// ```
pub fn convert<'a>(
    from: impl Into<Operand<'a>>,
    to: impl Into<ElementsMut<'a>>,
    cores: &Cores<'_>,
) -> Result<(), KernelError> {
    let (from, mut to) = (from.into(), to.into());
    check_len("convert", "the result", to.len(), &[from.len()])?;
    let to = to.share();
    cores.threads.for_each(from.len().div_ceil(TASK), |task| {
        let first = task * TASK;
        let work = Convert { from, to, first, end: from.len().min(first + TASK) };
        // SAFETY: this task alone writes the elements of its part.
        unsafe { dispatch(cores.isa, work) }
    });
    Ok(())
}

struct Convert<'a> {
    from: Operand<'a>,
    to: SharedElements,
    first: usize,
    end: usize,
}

impl Body for Convert<'_> {
    type Output = ();

    /// # Safety
    /// The part of `to` is this body's alone.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let mut room = [0.0; PIECE];
        for first in (self.first..self.end).step_by(PIECE) {
            let n = PIECE.min(self.end - first);
            // SAFETY: the part is this body's alone.
            unsafe {
                self.from.widen(first, self.to.room(first, n, &mut room));
                self.to.finish(first, &room[..n]);
            }
        }
    }
}

/// `x > 0 ? x : slope x`, with `slope` not negative; NaN stays.
#[inline(always)]
pub(super) fn rectified(x: f32, slope: f32) -> f32 {
    let below = if slope == 0.0 { 0.0 } else { slope * x };
    if x <= 0.0 { below } else { x }
}

/// The nearest number, ties to even; as `bf16::from_f32`, without a branch.
#[inline(always)]
fn narrowed(x: f32) -> bf16 {
    /// Keeps a NaN one whose payload lies in the lower half.
    const QUIET: u32 = 0x40;
    let bits = x.to_bits();
    let upper = bits >> 16;
    let rounded = bits.wrapping_add(0x7fff + (upper & 1)) >> 16;
    bf16::from_bits(if x.is_nan() { upper | QUIET } else { rounded } as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_as_the_crate_half_does() {
        let mut bits: Vec<u32> = (0..=u32::MAX).step_by(65_521).collect();
        bits.extend([0x7f80_0000, 0xff80_0000, 0x7f80_0001, 0x7fff_ffff, 0x7f7f_ffff, 0x3f80_8000, 0x3f81_8000, 1]);
        for x in bits.into_iter().map(f32::from_bits) {
            assert_eq!(narrowed(x).to_bits(), bf16::from_f32(x).to_bits(), "{x}");
        }
    }

    #[test]
    fn gradients_before_a_rectifier() {
        let y = [1.0, 0.0, -0.0, -2.0, f32::INFINITY, f32::NAN, f32::NEG_INFINITY, 1e-6];
        let grad = [1.0_f32; 8];
        let (y16, y_bf) = (y.map(f16::from_f32), y.map(bf16::from_f32));
        for results in [Elements::F32(&y), Elements::F16(&y16), Elements::Bf16(&y_bf)] {
            let operand = Operand::before_rectifier(&grad, results, 0.25).unwrap();
            let mut room = [0.0; 8];
            assert!(operand.plain().is_none());
            assert_eq!(operand.piece(0, 8, &mut room), [1.0, 0.25, 0.25, 0.25, 1.0, 0.25, 0.25, 1.0]);
            assert_eq!(operand.piece(3, 2, &mut room), [0.25, 1.0]);
        }
        assert!(Operand::before_rectifier(&grad, &y[1..], 0.25).is_err());
    }

    #[test]
    fn elements_go_in_and_come_out() {
        let values = [0.5, -3.0, 0.0, 1024.0];
        let (mut a, mut b, mut c) = ([0.0; 4], [f16::ZERO; 4], [bf16::ZERO; 4]);
        for mut to in [ElementsMut::F32(&mut a), ElementsMut::F16(&mut b), ElementsMut::Bf16(&mut c)] {
            assert_eq!(to.len(), 4);
            // SAFETY: the part lies in the slice, and there is no other task.
            unsafe { to.share().write(1, &values[1..]) };
        }
        for elements in [Elements::F32(&a), Elements::F16(&b), Elements::Bf16(&c)] {
            let mut room = [7.0; 4];
            assert_eq!(Operand::from(elements).piece(0, 4, &mut room), [0.0, -3.0, 0.0, 1024.0]);
            assert!(!elements.is_empty());
        }
    }
}
