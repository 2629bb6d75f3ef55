//! The error of this crate.

use volkit_core::{BoxError, Stopped};

/// What a recording, a calibration, a configuration or a training run is refused for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoseError {
    /// A field of an input has a value that can not be; `what` names the input.
    #[error("{what}: {field} = {value}: {why}")]
    Input {
        /// File or part of the recording.
        what: String,
        /// Field of it.
        field: String,
        /// Value it has.
        value: String,
        /// What would be accepted.
        why: &'static str,
    },
    /// An input can not be decoded.
    #[error("{what} can not be read")]
    Read {
        /// File or part of the recording.
        what: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A parameter has a value that makes no sense.
    #[error("{name} = {value}: {why}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Value it had.
        value: String,
        /// What would be accepted.
        why: &'static str,
    },
    /// A frame of the recording in which nothing can be found.
    #[error("frame {frame}: {why}")]
    Frame {
        /// Number among the frames that are kept.
        frame: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A kernel refused its arguments.
    #[error(transparent)]
    Kernel(#[from] volkit_kernels::KernelError),
    /// Connected components refused their arguments.
    #[error("connected components of the hull")]
    Geom(#[source] Box<volkit_geom::GeomError>),
    /// The rasterizer refused its arguments.
    #[error(transparent)]
    Splat(#[from] volkit_splat::SplatError),
    /// A layer refused its arguments.
    #[error(transparent)]
    Layer(#[from] volkit_nn3d::Nn3dError),
    /// An optimiser or a checkpoint refused.
    #[error(transparent)]
    Train(#[from] volkit_train::TrainError),
    /// The tensor framework failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// A seam of the caller failed.
    #[error("{0} failed")]
    Seam(&'static str, #[source] BoxError),
    /// The work was stopped on request.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl PoseError {
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike, without a sign at each call")]
    pub(crate) fn input(what: &str, field: &str, value: impl ToString, why: &'static str) -> Self {
        Self::Input { what: what.to_owned(), field: field.to_owned(), value: value.to_string(), why }
    }

    pub(crate) fn read(what: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Read { what: what.into(), source: source.into() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike, without a sign at each call")]
    pub(crate) fn parameter(name: &'static str, value: impl ToString, why: &'static str) -> Self {
        Self::Parameter { name, value: value.to_string(), why }
    }
}
