//! The tiles of an image.

use volkit_core::{PredictorSpec, Scale};

use crate::{AxisPlan, AxisSpec, Padding, SmallAxis, TileError};

/// Most spatial axes of an image.
pub const MAX_SPATIAL_AXES: usize = 4;

/// One tile of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Number in plan order: row-major over the grid, axis 0 slowest.
    pub index: usize,
    /// Number along each axis.
    pub grid: Vec<usize>,
    /// First sample along each axis, without context; below 0 where the image is padded in front.
    pub origin: Vec<isize>,
}

/// How an image of one to four spatial axes is cut into tiles of one size: the Cartesian product of its axes' plans.
///
/// Axes are those of a channel-first, row-major array `[C, s0, s1, ..]`: axis 0 is the slowest.
///
/// ```
/// use volkit_tile::{AxisSpec, TilePlan};
/// let plan = TilePlan::new(&[9344, 7000], &[AxisSpec::new(512, 128); 2])?;
/// assert_eq!((plan.n_tiles(), plan.n_rows()), (24 * 18, 24));
/// # Ok::<(), volkit_tile::TileError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TilePlan {
    axes: Vec<AxisPlan>,
    padding: Padding,
}

impl TilePlan {
    /// Cuts an image of shape `[s0, s1, ..]`; one specification per axis. Samples beyond the border are 0.
    ///
    /// # Errors
    /// [`TileError::Rank`] and those of [`AxisPlan::new`].
    pub fn new(shape: &[usize], axes: &[AxisSpec]) -> Result<Self, TileError> {
        Self::with_padding(shape, axes, Padding::default())
    }

    /// The same with another padding.
    ///
    /// # Errors
    /// As [`TilePlan::new`], and [`TileError::Padding`] where a tile reaches too far past the border for the mode.
    pub fn with_padding(shape: &[usize], axes: &[AxisSpec], padding: Padding) -> Result<Self, TileError> {
        if shape.is_empty() || shape.len() > MAX_SPATIAL_AXES {
            return Err(TileError::Rank { what: "the image", got: shape.len(), wanted: "1 to 4".to_owned() });
        }
        if shape.len() != axes.len() {
            let wanted = shape.len().to_string();
            return Err(TileError::Rank { what: "the list of tile sizes", got: axes.len(), wanted });
        }
        let cut = |(axis, (&length, spec))| AxisPlan::new(axis, length, spec);
        let axes: Vec<_> = shape.iter().zip(axes).enumerate().map(cut).collect::<Result<_, _>>()?;
        for (axis, plan) in axes.iter().enumerate() {
            let (first, last) = (plan.starts()[0], plan.starts()[plan.n_tiles() - 1]);
            let context = plan.context() as isize;
            let past = last + plan.tile() as isize + context - plan.length() as isize;
            let pad = (context - first).max(past).max(0) as usize;
            padding.check(axis, plan.length(), pad)?;
        }
        Ok(Self { axes, padding })
    }

    /// The plan with the smallest overlap at which overlap-discard equals direct inference: `O = 2 R` for a model whose
    /// outputs depend on `radius` samples on each side. Starts are multiples of `align`, the model's total stride, and
    /// tiles shrink to images that are smaller. Where `align` is 1, tiles have at most `tile` samples: they shrink to the
    /// least length that takes no more of them, so that little is computed twice.
    ///
    /// ```
    /// use volkit_tile::TilePlan;
    /// // Four convolutions of 3 x 3.
    /// let plan = TilePlan::for_receptive_field(&[9344, 7000], &[512, 512], &[4, 4], 1)?;
    /// assert_eq!((plan.n_tiles(), plan.input_shape()), (19 * 14, vec![500, 508]));
    /// # Ok::<(), volkit_tile::TileError>(())
    /// ```
    ///
    /// # Errors
    /// As [`TilePlan::new`]; [`TileError::Overlap`] where the tile is not larger than twice the radius.
    pub fn for_receptive_field(
        shape: &[usize],
        tile: &[usize],
        radius: &[usize],
        align: usize,
    ) -> Result<Self, TileError> {
        if tile.len() != radius.len() {
            let wanted = tile.len().to_string();
            return Err(TileError::Rank { what: "the receptive radius", got: radius.len(), wanted });
        }
        let spec = |(axis, (&tile, &radius)): (usize, (&usize, &usize))| {
            let (length, overlap) = (shape.get(axis).copied().unwrap_or(0), 2 * radius);
            let tile = if align == 1 { least_tile(length, tile, overlap) } else { tile };
            AxisSpec::new(tile, overlap).with_align(align).with_small(SmallAxis::Shrink)
        };
        Self::new(shape, &tile.iter().zip(radius).enumerate().map(spec).collect::<Vec<_>>())
    }

