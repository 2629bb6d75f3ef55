//! Height without training: phases by least squares, fringe orders by synthetic wavelengths or by search.

mod atan2;
mod chain;
mod demodulate;
mod kernel;
mod predictor;
mod stream;

pub use predictor::ClosedFormPredictor;
pub use stream::HeightStream;

use volkit_core::RealElement;
use volkit_kernels::Threads;

use self::chain::Chain;
use self::demodulate::Demodulation;
use self::kernel::{BLOCK, Block, Orders, Scratch};
use crate::{Interferometer, PsiError};

/// Lasers beyond which [`ClosedForm`] does not look for beats.
const MAX_LASERS: usize = 16;
/// Most fringes that are tried a pixel.
const MAX_CANDIDATES: f64 = 100_000.0;

/// How the whole number of fringes that a phase leaves open is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FringeOrder {
    /// From synthetic wavelengths (beats of two lasers, and beats of beats) down to one laser: the coarsest knows the height
    /// in the whole range, each tells the order of the next. The cost does not depend on the range.
    #[default]
    BeatChain,
    /// The order of the longest wavelength whose height leaves all lasers the least squared phase: as many trials as
    /// fringes in the range, and the last word on noise.
    Residual,
}

/// How [`ClosedForm`] solves.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClosedFormOptions {
    /// Heights that are looked for, in um. Default: -10 to 40.
    pub height_range_um: [f64; 2],
    /// How fringe orders are found. Default: by the chain of beats.
    pub fringe_order: FringeOrder,
}

impl Default for ClosedFormOptions {
    fn default() -> Self {
        Self { height_range_um: [-10.0, 40.0], fringe_order: FringeOrder::BeatChain }
    }
}

impl ClosedFormOptions {
    /// With another range of heights in um.
    #[must_use]
    pub fn with_height_range_um(self, height_range_um: [f64; 2]) -> Self {
        Self { height_range_um, ..self }
    }

    /// With fringe orders found in another way.
    #[must_use]
    pub fn with_fringe_order(self, fringe_order: FringeOrder) -> Self {
        Self { fringe_order, ..self }
    }
}

/// Heights of pixels and what tells whether to believe them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heights {
    /// Height in um.
    pub height_um: Vec<f64>,
    /// Amplitude of the fringes in greys, that of the laser with the weakest.
    pub modulation: Vec<f32>,
    /// Root mean square over the lasers of the phase that the height leaves, in radians.
    pub residual: Vec<f32>,
}

impl Heights {
    /// Zeros for `n` pixels.
    #[must_use]
    pub fn zeros(n: usize) -> Self {
        Self { height_um: vec![0.0; n], modulation: vec![0.0; n], residual: vec![0.0; n] }
    }
}

/// Solves each pixel of a stack of fringe images for its height; no pixel needs another.
///
/// With the greys `I[l, b]` of a pixel, least squares over the phase steps give each laser's phase
/// `phi_l = atan2(M sin phi, M cos phi)` and amplitude. The height is known from one laser up to multiples of `lambda_l / 2`;
/// the [`FringeOrder`] `n_l` decides. Then all lasers are combined by least squares,
/// `h = sum k_l (phi_l + 2 pi n_l) / sum k_l^2` with `k_l = 4 pi / lambda_l`. Sums are in f64. A pixel without fringes gets a
/// height without meaning: its [`Heights::modulation`] is near 0.
///
/// ```
/// use volkit_kernels::Threads;
/// use volkit_psi::{ClosedForm, ClosedFormOptions, Interferometer};
///
/// let instrument = Interferometer::default();
/// let solver = ClosedForm::new(&instrument, ClosedFormOptions::default())?;
/// let height = [-3.25, 0.0, 17.125, 39.0];
/// let got = solver.solve(&instrument.images(&height), &Threads::single())?;
/// assert!(got.height_um.iter().zip(height).all(|(a, b)| (a - b).abs() < 1e-13));
/// # Ok::<(), volkit_psi::PsiError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClosedForm {
    channels: usize,
    demodulation: Demodulation,
    wave_numbers: Vec<f64>,
    orders: Orders,
    tolerance: f64,
}

