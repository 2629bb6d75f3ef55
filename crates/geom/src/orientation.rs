//! Which way the axes of a volume run through the body.

use std::fmt;
use std::str::FromStr;

use volkit_core::{Affine, AxisMap};

use crate::GeomError;
use crate::polar::nearest_orthogonal;

/// Entries of a direction at or below this count as zero.
const NO_DIRECTION: f64 = 1e-8;

/// The world direction that a voxel axis follows most closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AxisDirection {
    /// World axis: 0 left to right, 1 back to front, 2 down to up.
    pub world_axis: usize,
    /// Whether the index grows to the right, to the front or upwards.
    pub positive: bool,
}

/// The directions of the three spatial axes, written as three letters: each names the side to which an axis runs,
/// `L`/`R`, `P`/`A` or `I`/`S`. In `RAS` the first index grows to the right, the second to the front, the third upwards.
///
/// ```
/// use volkit_geom::Orientation;
/// let orientation: Orientation = "LIA".parse()?;
/// assert_eq!(orientation, Orientation::LIA);
/// assert_eq!(orientation.to_string(), "LIA");
/// # Ok::<(), volkit_geom::GeomError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Orientation {
    axes: [Option<AxisDirection>; 3],
}

impl Orientation {
    /// Right, front, up: the canonical orientation.
    pub const RAS: Self = Self::from_signs([(0, true), (1, true), (2, true)]);
    /// Left, down, front: the orientation of conformed brain scans.
    pub const LIA: Self = Self::from_signs([(0, false), (2, false), (1, true)]);
    /// Left, back, up: the orientation of DICOM.
    pub const LPS: Self = Self::from_signs([(0, false), (1, false), (2, true)]);

    const fn from_signs([a, b, c]: [(usize, bool); 3]) -> Self {
        let (world_axis, positive) = a;
        let first = AxisDirection { world_axis, positive };
        let (world_axis, positive) = b;
        let second = AxisDirection { world_axis, positive };
        let (world_axis, positive) = c;
        Self { axes: [Some(first), Some(second), Some(AxisDirection { world_axis, positive })] }
    }

    /// The orientation of volumes with that affine.
    ///
    /// The columns, each divided by its length, are replaced by the nearest orthogonal matrix; the axes, strongest
    /// largest entry first, then each take the world axis of their largest entry that is still free. A column that is
    /// zero has no direction.
    ///
    /// # Errors
    /// [`GeomError::NotFinite`].
    pub fn of(affine: &Affine) -> Result<Self, GeomError> {
        if !affine.is_finite() {
            return Err(GeomError::NotFinite { op: "orientation", rows: *affine.rows() });
        }
        let lengths = affine.spacing().map(|length| if length == 0.0 { 1.0 } else { length });
        let columns = std::array::from_fn(|axis| affine.column(axis).map(|x| x / lengths[axis]));
        let mut direction = nearest_orthogonal(columns);
        let strength = direction.map(|column| column.iter().fold(0.0f64, |a, x| a.max(x * x)));
        let mut by_strength = [0, 1, 2];
        by_strength.sort_by(|&a, &b| strength[b].total_cmp(&strength[a]));
        let mut axes = [None; 3];
        for axis in by_strength {
            let column = direction[axis];
            if column.iter().all(|x| x.abs() <= NO_DIRECTION) {
                continue;
            }
            let world_axis = (1..3).fold(0, |best, r| if column[r].abs() > column[best].abs() { r } else { best });
            axes[axis] = Some(AxisDirection { world_axis, positive: column[world_axis] >= 0.0 });
            for other in &mut direction {
                other[world_axis] = 0.0;
            }
        }
        Ok(Self { axes })
    }

    /// Direction of each voxel axis; `None` for an axis that has none.
    #[must_use]
    pub fn axes(&self) -> [Option<AxisDirection>; 3] {
        self.axes
    }

    /// The flips and swaps that take a volume of this orientation to another.
    ///
    /// # Errors
    /// [`GeomError::NoDirection`] when an axis of either has no direction.
    pub fn axis_map_to(&self, to: Self) -> Result<AxisMap, GeomError> {
        let mut map = AxisMap::IDENTITY;
        let directed =
            |axes: [Option<AxisDirection>; 3], axis: usize| axes[axis].ok_or(GeomError::NoDirection { axis });
        for old in 0..3 {
            let from = directed(self.axes, old)?;
            for new in 0..3 {
                let target = directed(to.axes, new)?;
                if target.world_axis == from.world_axis {
                    map.source_axis[new] = old;
                    map.flipped[new] = target.positive != from.positive;
                }
            }
        }
        Ok(map)
    }
}

impl FromStr for Orientation {
    type Err = GeomError;

    fn from_str(text: &str) -> Result<Self, GeomError> {
        let refused = || GeomError::Codes(text.to_owned());
        let mut axes = [None; 3];
        let mut used = [false; 3];
        let mut letters = text.chars();
        for axis in &mut axes {
            let (world_axis, positive) = match letters.next().map(|letter| letter.to_ascii_uppercase()) {
                Some('L') => (0, false),
                Some('R') => (0, true),
                Some('P') => (1, false),
                Some('A') => (1, true),
                Some('I') => (2, false),
                Some('S') => (2, true),
                _ => return Err(refused()),
            };
            if std::mem::replace(&mut used[world_axis], true) {
                return Err(refused());
            }
            *axis = Some(AxisDirection { world_axis, positive });
        }
        if letters.next().is_some() { Err(refused()) } else { Ok(Self { axes }) }
    }
}

impl fmt::Display for Orientation {
    /// Three letters; `?` for an axis without direction.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |axis: &Option<AxisDirection>| match axis {
            Some(AxisDirection { world_axis, positive }) => {
                [['L', 'R'], ['P', 'A'], ['I', 'S']][*world_axis][usize::from(*positive)]
            }
            None => '?',
        };
        f.pad(&self.axes.iter().map(letter).collect::<String>())
    }
}
