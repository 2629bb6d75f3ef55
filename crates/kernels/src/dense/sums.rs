//! Sums over batch and positions, one a channel.

use std::ops::Range;

use super::Cores;
use super::elements::{Operand, PIECE};
use super::shared::{Shared, check_len};
use crate::KernelError;
use crate::simd::{Body, Lane, dispatch};

/// Partial sums that go side by side: enough for every vector width, and the same for all.
const PARTS: usize = 32;

/// Sums over batch and positions of `[N, C, S]`, as `[C]`: the gradient of a bias. Partial sums are f64.
///
/// # Errors
/// [`KernelError::Shape`] where a slice has another length.
///
/// ```
/// use volkit_kernels::{Cores, Threads, channel_sums};
///
/// let threads = Threads::single();
/// let mut sums = [0.0; 2];
/// channel_sums(&[1.0, 2.0, 10.0, 20.0], [1, 2, 2], &mut sums, &Cores::detect(&threads))?;
/// assert_eq!(sums, [3.0, 30.0]);
/// # Ok::<(), volkit_kernels::KernelError>(())
/// ```
pub fn channel_sums<'a>(
    x: impl Into<Operand<'a>>,
    shape: [usize; 3],
    sums: &mut [f32],
    cores: &Cores<'_>,
) -> Result<(), KernelError> {
    let ([batch, channels, positions], x) = (shape, x.into());
    check_len("channel_sums", "a tensor", x.len(), &shape)?;
    check_len("channel_sums", "sums", sums.len(), &[channels])?;
    let sums = Shared::new(sums);
    cores.threads.for_each(channels, |c| {
        let rows = (0..batch).map(|n| (n * channels + c) * positions).map(|first| first..first + positions);
        // SAFETY: the body asks for nothing beyond the instruction set.
        let total: f64 = rows.map(|row| unsafe { dispatch(cores.isa, RowSum(x, row)) }).sum();
        // SAFETY: this task alone writes the sum of its channel.
        unsafe { *sums.at(c) = total as f32 };
    });
    Ok(())
}

/// The sum of a row in f64.
struct RowSum<'a>(Operand<'a>, Range<usize>);

impl Body for RowSum<'_> {
    type Output = f64;

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> f64 {
        let (mut parts, mut last, mut room) = ([0.0_f64; PARTS], 0.0, [0.0; PIECE]);
        let Self(x, row) = self;
        for at in row.clone().step_by(PIECE) {
            let (chunks, rest) = x.piece(at, PIECE.min(row.end - at), &mut room).as_chunks::<PARTS>();
            for chunk in chunks {
                for (part, x) in parts.iter_mut().zip(chunk) {
                    *part += f64::from(*x);
                }
            }
            last = rest.iter().map(|x| f64::from(*x)).sum::<f64>();
        }
        parts.iter().sum::<f64>() + last
    }
}