impl ClosedForm {
    /// A solver for the images of an interferometer.
    ///
    /// # Errors
    /// [`PsiError::Option`] for an interferometer that is not valid or has fewer than three different phase steps, for a
    /// range that is empty or wider than the synthetic wavelengths tell apart, and for a search of more than 100 000
    /// fringes.
    pub fn new(instrument: &Interferometer, options: ClosedFormOptions) -> Result<Self, PsiError> {
        instrument.validate()?;
        let demodulation = Demodulation::new(&instrument.phase_steps)?;
        let wave_numbers: Vec<f64> = instrument.wave_numbers().collect();
        let wrong = |name, value: String, why: String| Err(PsiError::Option { name, value, why });
        if wave_numbers.len() > MAX_LASERS {
            let why = format!("expected at most {MAX_LASERS} lasers");
            return wrong("wavelengths_um", format!("{} numbers", wave_numbers.len()), why);
        }
        let [low, high] = options.height_range_um;
        if !(low.is_finite() && high.is_finite() && low < high) {
            let why = "expected two finite numbers, the first below the second".to_owned();
            return wrong("height_range_um", format!("[{low}, {high}]"), why);
        }
        let (orders, tolerance) = match options.fringe_order {
            FringeOrder::BeatChain => {
                let Chain { phases, tolerance } = Chain::new(&wave_numbers, high - low)?;
                (Orders::Chain { phases, middle: low + (high - low) / 2.0 }, tolerance)
            }
            FringeOrder::Residual => {
                let longest = (0..wave_numbers.len()).min_by(|&a, &b| wave_numbers[a].total_cmp(&wave_numbers[b]));
                let laser = longest.unwrap_or(0);
                let fringes = wave_numbers[laser] * (high - low) / std::f64::consts::TAU;
                if fringes > MAX_CANDIDATES {
                    let why = format!("{fringes:.0} fringes, more than {MAX_CANDIDATES} are not tried");
                    return wrong("height_range_um", format!("[{low}, {high}]"), why);
                }
                (Orders::Search { laser, low, high, trials: fringes as usize + 1 }, f64::INFINITY)
            }
        };
        Ok(Self { channels: instrument.channels(), demodulation, wave_numbers, orders, tolerance })
    }

    /// Images of a stack.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Standard deviation of a laser's phase in radians of which one would take the chain of beats to the edge of a wrong
    /// fringe; noise of a fifth of it does no harm. Infinite for a search.
    #[must_use]
    pub fn noise_tolerance(&self) -> f64 {
        self.tolerance
    }

    /// The phase of each laser, in (-pi, pi], of a stack `[C, n]`: `[L, n]`.
    ///
    /// # Errors
    /// [`PsiError::Length`] for a number of greys that the channels do not divide.
    pub fn phases<T: RealElement>(&self, images: &[T]) -> Result<Vec<f64>, PsiError> {
        let n = self.n_pixels(images)?;
        let mut phases = vec![0.0; n * self.wave_numbers.len()];
        let mut scratch = Scratch::new(self.wave_numbers.len());
        for start in (0..n).step_by(BLOCK) {
            let len = BLOCK.min(n - start);
            Block { solver: self, images, n, start, len }.demodulate(&mut scratch);
            for (laser, own) in scratch.phases.iter().enumerate() {
                phases[laser * n + start..][..len].copy_from_slice(&own[..len]);
            }
        }
        Ok(phases)
    }

    /// Synthetic phases of the chain, or phases of the lasers where orders are searched for.
    #[must_use]
    pub fn n_beats(&self) -> usize {
        match &self.orders {
            Orders::Chain { phases, .. } => phases.len(),
            Orders::Search { .. } => self.wave_numbers.len(),
        }
    }

