//! What is done to finished planes before they are written.

/// Turns finished planes of logits into what is kept of them.
///
/// # Protocol
/// Called with every plane of an output once, in order, some planes at a time, from one thread. Samples must not
/// influence each other: how many planes come at a time is not promised.
pub trait Reduce: Send {
    /// Channels of the result for `channels` of the model.
    fn channels(&self, channels: usize) -> usize;

    /// Reduces `values`, `[channels, n]`, into `out`, which is empty: `[self.channels(channels), n]`.
    fn reduce(&mut self, values: &[f32], channels: usize, out: &mut Vec<f32>);
}

/// The number of the largest channel, the lowest on ties; NaN is never the largest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Argmax;

impl Reduce for Argmax {
    fn channels(&self, _channels: usize) -> usize {
        1
    }

    fn reduce(&mut self, values: &[f32], channels: usize, out: &mut Vec<f32>) {
        let n = values.len() / channels.max(1);
        let mut best = values[..n].to_vec();
        out.resize(n, 0.0);
        for channel in 1..channels {
            for ((best, label), &value) in best.iter_mut().zip(out.iter_mut()).zip(&values[channel * n..]) {
                if value > *best || (best.is_nan() && !value.is_nan()) {
                    (*best, *label) = (value, channel as f32);
                }
            }
        }
    }
}

/// Probabilities: `exp(x_c - max) / sum`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Softmax;

impl Reduce for Softmax {
    fn channels(&self, channels: usize) -> usize {
        channels
    }

    fn reduce(&mut self, values: &[f32], channels: usize, out: &mut Vec<f32>) {
        let n = values.len() / channels.max(1);
        out.extend_from_slice(values);
        for i in 0..n {
            let at = |channel: usize| channel * n + i;
            let largest = (0..channels).map(|c| out[at(c)]).fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for channel in 0..channels {
                out[at(channel)] = (out[at(channel)] - largest).exp();
                sum += out[at(channel)];
            }
            (0..channels).for_each(|channel| out[at(channel)] /= sum);
        }
    }
}

/// 1 where a value is above the threshold, else 0.
#[derive(Clone, Copy, Debug)]
pub struct Threshold(
    /// The threshold.
    pub f32,
);

impl Reduce for Threshold {
    fn channels(&self, channels: usize) -> usize {
        channels
    }

    fn reduce(&mut self, values: &[f32], _channels: usize, out: &mut Vec<f32>) {
        out.extend(values.iter().map(|&value| f32::from(u8::from(value > self.0))));
    }
}

#[cfg(test)]
mod tests {
    use super::{Argmax, Reduce as _, Softmax, Threshold};

    #[test]
    fn by_hand() {
        // Three channels of three samples.
        let logits = [1.0, 2.0, f32::NAN, 3.0, 2.0, 0.0, 2.0, 5.0, -1.0];
        let mut out = Vec::new();
        Argmax.reduce(&logits, 3, &mut out);
        assert_eq!(out, [1.0, 2.0, 1.0]);
        out.clear();
        Threshold(2.0).reduce(&logits[..2], 1, &mut out);
        assert_eq!(out, [0.0, 0.0]);
        out.clear();
        Softmax.reduce(&[0.0, 1.0, 0.0, 1.0 + 3f32.ln()], 2, &mut out);
        assert!(out.iter().zip([0.5, 0.25, 0.5, 0.75]).all(|(a, b)| (a - b).abs() < 1e-6), "{out:?}");
        assert_eq!([Argmax.channels(7), Softmax.channels(7), Threshold(0.0).channels(7)], [1, 7, 7]);
    }
}
