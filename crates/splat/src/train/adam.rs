//! Adam (Kingma and Ba, 2015), one state for each array of parameters.

/// Decay of the moments.
const BETAS: [f64; 2] = [0.9, 0.999];
/// Below any gradient: the published value.
const EPSILON: f64 = 1e-15;

/// Moments of an array whose rows belong to one Gaussian each.
#[derive(Clone, Debug, Default)]
pub(super) struct Adam {
    moments: Vec<[f32; 2]>,
    /// Numbers of a Gaussian.
    width: usize,
}

impl Adam {
    pub(super) fn new(width: usize, n: usize) -> Self {
        Self { moments: vec![[0.0; 2]; width * n], width }
    }

    /// Step number `step` (from 0) with a rate for each number of a row.
    pub(super) fn step(&mut self, values: &mut [f32], gradients: &[f32], step: usize, rate: impl Fn(usize) -> f64) {
        let t = i32::try_from(step).unwrap_or(i32::MAX).saturating_add(1);
        let [c1, c2] = BETAS.map(|beta| 1.0 - beta.powi(t));
        let rates: Vec<f32> = (0..self.width).map(|k| (rate(k) / c1) as f32).collect();
        let [b1, b2] = BETAS.map(|beta| beta as f32);
        let (root, epsilon) = (c2.sqrt().recip() as f32, EPSILON as f32);
        let rows = values.chunks_mut(self.width).zip(gradients.chunks(self.width));
        for ((values, gradients), moments) in rows.zip(self.moments.chunks_mut(self.width)) {
            for (k, [m, v]) in moments.iter_mut().enumerate() {
                let g = gradients[k];
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                values[k] -= rates[k] * *m / (v.sqrt() * root + epsilon);
            }
        }
    }

    /// Takes the rows `origins`, with moments of zero where there is none.
    pub(super) fn rearrange(&mut self, origins: &[Option<usize>]) {
        let mut moments = Vec::with_capacity(origins.len() * self.width);
        for origin in origins {
            match origin {
                Some(i) => moments.extend_from_slice(&self.moments[i * self.width..(i + 1) * self.width]),
                None => moments.resize(moments.len() + self.width, [0.0; 2]),
            }
        }
        self.moments = moments;
    }

    /// Forgets.
    pub(super) fn clear(&mut self) {
        self.moments.fill([0.0; 2]);
    }
}

#[cfg(test)]
mod tests {
    use super::Adam;

    #[test]
    fn first_step_is_the_rate_along_the_sign() {
        let mut adam = Adam::new(2, 2);
        let mut values = [1.0, 1.0, 1.0, 1.0];
        adam.step(&mut values, &[0.5, -1e-6, 0.0, 100.0], 0, |k| [0.1, 0.01][k]);
        for (got, wanted) in values.iter().zip([0.9, 1.01, 1.0, 0.99]) {
            assert!((got - wanted).abs() < 1e-6, "{values:?}");
        }
        // Rows move with their moments; new rows begin anew.
        adam.rearrange(&[Some(1), None]);
        let mut values = [0.0; 4];
        adam.step(&mut values, &[0.0; 4], 1, |_| 1.0);
        assert!(values[1] < -0.5 && values[2..] == [0.0, 0.0]);
    }
}
