//! Where the outputs of a correlation, or of its transpose, read along one axis.

/// Sizes of a correlation along one axis: output `i` reads the inputs `i * stride + k * dilation - padding`.
#[derive(Clone, Copy, Debug)]
pub(super) struct AxisShape {
    pub(super) n_in: usize,
    pub(super) n_out: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) dilation: usize,
}

/// Outputs `first, first + out_step, ..`, `n` of them: number `j` reads the inputs `j * in_step + offset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) first: usize,
    pub(super) n: usize,
    /// Offset and tap, by ascending offset.
    pub(super) taps: Vec<(isize, usize)>,
}

/// All outputs of one axis.
#[derive(Clone, Debug)]
pub(super) struct AxisPlan {
    pub(super) n_in: usize,
    pub(super) n_out: usize,
    pub(super) in_step: usize,
    pub(super) out_step: usize,
    pub(super) phases: Vec<Phase>,
}

impl AxisShape {
    /// The correlation itself: one phase.
    pub(super) fn forward(&self) -> AxisPlan {
        let taps = (0..self.kernel).map(|k| ((k * self.dilation) as isize - self.padding as isize, k)).collect();
        let phases = vec![Phase { first: 0, n: self.n_out, taps }];
        AxisPlan { n_in: self.n_in, n_out: self.n_out, in_step: self.stride, out_step: 1, phases }
    }

    /// The transpose, from outputs to inputs: input `q` gets tap `k` of output `o` where
    /// `q = o * stride + k * dilation - padding`. Inputs a stride apart get the same taps, so there is a phase for each
    /// remainder, and no product with a zero is taken.
    pub(super) fn transposed(&self) -> AxisPlan {
        let stride = self.stride as isize;
        let phases = (0..self.stride.min(self.n_in)).map(|first| {
            let distance = |k: usize| first as isize + self.padding as isize - (k * self.dilation) as isize;
            let taps = (0..self.kernel).rev().filter(|k| distance(*k).rem_euclid(stride) == 0);
            let taps = taps.map(|k| (distance(k).div_euclid(stride), k)).collect();
            Phase { first, n: (self.n_in - first).div_ceil(self.stride), taps }
        });
        AxisPlan { n_in: self.n_out, n_out: self.n_in, in_step: 1, out_step: self.stride, phases: phases.collect() }
    }
}

impl AxisPlan {
    /// Zeros that must lie before and behind the inputs so that every tap reads one or the other.
    pub(super) fn padding(&self) -> [usize; 2] {
        let mut padding = [0; 2];
        for phase in &self.phases {
            if let (Some(first), Some(last)) = (phase.taps.first(), phase.taps.last()) {
                let end = ((phase.n - 1) * self.in_step) as isize + last.0 + 1;
                padding[0] = padding[0].max((-first.0).max(0) as usize);
                padding[1] = padding[1].max((end - self.n_in as isize).max(0) as usize);
            }
        }
        padding
    }

    /// The phase of output `at`, and its number in there.
    pub(super) fn phase_of(&self, at: usize) -> (&Phase, usize) {
        (&self.phases[at % self.out_step], at / self.out_step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All triples (output, tap, input) that lie inside.
    fn triples(plan: &AxisPlan) -> Vec<[usize; 3]> {
        let mut all = Vec::new();
        let [before, after] = plan.padding();
        for at in 0..plan.n_out {
            let (phase, j) = plan.phase_of(at);
            assert_eq!(at, phase.first + j * plan.out_step);
            assert!(j < phase.n && phase.taps.is_sorted());
            for &(offset, tap) in &phase.taps {
                let from = (j * plan.in_step) as isize + offset;
                assert!(-(before as isize) <= from && from < (plan.n_in + after) as isize);
                if (0..plan.n_in as isize).contains(&from) {
                    all.push([at, tap, from as usize]);
                }
            }
        }
        all.sort_unstable();
        all
    }

    #[test]
    fn the_transpose_pairs_what_the_correlation_pairs() {
        for [n_in, kernel, stride, padding, dilation] in
            [[7, 3, 1, 1, 1], [7, 3, 2, 1, 1], [9, 2, 3, 0, 2], [12, 5, 1, 4, 3], [4, 1, 2, 0, 1], [2, 1, 5, 0, 1]]
        {
            let n_out = (n_in + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
            let shape = AxisShape { n_in, n_out, kernel, stride, padding, dilation };
            let mut turned: Vec<_> =
                triples(&shape.transposed()).into_iter().map(|[input, tap, output]| [output, tap, input]).collect();
            turned.sort_unstable();
            assert_eq!(turned, triples(&shape.forward()));
        }
    }
}