    /// Cosine and sine of each synthetic phase, coarsest first, of a stack `[C, n]`: `[2 n_beats, n]`.
    ///
    /// # Errors
    /// [`PsiError::Length`] for a number of greys that the channels do not divide.
    pub fn beats<T: RealElement>(&self, images: &[T]) -> Result<Vec<f32>, PsiError> {
        let n = self.n_pixels(images)?;
        let lasers = self.phases(images)?;
        let mut beats = Vec::with_capacity(2 * self.n_beats() * n);
        for beat in 0..self.n_beats() {
            let phase = |i: usize| match &self.orders {
                Orders::Chain { phases, .. } => {
                    phases[beat].factors.iter().enumerate().map(|(l, factor)| factor * lasers[l * n + i]).sum::<f64>()
                }
                Orders::Search { .. } => lasers[beat * n + i],
            };
            beats.extend((0..n).map(|i| phase(i).cos() as f32));
            beats.extend((0..n).map(|i| phase(i).sin() as f32));
        }
        Ok(beats)
    }

    fn n_pixels<T>(&self, images: &[T]) -> Result<usize, PsiError> {
        let (got, n) = (images.len(), images.len() / self.channels);
        if got % self.channels != 0 {
            return Err(PsiError::Length { what: "images", got, wanted: (n + 1) * self.channels });
        }
        Ok(n)
    }

    /// Solves a stack `[C, n]` of `n` pixels, channel after channel.
    ///
    /// # Errors
    /// [`PsiError::Length`] for a number of greys that the channels do not divide.
    pub fn solve<T: RealElement>(&self, images: &[T], threads: &Threads) -> Result<Heights, PsiError> {
        let mut heights = Heights::zeros(self.n_pixels(images)?);
        self.solve_into(images, &mut heights, threads)?;
        Ok(heights)
    }

    /// Solves into memory that is there already: a stack `[C, n]` into arrays of `n`. The result does not depend on the
    /// threads.
    ///
    /// # Errors
    /// [`PsiError::Length`] for arrays of other lengths.
    pub fn solve_into<T: RealElement>(
        &self,
        images: &[T],
        heights: &mut Heights,
        threads: &Threads,
    ) -> Result<(), PsiError> {
        let n = heights.height_um.len();
        let arrays = [
            ("images", images.len(), n * self.channels),
            ("modulation", heights.modulation.len(), n),
            ("residual", heights.residual.len(), n),
        ];
        if let Some(&(what, got, wanted)) = arrays.iter().find(|(_, got, wanted)| got != wanted) {
            return Err(PsiError::Length { what, got, wanted });
        }
        // Parts of whole blocks, some a thread, so that scratch memory is made a few times only.
        let n_parts = (4 * threads.count()).min(n.div_ceil(BLOCK)).max(1);
        let part_len = n.div_ceil(BLOCK).div_ceil(n_parts).max(1) * BLOCK;
        let mut parts: Vec<_> = heights
            .height_um
            .chunks_mut(part_len)
            .zip(heights.modulation.chunks_mut(part_len))
            .zip(heights.residual.chunks_mut(part_len))
            .enumerate()
            .map(|(i, ((height, modulation), residual))| (i * part_len, height, modulation, residual))
            .collect();
        threads.for_each_mut(&mut parts, |(start, height, modulation, residual)| {
            let mut scratch = Scratch::new(self.wave_numbers.len());
            let blocks = height.chunks_mut(BLOCK).zip(modulation.chunks_mut(BLOCK)).zip(residual.chunks_mut(BLOCK));
            for (i, ((height, modulation), residual)) in blocks.enumerate() {
                let block = Block { solver: self, images, n, start: *start + i * BLOCK, len: height.len() };
                block.solve(&mut scratch);
                height.copy_from_slice(&scratch.height[..height.len()]);
                for (to, from) in modulation.iter_mut().zip(scratch.modulation.iter()) {
                    *to = *from as f32;
                }
                for (to, from) in residual.iter_mut().zip(scratch.residual.iter()) {
                    *to = *from as f32;
                }
            }
        });
        Ok(())
    }
}
