//! The error of this crate.

use volkit_core::{BoxError, Stopped};

/// What tiled inference refuses or fails at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// An image or a tile has no sample along an axis.
    #[error("axis {axis}: {what} = 0: must be at least 1")]
    Empty {
        /// Spatial axis.
        axis: usize,
        /// What has no sample: `length`, `tile` or `align`.
        what: &'static str,
    },
    /// The number of axes does not fit.
    #[error("{what} has {got} axes, expected {wanted}")]
    Rank {
        /// What has the wrong number of axes.
        what: &'static str,
        /// Axes that it has.
        got: usize,
        /// What was expected.
        wanted: String,
    },
    /// Neighbouring tiles must not overlap by a whole tile.
    #[error("axis {axis}: overlap = {overlap}: must be at least 0 and below the tile ({tile})")]
    Overlap {
        /// Spatial axis.
        axis: usize,
        /// The overlap as it was given.
        overlap: String,
        /// Tile length.
        tile: String,
    },
    /// An alignment that leaves no step between tiles.
    #[error(
        "axis {axis}: align = {align}: tile {tile} with overlap {overlap} leaves a step of {stride}; choose a tile of at least {proposal}"
    )]
    Align {
        /// Spatial axis.
        axis: usize,
        /// Alignment.
        align: usize,
        /// Tile length.
        tile: usize,
        /// Overlap in samples.
        overlap: usize,
        /// `tile - overlap`.
        stride: usize,
        /// Smallest tile that works.
        proposal: usize,
    },
    /// A tile reaches further past the image than its padding mode can fill.
    #[error(
        "axis {axis}: {mode} padding of {pad} samples needs an image of at least {needed} samples, it has {length}"
    )]
    Padding {
        /// Spatial axis.
        axis: usize,
        /// Name of the padding mode.
        mode: &'static str,
        /// Samples to fill.
        pad: usize,
        /// Image length that would do.
        needed: usize,
        /// Image length.
        length: usize,
    },
    /// An output of another scale does not fall on whole samples.
    #[error(
        "axis {axis}: {what} = {value} times {numerator}/{denominator} is not a whole number; choose tile and step as multiples of {denominator}, for example tile {tile} overlap {overlap}"
    )]
    Scale {
        /// Spatial axis.
        axis: usize,
        /// `length`, `tile`, `start` or `context`.
        what: &'static str,
        /// Its value in input samples.
        value: usize,
        /// Scale of the output.
        numerator: usize,
        /// Scale of the output.
        denominator: usize,
        /// A tile length that works.
        tile: usize,
        /// An overlap that works with it.
        overlap: usize,
    },
    /// A window gave weights that can not be used.
    #[error("axis {axis}: {why}")]
    Window {
        /// Spatial axis.
        axis: usize,
        /// What is wrong with the weights.
        why: String,
    },
    /// A sample gets no weight from any tile.
    #[error("axis {axis}: position {position} gets no weight from any tile")]
    Uncovered {
        /// Spatial axis.
        axis: usize,
        /// Sample along the axis.
        position: usize,
    },
    /// Settings that do not go together.
    #[error("{field} = {value}: {why}")]
    Config {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        why: String,
    },
    /// A source, mask, model or sink of another shape.
    #[error("{what}: expected {wanted}, got {got}")]
    Shape {
        /// What has the wrong shape.
        what: String,
        /// What was expected.
        wanted: String,
        /// What came.
        got: String,
    },
    /// A model gave NaN or infinity.
    #[error("tile {tile} (first sample {origin:?}): output '{output}' has {count} values that are not finite")]
    NotFinite {
        /// Index of the tile in plan order.
        tile: usize,
        /// First sample of the tile.
        origin: Vec<isize>,
        /// Name of the output.
        output: String,
        /// Number of such values.
        count: usize,
    },
    /// The memory that is allowed does not hold one tile.
    #[error("one tile at a time needs {needed} bytes, {allowed} are allowed")]
    Budget {
        /// Estimate for a batch of one.
        needed: u64,
        /// Budget.
        allowed: u64,
    },
    /// The source could not be read.
    #[error("reading tile {tile}")]
    Source {
        /// Index of the tile in plan order.
        tile: usize,
        /// What the source says.
        #[source]
        source: BoxError,
    },
    /// The model failed.
    #[error("model, tiles {first} to {last}")]
    Model {
        /// First tile of the batch, in plan order.
        first: usize,
        /// Last tile of the batch.
        last: usize,
        /// What the model says.
        #[source]
        source: BoxError,
    },
    /// The sink could not be written.
    #[error("writing output '{output}', planes {first} to {last}")]
    Sink {
        /// Name of the output.
        output: String,
        /// First plane along axis 0.
        first: usize,
        /// Last plane.
        last: usize,
        /// What the sink says.
        #[source]
        source: BoxError,
    },
    /// Recording that a row of tiles is finished failed.
    #[error("recording row {row}")]
    Commit {
        /// Rows that are finished.
        row: usize,
        /// What the recorder says.
        #[source]
        source: BoxError,
    },
    /// A thread of the pipeline panicked.
    #[error("the {0} thread panicked")]
    Panicked(&'static str),
    /// Stopped on request; what is finished stays.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}
