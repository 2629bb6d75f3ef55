//! Lanes in plain arrays: the twin of every SIMD implementation.

use super::{Body, Lane};

/// `N` lanes in an array, for any machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lanes<const N: usize>(pub(super) [f32; N]);

impl<const N: usize> Lanes<N> {
    #[inline(always)]
    fn zip(self, other: Self, op: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = self.0;
        for (a, b) in out.iter_mut().zip(other.0) {
            *a = op(*a, b);
        }
        Self(out)
    }
}

impl<const N: usize> Lane for Lanes<N> {
    const N: usize = N;
    const REGISTERS: usize = 4;

    #[inline(always)]
    unsafe fn vectorize<B: Body>(body: B) -> B::Output {
        #[cfg(target_arch = "x86_64")]
        {
            /// # Safety
            /// The machine has FMA, and what `body` asks for.
            #[target_feature(enable = "fma")]
            unsafe fn with_fma<B: Body, const N: usize>(body: B) -> B::Output {
                // SAFETY: passed on from the caller.
                unsafe { body.run::<Lanes<N>>() }
            }
            // Without the instruction `f32::mul_add` is a call of the mathematical library.
            if is_x86_feature_detected!("fma") {
                // SAFETY: detected on the line above; the rest is passed on from the caller.
                return unsafe { with_fma::<B, N>(body) };
            }
        }
        // SAFETY: passed on from the caller.
        unsafe { body.run::<Self>() }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; N])
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the caller vouches for `N` floats; an array of floats may lie unaligned for `read_unaligned`.
        Self(unsafe { p.cast::<[f32; N]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_first(p: *const f32, m: usize) -> Self {
        let mut out = [0.0; N];
        for (i, x) in out.iter_mut().enumerate().take(m) {
            // SAFETY: `i < m`, and the caller vouches for `m` floats.
            *x = unsafe { *p.add(i) };
        }
        Self(out)
    }

    #[inline(always)]
    unsafe fn columns(p: *const f32, stride: usize, rows: usize, cols: usize) -> [Self; 4] {
        let mut out = [[0.0; N]; 4];
        for (i, column) in out.iter_mut().enumerate().take(cols) {
            for (r, x) in column.iter_mut().enumerate() {
                // SAFETY: row below `rows` and column below `cols`, which the caller vouches for.
                *x = unsafe { *p.add(r.min(rows - 1) * stride + i) };
            }
        }
        out.map(Self)
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the caller vouches for `N` floats.
        unsafe { p.cast::<[f32; N]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, m: usize) {
        for (i, x) in self.0.into_iter().enumerate().take(m) {
            // SAFETY: `i < m`, and the caller vouches for `m` floats.
            unsafe { *p.add(i) = x };
        }
    }

    #[inline(always)]
    unsafe fn load_quad(p: *const f32) -> Self {
        // SAFETY: the caller vouches for four floats.
        Self(std::array::from_fn(|i| unsafe { *p.add(i % 4) }))
    }

    #[inline(always)]
    unsafe fn store_quads(vectors: [Self; 4], p: *mut f32) {
        for lane in 0..N {
            for (k, vector) in vectors.iter().enumerate() {
                // SAFETY: `4 * lane + k < 4 * N`, which the caller vouches for.
                unsafe { *p.add(4 * lane + k) = vector.0[lane] };
            }
        }
    }

    #[inline(always)]
    fn quad_place(lane: usize) -> usize {
        lane
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        let mut out = addend.0;
        for ((c, a), b) in out.iter_mut().zip(self.0).zip(factor.0) {
            *c = a.mul_add(b, *c);
        }
        Self(out)
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        Self(self.0.map(|a| -a)).mul_add(factor, addend)
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(self.0.map(f32::round_ties_even))
    }

    #[inline(always)]
    fn exp2_integer(self) -> Self {
        Self(self.0.map(|n| f32::from_bits(((n as i32).wrapping_add(127) as u32) << 23)))
    }

    #[inline(always)]
    fn times_exp2(self, biased: Self) -> Self {
        self.zip(biased, |x, biased| f32::from_bits(x.to_bits().wrapping_add(biased.to_bits() << 23)))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.map(f32::abs))
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.zip(sign, f32::copysign)
    }

    #[inline(always)]
    fn select_gt(self, bound: Self, yes: Self, no: Self) -> Self {
        let mut out = no.0;
        for (i, x) in out.iter_mut().enumerate() {
            if self.0[i] > bound.0[i] {
                *x = yes.0[i];
            }
        }
        Self(out)
    }

    #[inline(always)]
    fn duplicate(self) -> [Self; 2] {
        let mut out = [[0.0; N]; 2];
        for i in 0..2 * N {
            out[i / N][i % N] = self.0[i / 2];
        }
        out.map(Self)
    }
}