    /// The plan of a model without a neighbourhood: tiles of whole rows (planes, where these are small) of about
    /// `samples` samples, which are read in one piece from row-major files. They do not overlap.
    ///
    /// # Errors
    /// As [`TilePlan::new`].
    pub fn for_pointwise(shape: &[usize], samples: usize) -> Result<Self, TileError> {
        let mut left = samples;
        let mut tile: Vec<AxisSpec> = Vec::with_capacity(shape.len());
        for &length in shape.iter().rev() {
            let own = left.clamp(1, length.max(1));
            tile.insert(0, AxisSpec::new(own, 0).with_small(SmallAxis::Shrink));
            left /= own;
        }
        Self::new(shape, &tile)
    }

    /// The plans of the axes.
    #[must_use]
    pub fn axes(&self) -> &[AxisPlan] {
        &self.axes
    }

    /// What lies beyond the border.
    #[must_use]
    pub fn padding(&self) -> Padding {
        self.padding
    }

    /// Samples of the image along each axis.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(AxisPlan::length).collect()
    }

    /// Samples that the model sees along each axis: tile and context.
    #[must_use]
    pub fn input_shape(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.tile() + 2 * axis.context()).collect()
    }

    /// Number of tiles.
    #[must_use]
    pub fn n_tiles(&self) -> usize {
        self.axes.iter().map(AxisPlan::n_tiles).product()
    }

    /// Rows of tiles: tiles along axis 0.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.axes[0].n_tiles()
    }

    /// Tiles of one row.
    #[must_use]
    pub fn tiles_per_row(&self) -> usize {
        self.axes[1..].iter().map(AxisPlan::n_tiles).product()
    }

    /// Samples computed per sample of the image: `tiles * prod(T + 2 E) / prod(L)`.
    #[must_use]
    pub fn overhead(&self) -> f64 {
        let product = |values: Vec<usize>| values.into_iter().map(|n| n as f64).product::<f64>();
        self.n_tiles() as f64 * product(self.input_shape()) / product(self.shape())
    }

    /// The tile of that number in plan order.
    ///
    /// # Panics
    /// When there is no such tile.
    #[must_use]
    pub fn tile(&self, index: usize) -> Tile {
        assert!(index < self.n_tiles(), "tile {index} of {}", self.n_tiles());
        let mut grid = vec![0; self.axes.len()];
        let mut rest = index;
        for (place, axis) in grid.iter_mut().zip(&self.axes).rev() {
            *place = rest % axis.n_tiles();
            rest /= axis.n_tiles();
        }
        let origin = self.axes.iter().zip(&grid).map(|(axis, &i)| axis.starts()[i]).collect();
        Tile { index, grid, origin }
    }

    /// All tiles in plan order.
    pub fn tiles(&self) -> impl ExactSizeIterator<Item = Tile> + '_ {
        (0..self.n_tiles()).map(|index| self.tile(index))
    }

    /// The plan as an output of that scale sees it.
    ///
    /// # Errors
    /// [`TileError::Scale`].
    pub fn scaled(&self, scale: Scale) -> Result<Vec<AxisPlan>, TileError> {
        self.axes.iter().enumerate().map(|(axis, plan)| plan.scaled(axis, scale)).collect()
    }

    /// Checks that a model takes these tiles.
    ///
    /// # Errors
    /// [`TileError::Rank`] for another number of axes, [`TileError::Config`] for tiles that are no multiple of what
    /// the model asks for.
    pub fn check_model(&self, model: &PredictorSpec) -> Result<(), TileError> {
        if model.n_spatial_axes != self.axes.len() {
            let wanted = model.n_spatial_axes.to_string();
            return Err(TileError::Rank { what: "the plan", got: self.axes.len(), wanted });
        }
        let multiple = model.multiple_of.max(1);
        if self.input_shape().iter().any(|n| n % multiple != 0) {
            let value = format!("{:?}", self.input_shape());
            let why = format!("the model takes multiples of {multiple} along every axis");
            return Err(TileError::Config { field: "tile with context", value, why });
        }
        Ok(())
    }
}

/// The shortest tile that covers an axis with as many tiles as `tile` takes.
fn least_tile(length: usize, tile: usize, overlap: usize) -> usize {
    if length <= tile || tile <= overlap {
        return tile;
    }
    let n_tiles = (length - tile).div_ceil(tile - overlap) + 1;
    (length - overlap).div_ceil(n_tiles) + overlap
}
