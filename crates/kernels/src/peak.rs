//! The arithmetic limit of a core, to measure kernels against.

use std::hint::black_box;

use crate::simd::{Body, Lane, dispatch};
use crate::{Isa, KernelError};

/// Multiply-adds on independent sums in registers.
struct Chains {
    rounds: usize,
}

/// Sums in flight: more than latency times ports of any core so far (4 x 4), and few enough for 16 registers.
const CHAINS: usize = 12;

impl Body for Chains {
    type Output = usize;

    #[inline(always)]
    unsafe fn run<L: Lane>(self) -> usize {
        // SAFETY: the caller vouches for the instruction set, and the array holds `N <= 16` floats.
        unsafe {
            let (factor, addend) = (L::splat(black_box(0.999)), L::splat(black_box(1e-3)));
            let mut sums = [L::splat(1.0); CHAINS];
            let mut wide = [L::splat(1.0); CHAINS];
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = sum.mul_add(factor, addend);
                }
                if L::REGISTERS == 32 {
                    for sum in &mut wide {
                        *sum = sum.mul_add(factor, addend);
                    }
                }
            }
            let mut sink = [0.0; 16];
            for sum in sums.into_iter().chain(wide) {
                sum.store(sink.as_mut_ptr());
                black_box(&mut sink);
            }
            let chains = if L::REGISTERS == 32 { 2 * CHAINS } else { CHAINS };
            2 * self.rounds * chains * L::N
        }
    }
}

/// Does nothing but fused multiply-adds in registers, `rounds` times a few dozen vectors, and returns the number of
/// floating-point operations (two per multiply-add and lane). Timed, it gives the peak of one core.
///
/// # Errors
/// [`KernelError::IsaUnavailable`].
pub fn burn_multiply_adds(isa: Isa, rounds: usize) -> Result<usize, KernelError> {
    let isa = isa.require()?;
    // SAFETY: the body asks for nothing but the instruction set.
    Ok(unsafe { dispatch(isa, Chains { rounds }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_operations() {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let one = burn_multiply_adds(isa, 1).expect("available");
            assert_eq!(burn_multiply_adds(isa, 10).expect("available"), 10 * one);
            assert!(one >= 2 * 4 * CHAINS);
        }
    }
}
