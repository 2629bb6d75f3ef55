//! Parts of a surface.

use std::f64::consts::PI;

/// A part of a surface over the square `[-1, 1]^2`: x grows along the width, y along the height; heights are in um.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// `amplitude exp(-((x - x0)^2 + (y - y0)^2) / width)`.
    Gaussian {
        /// At the centre, in um.
        amplitude_um: f64,
        /// `[x0, y0]`.
        centre: [f64; 2],
        /// Square of the radius at which 1/e is left.
        width: f64,
    },
    /// `offset + slope_x x + slope_y y`.
    Plane {
        /// At the centre of the square, in um.
        offset_um: f64,
        /// `[slope_x, slope_y]`, um for half an edge.
        slope_um: [f64; 2],
    },
    /// `slope |(x, y) - centre|`: pointed, without end.
    Cone {
        /// um for half an edge.
        slope_um: f64,
        /// `[x0, y0]`.
        centre: [f64; 2],
    },
    /// `height (1 - r / radius)` within the radius, 0 outside.
    Bump {
        /// At the centre, in um.
        height_um: f64,
        /// `[x0, y0]`.
        centre: [f64; 2],
        /// Where it ends.
        radius: f64,
    },
    /// `amplitude cos(pi (fx x + fy y) + phase)`: one wave of band-limited noise.
    Wave {
        /// In um.
        amplitude_um: f64,
        /// `[fx, fy]`, periods over an edge.
        frequency: [f64; 2],
        /// In radians.
        phase: f64,
    },
}

/// The farthest that two points of the square are from each other.
const DIAGONAL: f64 = 2.0 * std::f64::consts::SQRT_2;

impl Shape {
    /// Height at a point, in um.
    #[must_use]
    pub fn height_um(&self, [x, y]: [f64; 2]) -> f64 {
        let square = |[x0, y0]: [f64; 2]| (x - x0) * (x - x0) + (y - y0) * (y - y0);
        match *self {
            Self::Gaussian { amplitude_um, centre, width } => amplitude_um * (-square(centre) / width).exp(),
            Self::Plane { offset_um, slope_um } => offset_um + slope_um[0] * x + slope_um[1] * y,
            Self::Cone { slope_um, centre } => slope_um * square(centre).sqrt(),
            Self::Bump { height_um, centre, radius } => height_um * (1.0 - square(centre).sqrt() / radius).max(0.0),
            Self::Wave { amplitude_um, frequency, phase } => {
                amplitude_um * (PI * (frequency[0] * x + frequency[1] * y) + phase).cos()
            }
        }
    }

    /// Two heights in um between which it stays over the whole square.
    #[must_use]
    pub fn bounds_um(&self) -> [f64; 2] {
        let ordered = |a: f64, b: f64| [a.min(b), a.max(b)];
        match *self {
            Self::Gaussian { amplitude_um, .. } => ordered(0.0, amplitude_um),
            Self::Plane { offset_um, slope_um: [x, y] } => {
                [offset_um - x.abs() - y.abs(), offset_um + x.abs() + y.abs()]
            }
            Self::Cone { slope_um, .. } => ordered(0.0, slope_um * DIAGONAL),
            Self::Bump { height_um, .. } => ordered(0.0, height_um),
            Self::Wave { amplitude_um, .. } => [-amplitude_um.abs(), amplitude_um.abs()],
        }
    }
}
