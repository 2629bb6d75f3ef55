//! Which file is read and written how.

use std::path::{Path, PathBuf};

use volkit_core::{Affine, BoxError, DType, OutputSpec, Scale, VolumeMeta, VolumeSource};
use volkit_io::{Header, ReadOptions, split_data_set};

use crate::args::Args;

/// An opened image.
pub(crate) struct Input {
    pub(crate) source: Box<dyn VolumeSource>,
    header: Header,
    /// Spatial axes.
    pub(crate) n_axes: usize,
}

impl Input {
    /// Opens the image of the command line.
    pub(crate) fn open(args: &Args) -> Result<Self, BoxError> {
        let kind = Kind::of(&args.input);
        let (source, header) = open(&args.input, kind, args)?;
        let rank = source.meta().shape().len();
        // Arrays have channels in front, volumes behind.
        let usual = if kind == Kind::Volume { rank.min(3) } else { rank.saturating_sub(1).max(1) };
        let n_axes = args.spatial_axes.unwrap_or(usual);
        if n_axes == 0 || n_axes > rank || rank > n_axes + 2 {
            let shape: Vec<usize> = source.meta().shape().iter().rev().copied().collect();
            let place = args.input.display();
            return Err(format!("{place}: shape {shape:?} does not have {n_axes} spatial axes after channels").into());
        }
        Ok(Self { source, header, n_axes })
    }

    /// `[s0, s1, ..]`.
    pub(crate) fn spatial(&self) -> Vec<usize> {
        self.source.meta().shape()[..self.n_axes].iter().rev().copied().collect()
    }

    /// Channels of the image.
    pub(crate) fn channels(&self) -> usize {
        self.source.meta().shape().get(self.n_axes).copied().unwrap_or(1)
    }

    /// What the output looks like: the axes of the image with the model's channels, or with one of their numbers.
    pub(crate) fn output_meta(&self, model: &OutputSpec, argmax: bool) -> Result<VolumeMeta, BoxError> {
        let (channels, dtype) = match model.channels {
            channels if !argmax => (channels, DType::F32),
            ..=256 => (1, DType::U8),
            _ => (1, DType::U16),
        };
        let Scale { numerator, denominator } = model.scale;
        if numerator != denominator {
            let what = "the model changes the size of the image, which only the library does (volkit-tile)";
            return Err(format!("{what}: {numerator} samples for {denominator}").into());
        }
        let meta = self.source.meta();
        let mut shape = meta.shape().to_vec();
        match shape.get_mut(self.n_axes) {
            Some(n) => *n = channels,
            None if channels > 1 => shape.push(channels),
            None => {}
        }
        Ok(VolumeMeta::new(shape, dtype, *meta.affine())?)
    }

    /// What the image's file says beside its voxels.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }
}

/// Opens a mask.
pub(crate) fn open_mask(path: &Path, args: &Args) -> Result<Box<dyn VolumeSource>, BoxError> {
    match Kind::of(path) {
        Kind::Raw => {
            Err(format!("{}: a mask must have a header: .npy, .zarr, .h5, NIfTI or MGH", path.display()).into())
        }
        kind => Ok(open(path, kind, args)?.0),
    }
}

/// The files that a path names: several for a stack of pictures.
pub(crate) fn files_of(path: &Path) -> Result<Vec<PathBuf>, BoxError> {
    #[cfg(feature = "stacks")]
    if Kind::of(path) == Kind::Stack {
        return Ok(volkit_io::stack_files(path)?);
    }
    Ok(vec![split_data_set(path).0])
}

/// `NAME` with something behind it.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// How a file is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Npy,
    Raw,
    Zarr,
    Hdf5,
    /// Pictures, one a channel.
    #[cfg(feature = "stacks")]
    Stack,
    /// NIfTI, MGH and what else there is.
    Volume,
}

impl Kind {
    pub(crate) fn of(path: &Path) -> Self {
        let (file, _) = split_data_set(path);
        let suffix = file.extension().unwrap_or_default().to_ascii_lowercase();
        match suffix.to_str() {
            Some("npy") => Self::Npy,
            Some("raw" | "bin") => Self::Raw,
            Some("zarr") => Self::Zarr,
            Some("h5" | "hdf5" | "hdf") => Self::Hdf5,
            #[cfg(feature = "stacks")]
            _ if volkit_io::is_picture(&file) => Self::Stack,
            _ => Self::Volume,
        }
    }

    /// Whether voxels are stored in chunks.
    #[cfg(feature = "stores")]
    pub(crate) fn has_chunks(self) -> bool {
        matches!(self, Self::Zarr | Self::Hdf5)
    }

    /// Whether an output can be gone on with by another process.
    pub(crate) fn can_resume(self, path: &Path) -> bool {
        let name = path.to_string_lossy().to_ascii_lowercase();
        self != Self::Hdf5 && ![".gz", ".mgz", ".npz", ".png", ".bmp"].iter().any(|suffix| name.ends_with(suffix))
    }
}

fn open(path: &Path, kind: Kind, args: &Args) -> Result<(Box<dyn VolumeSource>, Header), BoxError> {
    let options = ReadOptions::default();
    Ok(match kind {
        Kind::Npy => (volkit_io::open_array(path, &options)?, Header::None),
        Kind::Raw => {
            let Some(shape) = &args.raw_shape else {
                return Err(format!("{}: a file without a header needs --raw-shape", path.display()).into());
            };
            let shape: Vec<usize> = shape.iter().rev().copied().collect();
            let meta = VolumeMeta::new(shape, args.raw_dtype, Affine::IDENTITY)?;
            (volkit_io::open_raw(path, &meta, args.raw_offset, &options)?, Header::None)
        }
        #[cfg(feature = "stacks")]
        Kind::Stack => (volkit_io::open_stack(&files_of(path)?, &options)?, Header::None),
        Kind::Zarr | Kind::Hdf5 | Kind::Volume => {
            let source = volkit_io::open(path, &options)?;
            let header = source.info().header.clone();
            (Box::new(source), header)
        }
    })
}
