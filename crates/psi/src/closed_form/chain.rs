//! Which synthetic wavelengths lead from the whole height range down to single lasers.

use std::f64::consts::{PI, TAU};

use crate::PsiError;

/// A phase made of the lasers' phases: `sum of factors[l] phi_l`, which grows by `wave_number` radians a um.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SyntheticPhase {
    pub(super) factors: Vec<f64>,
    pub(super) wave_number: f64,
}

impl SyntheticPhase {
    fn minus(&self, other: &Self) -> Self {
        Self {
            factors: self.factors.iter().zip(&other.factors).map(|(a, b)| a - b).collect(),
            wave_number: self.wave_number - other.wave_number,
        }
    }

    /// Standard deviation for lasers' phases of standard deviation 1.
    fn noise(&self) -> f64 {
        self.factors.iter().map(|f| f * f).sum::<f64>().sqrt()
    }
}

/// Phases from the coarsest, which knows the height in its range, to one of a single laser; each tells the fringe order of
/// the next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) phases: Vec<SyntheticPhase>,
    /// Standard deviation of a laser's phase, in radians, of which one fringe order would lie half a fringe away.
    pub(super) tolerance: f64,
}

impl Chain {
    /// The chain whose worst step stands the most noise, among the lasers, their pairs, and differences of pairs.
    pub(super) fn new(wave_numbers: &[f64], range_um: f64) -> Result<Self, PsiError> {
        let nodes = nodes(wave_numbers);
        let n = nodes.len();
        let knows_the_range = |node: &SyntheticPhase| TAU / node.wave_number.abs() >= range_um * (1.0 - 1e-9);
        // Dijkstra's search with the largest step instead of the sum as the length of a path.
        let mut worst: Vec<f64> =
            nodes.iter().map(|node| if knows_the_range(node) { 0.0 } else { f64::INFINITY }).collect();
        let (mut before, mut done) = (vec![None; n], vec![false; n]);
        while let Some(at) =
            (0..n).filter(|&i| !done[i] && worst[i] < f64::INFINITY).min_by(|&a, &b| worst[a].total_cmp(&worst[b]))
        {
            done[at] = true;
            for to in 0..n {
                let (from, next) = (&nodes[at], &nodes[to]);
                let step = from.noise() * (next.wave_number / from.wave_number).abs();
                if next.wave_number.abs() > from.wave_number.abs() && worst[at].max(step) < worst[to] && !done[to] {
                    (worst[to], before[to]) = (worst[at].max(step), Some(at));
                }
            }
        }
        let lasers = wave_numbers.len();
        let best = (0..lasers).filter(|&i| worst[i] < f64::INFINITY).min_by(|&a, &b| worst[a].total_cmp(&worst[b]));
        let Some(last) = best else {
            let longest = nodes.iter().map(|node| TAU / node.wave_number.abs()).fold(0.0, f64::max);
            return Err(PsiError::Option {
                name: "height_range_um",
                value: format!("{range_um} um wide"),
                why: format!("the longest synthetic wavelength of these lasers tells {longest:.6} um apart"),
            });
        };
        let mut path = vec![last];
        while let Some(at) = before[path[path.len() - 1]] {
            path.push(at);
        }
        let phases = path.iter().rev().map(|&i| nodes[i].clone()).collect();
        Ok(Self { phases, tolerance: if worst[last] > 0.0 { PI / worst[last] } else { f64::INFINITY } })
    }
}

/// The lasers, then differences of two, then differences of those.
fn nodes(wave_numbers: &[f64]) -> Vec<SyntheticPhase> {
    let n = wave_numbers.len();
    let single = |l: usize| SyntheticPhase {
        factors: (0..n).map(|i| f64::from(u8::from(i == l))).collect(),
        wave_number: wave_numbers[l],
    };
    let lasers: Vec<_> = (0..n).map(single).collect();
    let pairs = differences(&lasers);
    let seconds = differences(&pairs);
    lasers.into_iter().chain(pairs).chain(seconds).collect()
}

fn differences(phases: &[SyntheticPhase]) -> Vec<SyntheticPhase> {
    let mut all = Vec::new();
    for (i, a) in phases.iter().enumerate() {
        for b in &phases[i + 1..] {
            let difference = a.minus(b);
            // Equal wavelengths have no beat.
            if difference.wave_number.abs() > 1e-9 * a.wave_number.abs().max(b.wave_number.abs()) {
                all.push(difference);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::Chain;
    use std::f64::consts::{PI, TAU};

    #[test]
    fn a_chain_begins_with_the_range_and_ends_with_a_laser() {
        let wave_numbers = [5.0, 5.5, 6.05, 6.655].map(|lambda| 4.0 * PI / lambda);
        let chain = Chain::new(&wave_numbers, 50.0).unwrap();
        assert!(TAU / chain.phases[0].wave_number.abs() >= 50.0);
        let last = chain.phases.last().unwrap();
        assert_eq!(last.factors.iter().map(|f| f.abs()).sum::<f64>(), 1.0);
        assert!(chain.phases.windows(2).all(|pair| pair[0].wave_number.abs() < pair[1].wave_number.abs()));
        // Eight bits leave about 3e-3 rad, a noise of two greys 1.4e-2.
        assert!(chain.tolerance > 0.2, "{}", chain.tolerance);
    }

    #[test]
    fn one_laser_knows_half_a_wavelength() {
        let chain = Chain::new(&[4.0 * PI / 5.0], 2.5).unwrap();
        assert_eq!((chain.phases.len(), chain.tolerance), (1, f64::INFINITY));
        let error = Chain::new(&[4.0 * PI / 5.0, 4.0 * PI / 5.0], 2.6).unwrap_err().to_string();
        assert!(error.contains("2.500000 um apart"), "{error}");
    }
}
