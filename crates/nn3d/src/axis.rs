//! Where the taps of a correlation read, axis by axis.

/// One axis of a correlation: output `i` reads the inputs `i * stride + offset` for each offset.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) stride: usize,
    pub(crate) offsets: Vec<isize>,
    pub(crate) n_out: usize,
}

impl Axis {
    /// The axis of a convolution with `n_out` outputs.
    pub(crate) fn convolution(kernel: usize, stride: usize, padding: usize, dilation: usize, n_out: usize) -> Self {
        let offsets = (0..kernel).map(|k| (k * dilation) as isize - padding as isize).collect();
        Self { stride, offsets, n_out }
    }

    /// One phase of the transpose of a convolution: its outputs `q * stride + phase`, and the taps that reach them.
    ///
    /// Output `o` gets tap `k` of input `i` where `o = i * stride + k * dilation - padding`; for the outputs of one phase
    /// this holds for the same taps, with inputs one apart.
    pub(crate) fn transposed(&self, phase: usize, n_out: usize) -> (Self, Vec<u32>) {
        let stride = self.stride as isize;
        let mut offsets = Vec::new();
        let mut taps = Vec::new();
        for (tap, offset) in self.offsets.iter().enumerate() {
            let distance = phase as isize - offset;
            if distance.rem_euclid(stride) == 0 {
                offsets.push(distance.div_euclid(stride));
                taps.push(tap as u32);
            }
        }
        (Self { stride: 1, offsets, n_out }, taps)
    }

    /// First and last offset.
    fn reach(&self) -> (isize, isize) {
        self.offsets.iter().fold((isize::MAX, isize::MIN), |(lo, hi), &o| (lo.min(o), hi.max(o)))
    }

    /// Input window that the outputs `first .. first + n` read, as start and length; the length is a multiple of the
    /// stride, so that the window can be cut into phases.
    pub(crate) fn input_window(&self, first: usize, n: usize) -> (isize, usize) {
        let (lo, hi) = self.reach();
        let start = (first * self.stride) as isize + lo;
        (start, (n + (hi - lo) as usize / self.stride) * self.stride)
    }

    /// Position of a tap in the window of [`Self::input_window`].
    pub(crate) fn tap_in_window(&self, tap: usize) -> usize {
        (self.offsets[tap] - self.reach().0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    #[test]
    fn the_phases_of_a_transpose_reach_every_pair_once() {
        for (kernel, stride, padding, dilation, n_in) in
            [(3, 2, 1, 1, 7), (2, 3, 0, 2, 9), (5, 1, 4, 3, 12), (1, 2, 0, 1, 4)]
        {
            let n_out = (n_in + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
            let axis = Axis::convolution(kernel, stride, padding, dilation, n_out);
            let mut wanted: Vec<(usize, usize, isize)> = (0..n_out)
                .flat_map(|o| (0..kernel).map(move |k| (o, k)))
                .map(|(o, k)| (o, k, (o * stride) as isize + axis.offsets[k]))
                .filter(|&(_, _, i)| (0..n_in as isize).contains(&i))
                .collect();
            let mut got = Vec::new();
            for phase in 0..stride {
                let (part, taps) = axis.transposed(phase, n_in.div_ceil(stride));
                for q in 0..part.n_out {
                    for (offset, &tap) in part.offsets.iter().zip(&taps) {
                        let (i, o) = (q * stride + phase, q as isize + offset);
                        if i < n_in && (0..n_out as isize).contains(&o) {
                            got.push((o as usize, tap as usize, i as isize));
                        }
                    }
                }
            }
            wanted.sort_unstable();
            got.sort_unstable();
            assert_eq!(got, wanted);
        }
    }
}
