//! Plain loops over arrays, compiled for each instruction set.

use crate::Isa;
use crate::simd::{Body, Lane, dispatch};

/// Work on arrays in plain Rust that the compiler turns into vector instructions: loops of a fixed length over
/// arrays of numbers, without branches and calls that are not inlined.
///
/// The language fixes how each operation rounds, so the result is the same for every instruction set.
pub trait Vectorized {
    /// What it returns.
    type Output;

    /// Does the work. Implementations, and what they call, are `#[inline(always)]`: a function that is not inlined loses
    /// the instruction set.
    fn run(self) -> Self::Output;
}

struct Plain<T>(T);

impl<T: Vectorized> Body for Plain<T> {
    type Output = T::Output;

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> T::Output {
        self.0.run()
    }
}

/// Runs `work` as compiled for `isa`, or for any machine where this one lacks it.
///
/// ```
/// use volkit_kernels::{Isa, Vectorized, vectorize};
///
/// struct Squares<'a>(&'a mut [f64; 64]);
///
/// impl Vectorized for Squares<'_> {
///     type Output = ();
///
///     #[inline(always)]
///     fn run(self) {
///         for x in self.0 {
///             *x *= *x;
///         }
///     }
/// }
///
/// let mut numbers = [3.0; 64];
/// vectorize(Isa::detect(), Squares(&mut numbers));
/// assert_eq!(numbers, [9.0; 64]);
/// ```
pub fn vectorize<T: Vectorized>(isa: Isa, work: T) -> T::Output {
    // SAFETY: the body asks for nothing beyond the instruction set.
    unsafe { dispatch(isa, Plain(work)) }
}
