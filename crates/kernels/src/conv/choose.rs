//! How exact a convolution shall be, and by which algorithm it is computed.

use std::fmt;
use std::str::FromStr;

use super::ConvShape;
use crate::{Isa, KernelError, Threads};

/// How much rounding error a convolution may add for speed.
///
/// The errors are root mean squares against a sum in f64, divided by that of the outputs, for 24 -> 24 channels:
/// see `docs/conv3d.md`. All modes give the same bits on every instruction set, for every number of threads and however
/// output planes are cut into calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The sum as it is defined, one rounding per product: 4.4e-7.
    #[default]
    Exact,
    /// Fewer products and shorter sums wherever that loses no accuracy: Winograd's F(2), 2.3e-7.
    Strict,
    /// Fewest products: Winograd's F(4) where it is faster than F(2), 1.4e-6.
    FastMath,
}

impl Mode {
    /// Every mode, from the most exact to the fastest.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Strict, Self::FastMath];

    /// Lower-case name, as [`Mode::from_name`] reads it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Strict => "strict",
            Self::FastMath => "fast-math",
        }
    }

    /// The mode with that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// As [`Mode::from_name`], for command lines.
impl FromStr for Mode {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        Self::from_name(name).ok_or_else(|| KernelError::Parameter {
            op: "Mode",
            name: "mode",
            value: format!("'{name}'"),
            why: "expected one of exact, strict, fast-math",
        })
    }
}

/// How a convolution is computed.
///
/// The names of Winograd's algorithms give the output voxels of a tile along depth, height and width. They need a kernel
/// of 3 x 3 x 3 taps; those whose tiles are one plane deep compute kernels of 1 x 3 x 3 taps too, with a third of the
/// products. Memory of a network that is run plane by plane grows with the tile's depth times the dilation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// The sum itself: 27 products per output of a 3 x 3 x 3 kernel.
    Direct,
    /// 8 products per output.
    Winograd222,
    /// The sum itself along depth: 12 products per output.
    Winograd122,
    /// 3.375 products per output.
    Winograd444,
    /// 4.5 products per output.
    Winograd244,
    /// The sum itself along depth: 6.75 products per output.
    Winograd144,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 6] =
        [Self::Direct, Self::Winograd222, Self::Winograd122, Self::Winograd444, Self::Winograd244, Self::Winograd144];

    /// Lower-case name: `direct`, `winograd222`, ..
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Winograd222 => "winograd222",
            Self::Winograd122 => "winograd122",
            Self::Winograd444 => "winograd444",
            Self::Winograd244 => "winograd244",
            Self::Winograd144 => "winograd144",
        }
    }

    /// Whether it computes convolutions of this shape.
    #[must_use]
    pub fn supports(self, shape: &ConvShape) -> bool {
        match self {
            Self::Direct => true,
            Self::Winograd122 | Self::Winograd144 => shape.kernel == [3; 3] || shape.kernel == FLAT,
            Self::Winograd222 | Self::Winograd444 | Self::Winograd244 => shape.kernel == [3; 3],
        }
    }
}

/// The kernel of a convolution of planes, each by itself.
const FLAT: [usize; 3] = [1, 3, 3];

/// Fewest input and output channels for which tiles are faster than the sum itself: with fewer, transforms cost more
/// than the products that they save.
const MIN_CHANNELS: usize = 8;

/// Largest dilation along depth for tiles that are 4 and 2 planes deep: tiles of depth `m` are computed in groups of
/// `m * dilation` planes, and the rings of a network that is run plane by plane hold two of its reaches more. With these
/// a `MeshNet` of 30 channels on a 256^3 head takes 1.11 GB of activations, with direct sums 0.78 GB.
const MAX_DILATION: [usize; 2] = [1, 4];

/// Most weights `C_in * C_out` for F(4), whose transformed weights are 8 times as large as the weights: beyond, packing
/// and reading them costs more than the products that F(2) does more, for the few tiles that such deep layers have. On
/// the network of SynthSeg at 96^3, F(4) for 192 channels takes 8 % more time and twice the memory for weights.
const MAX_WEIGHTS_OF_F4: usize = 1 << 15;

/// Fewest input and output channels for F(4) along depth too. It gains 15 to 30 % there, less than in wider layers, and
/// networks of such layers have to tell labels apart by few sums: with it the posteriors of the reduced SynthSeg
/// network of the golden results are up to 1.1e-5 from those of f64, with F(2) along depth 4.5e-6.
const MIN_CHANNELS_OF_DEEP_F4: usize = 24;

