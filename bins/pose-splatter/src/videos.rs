//! Videos as the library reads them: folders of pictures, Y4M files, and anything else through `ffmpeg`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use volkit_core::{BoxError, natural_order};
use volkit_pose::{FrameSource, PictureSequence, PixmapStream, Y4mStream};

use crate::ffmpeg;

/// Endings of pictures.
const SUFFIXES: [&str; 3] = [".png", ".jpg", ".jpeg"];

/// Opens a video.
pub(crate) fn open(path: &Path) -> Result<Box<dyn FrameSource>, BoxError> {
    let what = path.display().to_string();
    if path.is_dir() {
        let pictures = pictures(path)?;
        let n = pictures.len();
        return Ok(Box::new(PictureSequence::new(
            n,
            Box::new(move |i| {
                let path = &pictures[i];
                let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Ok((path.display().to_string(), Box::new(file)))
            }),
        )));
    }
    if is_y4m(path) {
        let file = File::open(path).map_err(|error| format!("{what}: {error}"))?;
        return Ok(Box::new(Y4mStream::new(Box::new(file), what)?));
    }
    Ok(Box::new(PixmapStream::new(Box::new(ffmpeg::Decoder::start(path)?), what)))
}

fn is_y4m(path: &Path) -> bool {
    path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("y4m"))
}

/// The PNG and JPEG pictures of a folder, in the order of the numbers in their names.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>, BoxError> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if SUFFIXES.iter().any(|suffix| name.to_lowercase().ends_with(suffix)) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(format!("{}: no .png, .jpg or .jpeg pictures", folder.display()).into());
    }
    names.sort_by(|a, b| natural_order(a, b));
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// How many frames a video has.
pub(crate) fn count(path: &Path) -> Result<usize, BoxError> {
    if path.is_dir() || is_y4m(path) {
        let mut source = open(path)?;
        if let Some(n) = source.n_frames() {
            return Ok(n);
        }
        let mut n = 0;
        while source.skip()? {
            n += 1;
        }
        return Ok(n);
    }
    ffmpeg::count(path)
}
