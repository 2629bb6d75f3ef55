//! Files of images and maps.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use volkit_core::{Affine, BoxError, Region, VolumeMeta, VolumeSink, VolumeSource, Voxels};
use volkit_io::{ReadOptions, WriteOptions};

/// Opens a stack of images as a volume `[W, H, C]`.
pub(crate) fn open_stack(path: &Path) -> Result<Box<dyn VolumeSource>> {
    let options = ReadOptions::default();
    let is_npy = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("npy"));
    Ok(if is_npy {
        volkit_io::open_array(path, &options)?
    } else if volkit_io::is_picture(path) {
        volkit_io::open_stack(&volkit_io::stack_files(path)?, &options)?
    } else {
        Box::new(volkit_io::open(path, &options)?)
    })
}

/// Begins a file of a volume `[W, H]` or `[W, H, C]`: `.npy`, or pictures.
pub(crate) fn create(path: &Path, meta: &VolumeMeta) -> Result<Box<dyn VolumeSink>> {
    let options = WriteOptions::new().with_overwrite(true);
    if volkit_io::is_picture(path) {
        let channels = meta.shape().get(2).copied().unwrap_or(1);
        return Ok(volkit_io::create_stack(&volkit_io::stack_names(path, channels)?, meta, &options)?);
    }
    let is_npy = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("npy"));
    anyhow::ensure!(is_npy, "{}: height maps are written as .npy or .tif", path.display());
    Ok(volkit_io::create_array(path, meta, &options)?)
}

/// Writes a row-major array as `.npy`: its shape, last axis fastest.
pub(crate) fn write_array(path: &Path, shape: &[usize], values: &Voxels) -> Result<()> {
    let axes: Vec<usize> = shape.iter().rev().copied().collect();
    let meta = VolumeMeta::new(axes, values.dtype(), Affine::IDENTITY)?;
    let sink = create(path, &meta)?;
    let whole = Region::whole(meta.shape());
    let written = sink.write_region(&whole, values.view()).and_then(|()| sink.finish());
    written.map_err(|error| in_file(path, error))
}

/// Reads a map `[H, W]` as f64, with its size.
pub(crate) fn read_map(path: &Path) -> Result<(Vec<f64>, [usize; 2])> {
    let source = volkit_io::open_array(path, &ReadOptions::default())?;
    let &[width, height] = source.meta().shape() else {
        return Err(anyhow!("{}: {} axes, expected [H, W]", path.display(), source.meta().shape().len()));
    };
    let whole = Region::whole(source.meta().shape());
    let values = volkit_core::read_vec(source.as_ref(), &whole).map_err(|error| in_file(path, error))?;
    Ok((values, [height, width]))
}

/// Writes a text or picture that appears when it is complete.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(volkit_io::write_atomically(path, |out| out.write_all(bytes))?)
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("{}: can not create", path.display()))
}

/// An error with the name of a file in front.
pub(crate) fn in_file(path: &Path, error: BoxError) -> anyhow::Error {
    anyhow!(error).context(path.display().to_string())
}
