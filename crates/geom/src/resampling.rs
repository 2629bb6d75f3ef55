//! How values between and beyond the voxels are made.

use crate::GeomError;

/// Which spline passes through the voxels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// The nearest voxel: index `floor(p + 0.5)`. Values are copied, so any element type will do.
    Nearest,
    /// Linear.
    #[default]
    Linear,
    /// Quadratic B-spline.
    Quadratic,
    /// Cubic B-spline.
    Cubic,
    /// Quintic B-spline.
    Quintic,
}

impl Order {
    /// The order with that degree: 0, 1, 2, 3 or 5.
    #[must_use]
    pub const fn from_degree(degree: usize) -> Option<Self> {
        match degree {
            0 => Some(Self::Nearest),
            1 => Some(Self::Linear),
            2 => Some(Self::Quadratic),
            3 => Some(Self::Cubic),
            5 => Some(Self::Quintic),
            _ => None,
        }
    }

    /// Degree of the polynomial pieces.
    #[must_use]
    pub const fn degree(self) -> usize {
        match self {
            Self::Nearest => 0,
            Self::Linear => 1,
            Self::Quadratic => 2,
            Self::Cubic => 3,
            Self::Quintic => 5,
        }
    }

    /// Whether the spline's coefficients differ from the voxel values.
    pub(crate) const fn needs_prefilter(self) -> bool {
        self.degree() > 1
    }
}

/// What is taken for voxels beyond the ends `a` and `d` of a row `a b c d`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Outside {
    /// This value at every position before the first or past the last voxel centre; nothing blends with it.
    Constant(f64),
    /// `a a a | a b c d | d d d`. Splines of order 2 and up are fitted to a copy with 12 more edge values on each side.
    Nearest,
    /// `d c b | a b c d | c b a`: folds at the centres of the end voxels.
    Mirror,
    /// `c b a | a b c d | d c b`: folds at the outer faces of the end voxels.
    Reflect,
    /// `k k k | a b c d | k k k`: voxels beyond the ends hold this value, and positions next to them blend with it.
    GridConstant(f64),
    /// `b c d | a b c d | a b c`: the row repeats after its `n` voxels.
    GridWrap,
    /// Positions repeat with period `n - 1`: the last voxel lies on the first.
    Wrap,
}

impl Default for Outside {
    /// Zero.
    fn default() -> Self {
        Self::Constant(0.0)
    }
}

/// How a volume is resampled.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
#[non_exhaustive]
pub struct Resampling {
    /// Interpolation; default linear.
    pub order: Order,
    /// Values beyond the grid; default the constant 0.
    pub outside: Outside,
    /// Leave samples that are NaN or infinite out and give their weight to the others (a voxel without any finite
    /// neighbour becomes NaN, 0 in integers). Orders 0 and 1 only, where order 0 copies as ever. Default off: then such
    /// samples spread to every voxel that they have a part in, be their weight 0 (`0 * NaN = NaN`), except along axes
    /// whose positions are all whole numbers.
    pub finite_only: bool,
}

impl Resampling {
    /// That order, zero outside.
    #[must_use]
    pub fn new(order: Order) -> Self {
        Self { order, ..Self::default() }
    }

    /// The nearest voxel, zero outside.
    #[must_use]
    pub fn nearest() -> Self {
        Self::new(Order::Nearest)
    }

    /// Linear, zero outside.
    #[must_use]
    pub fn linear() -> Self {
        Self::new(Order::Linear)
    }

    /// Cubic B-spline, zero outside.
    #[must_use]
    pub fn cubic() -> Self {
        Self::new(Order::Cubic)
    }

    /// The same with another rule for the outside.
    #[must_use]
    pub fn with_outside(self, outside: Outside) -> Self {
        Self { outside, ..self }
    }

    /// The same, leaving NaN and infinity out or not.
    #[must_use]
    pub fn with_finite_only(self, finite_only: bool) -> Self {
        Self { finite_only, ..self }
    }

    /// Checks that the choices go together.
    ///
    /// # Errors
    /// [`GeomError::Parameter`].
    pub fn validate(&self) -> Result<(), GeomError> {
        if self.finite_only && self.order.needs_prefilter() {
            let value = "true".to_owned();
            let why = "needs order 0 or 1: a spline's coefficients depend on all voxels of a row";
            return Err(GeomError::Parameter { op: "resample", name: "finite_only", value, why });
        }
        Ok(())
    }
}