/// The algorithm of a layer.
pub(super) fn choose(shape: &ConvShape, mode: Mode) -> Algorithm {
    let fewest = shape.c_in.min(shape.c_out);
    if mode == Mode::Exact || fewest < MIN_CHANNELS || (shape.kernel != [3; 3] && shape.kernel != FLAT) {
        return Algorithm::Direct;
    }
    let [four_deep, two_deep] = MAX_DILATION.map(|most| shape.kernel != FLAT && shape.dilation[0] <= most);
    let takes_f4 = mode == Mode::FastMath && shape.c_in * shape.c_out <= MAX_WEIGHTS_OF_F4;
    match (takes_f4, two_deep) {
        (false, true) => Algorithm::Winograd222,
        (false, false) => Algorithm::Winograd122,
        (true, true) if four_deep && fewest >= MIN_CHANNELS_OF_DEEP_F4 => Algorithm::Winograd444,
        (true, true) => Algorithm::Winograd244,
        (true, false) => Algorithm::Winograd144,
    }
}

/// How the weights of a convolution are packed.
///
/// An [`Isa`] is options too: [`Mode::Exact`] on that instruction set.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConvOptions<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// Which algorithms may be chosen; [`Mode::Exact`] by default.
    pub mode: Mode,
    /// Takes this algorithm instead of the mode's choice, for measurements and tests.
    pub algorithm: Option<Algorithm>,
    /// Who packs the weights; the calling thread by default. Transforming those of a large layer takes as long as
    /// running it a few times.
    pub threads: Option<&'a Threads>,
}

impl<'a> ConvOptions<'a> {
    /// [`Mode::Exact`] on `isa`, packed by the calling thread.
    #[must_use]
    pub fn new(isa: Isa) -> Self {
        Self { isa, mode: Mode::Exact, algorithm: None, threads: None }
    }

    /// The same with another mode.
    #[must_use]
    pub fn with_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// The same with an algorithm that is not the mode's choice.
    #[must_use]
    pub fn with_algorithm(self, algorithm: Algorithm) -> Self {
        Self { algorithm: Some(algorithm), ..self }
    }

    /// The same, packed by `threads`.
    #[must_use]
    pub fn with_threads<'b>(self, threads: &'b Threads) -> ConvOptions<'b> {
        ConvOptions { isa: self.isa, mode: self.mode, algorithm: self.algorithm, threads: Some(threads) }
    }

    /// The algorithm for a layer of this shape.
    ///
    /// # Errors
    /// [`KernelError::Parameter`] when the algorithm asked for does not compute such a convolution.
    pub fn algorithm_for(&self, shape: &ConvShape) -> Result<Algorithm, KernelError> {
        let algorithm = self.algorithm.unwrap_or_else(|| choose(shape, self.mode));
        if algorithm.supports(shape) {
            return Ok(algorithm);
        }
        Err(KernelError::Parameter {
            op: "conv3d",
            name: "algorithm",
            value: format!("{} with kernel {:?}", algorithm.name(), shape.kernel),
            why: "Winograd's algorithms need a kernel of 3 x 3 x 3 taps, or of 1 x 3 x 3 for tiles of one plane",
        })
    }
}

impl From<Isa> for ConvOptions<'_> {
    fn from(isa: Isa) -> Self {
        Self::new(isa)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_have_names() {
        for mode in Mode::ALL {
            assert_eq!(mode.to_string().parse::<Mode>().ok(), Some(mode));
        }
        assert_eq!((Mode::from_name("fast"), Mode::default()), (None, Mode::Exact));
    }

    #[test]
    fn every_choice_supports_its_shape() {
        for kernel in [[1; 3], [3; 3], [1, 3, 3], [5; 3]] {
            for dilation in [1, 2, 3, 16] {
                for [c_in, c_out] in [[1, 24], [24, 24], [384, 384], [72, 24], [8, 3]] {
                    let shape = ConvShape::new(c_in, c_out, kernel).with_dilation([dilation; 3]);
                    assert_eq!(choose(&shape, Mode::Exact), Algorithm::Direct);
                    assert!(Mode::ALL.into_iter().all(|mode| choose(&shape, mode).supports(&shape)));
                }
            }
        }
    }

    #[test]
    fn deep_tiles_only_where_rings_stay_small() {
        let shape = |dilation| ConvShape::new(30, 30, [3; 3]).with_dilation([dilation; 3]);
        assert_eq!(choose(&shape(1), Mode::FastMath), Algorithm::Winograd444);
        assert_eq!(choose(&shape(2), Mode::FastMath), Algorithm::Winograd244);
        assert_eq!(choose(&shape(4), Mode::FastMath), Algorithm::Winograd244);
        assert_eq!(choose(&shape(8), Mode::FastMath), Algorithm::Winograd144);
        assert_eq!(choose(&shape(1), Mode::Strict), Algorithm::Winograd222);
        assert_eq!(choose(&shape(4), Mode::Strict), Algorithm::Winograd222);
        assert_eq!(choose(&shape(8), Mode::Strict), Algorithm::Winograd122);
        assert_eq!(choose(&ConvShape::new(1, 24, [3; 3]), Mode::FastMath), Algorithm::Direct);
        assert_eq!(choose(&ConvShape::new(48, 16, [3; 3]), Mode::FastMath), Algorithm::Winograd244);
    }
}
