//! Where renderings go: a folder of pictures, or a video.

use std::fs;
use std::path::{Path, PathBuf};

use volkit_core::BoxError;
use volkit_splat::{Rendering, write_png};

use crate::ffmpeg::{Encoder, is_video};

/// Takes pictures one after the other.
pub(crate) enum Output {
    /// `0000.png`, `0001.png` and so on.
    Folder {
        path: PathBuf,
        n: usize,
    },
    Video(Encoder),
}

impl Output {
    /// A video where the suffix is that of one, a folder otherwise.
    pub(crate) fn open(path: &Path, size: [usize; 2], fps: f64) -> Result<Self, BoxError> {
        let is_video = is_video(path);
        let folder = if is_video { path.parent().unwrap_or(Path::new("")) } else { path };
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        if is_video {
            return Encoder::start(path, size, fps).map(Self::Video);
        }
        Ok(Self::Folder { path: path.to_owned(), n: 0 })
    }

    pub(crate) fn push(&mut self, picture: &Rendering) -> Result<(), BoxError> {
        match self {
            Self::Folder { path, n } => {
                write_png(path.join(format!("{n:04}.png")), picture)?;
                *n += 1;
                Ok(())
            }
            Self::Video(encoder) => encoder.push(&picture.to_bytes()),
        }
    }

    pub(crate) fn finish(self) -> Result<(), BoxError> {
        match self {
            Self::Folder { .. } => Ok(()),
            Self::Video(encoder) => encoder.finish(),
        }
    }
}
