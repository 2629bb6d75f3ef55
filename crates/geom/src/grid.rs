//! Grids: where the voxels of a volume lie.

use volkit_core::{Affine, AxisMap, Volume, VolumeMeta};

use crate::{GeomError, Orientation};

/// A box of voxel centres: how many along each axis, and where in the world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Voxels along each axis `[nx, ny, nz]`.
    pub size: [usize; 3],
    /// `world_from_voxel`: takes an index to millimetres in RAS+.
    pub affine: Affine,
}

impl Grid {
    /// The grid of that size and affine.
    #[must_use]
    pub const fn new(size: [usize; 3], affine: Affine) -> Self {
        Self { size, affine }
    }

    /// The grid of the spatial axes of a volume.
    #[must_use]
    pub fn of(volume: &Volume) -> Self {
        Self::of_meta(volume.meta())
    }

    /// The grid of the spatial axes that a description tells of.
    #[must_use]
    pub fn of_meta(meta: &VolumeMeta) -> Self {
        Self { size: meta.spatial_size(), affine: *meta.affine() }
    }

    /// The description of a volume like `meta` whose spatial axes are this grid's. A volume of fewer than three axes
    /// keeps their number where the size allows it.
    ///
    /// # Errors
    /// A size whose voxels can not be counted.
    pub fn meta_like(&self, meta: &VolumeMeta) -> Result<VolumeMeta, GeomError> {
        let (mut shape, mut spacing) = (self.size.to_vec(), self.spacing_mm().to_vec());
        shape.extend(meta.shape().iter().skip(3));
        spacing.extend(meta.spacing().iter().skip(3));
        while shape.len() > meta.shape().len() && shape.last() == Some(&1) {
            shape.pop();
            spacing.pop();
        }
        Ok(VolumeMeta::new(shape, meta.dtype(), self.affine)?.with_spacing(spacing)?)
    }

    /// Lengths of the affine's columns, in millimetres.
    #[must_use]
    pub fn spacing_mm(&self) -> [f64; 3] {
        self.affine.spacing()
    }

    /// Whether both have the same size and affines that differ by at most `1e-5` relative + `1e-6` absolute.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.size == other.size && self.affine.is_close(&other.affine, 1e-5, 1e-6)
    }

    /// The part that begins at voxel `start` (which may lie outside: padding) and has `size` voxels.
    #[must_use]
    pub fn window(&self, start: [i64; 3], size: [usize; 3]) -> Self {
        Self { size, affine: self.affine.window(start) }
    }

    /// The same voxels counted along flipped and swapped axes.
    #[must_use]
    pub fn with_axis_map(&self, map: &AxisMap) -> Self {
        Self { size: map.new_size(self.size), affine: map.new_affine(&self.affine, self.size) }
    }

    /// The same voxels in another orientation.
    ///
    /// # Errors
    /// [`GeomError::NoDirection`], [`GeomError::NotFinite`].
    pub fn reoriented(&self, to: Orientation) -> Result<Self, GeomError> {
        Ok(self.with_axis_map(&Orientation::of(&self.affine)?.axis_map_to(to)?))
    }

    /// The grid of another spacing and size, along the same axes, that keeps the centre voxel where it is: index
    /// `(size - 1) / 2` (integer division) of both grids is the same point of the world.
    ///
    /// # Errors
    /// [`GeomError::Parameter`] for a spacing that is not positive and finite, or a column of length zero.
    pub fn rescaled(&self, spacing_mm: [f64; 3], size: [usize; 3]) -> Result<Self, GeomError> {
        check_spacing("rescaled grid", spacing_mm)?;
        let old = self.spacing_mm();
        check_spacing("rescaled grid (affine)", old)?;
        let linear = self.affine.linear().map(|row| std::array::from_fn(|c| row[c] * (spacing_mm[c] / old[c])));
        let middle = |size: [usize; 3]| size.map(|n| (n.saturating_sub(1) / 2) as f64);
        let anchor = self.affine.apply(middle(self.size));
        let offset = Affine::from_parts(linear, [0.0; 3]).apply_linear(middle(size));
        let translation = std::array::from_fn(|r| anchor[r] - offset[r]);
        Ok(Self { size, affine: Affine::from_parts(linear, translation) })
    }

    /// The conformed grid: [`Grid::rescaled`] along the axes of RAS, then counted in `orientation`. `spacing_mm` and
    /// `size` are along right, front, up.
    ///
    /// # Errors
    /// As [`Grid::rescaled`] and [`Grid::reoriented`].
    pub fn conformed(
        &self,
        spacing_mm: [f64; 3],
        size: [usize; 3],
        orientation: Orientation,
    ) -> Result<Self, GeomError> {
        self.reoriented(Orientation::RAS)?.rescaled(spacing_mm, size)?.reoriented(orientation)
    }

    /// The bounding grid along the world axes: it begins at the least coordinates of the eight corner centres and has
    /// `ceil(extent / spacing) + 1` voxels along each axis.
    ///
    /// # Errors
    /// [`GeomError::Parameter`] for a spacing that is not positive and finite, [`GeomError::NotFinite`],
    /// [`GeomError::Empty`], [`GeomError::TooLarge`].
    pub fn bounding(&self, spacing_mm: [f64; 3]) -> Result<Self, GeomError> {
        const OP: &str = "bounding grid";
        check_spacing(OP, spacing_mm)?;
        if !self.affine.is_finite() {
            return Err(GeomError::NotFinite { op: OP, rows: *self.affine.rows() });
        }
        if self.size.contains(&0) {
            return Err(GeomError::Empty { op: OP });
        }
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for corner in 0..8 {
            let index =
                std::array::from_fn(|axis| if corner >> axis & 1 == 1 { self.size[axis] as f64 - 1.0 } else { 0.0 });
            for (r, x) in self.affine.apply(index).into_iter().enumerate() {
                (low[r], high[r]) = (low[r].min(x), high[r].max(x));
            }
        }
        // The cast clamps; a size that can not be counted is refused below.
        let size = std::array::from_fn(|r| ((high[r] - low[r]) / spacing_mm[r]).ceil() as usize);
        if size.iter().any(|&n| n >= 1 << 40) {
            return Err(GeomError::TooLarge { op: OP, size: size.to_vec() });
        }
        Ok(Self { size: size.map(|n| n + 1), affine: Affine::from_scale(spacing_mm).with_translation(low) })
    }
}

pub(crate) fn check_spacing(op: &'static str, spacing_mm: [f64; 3]) -> Result<(), GeomError> {
    if spacing_mm.iter().all(|x| x.is_finite() && *x > 0.0) {
        return Ok(());
    }
    let value = format!("{spacing_mm:?}");
    Err(GeomError::Parameter { op, name: "spacing_mm", value, why: "is not positive and finite" })
}
