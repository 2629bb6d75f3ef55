//! `volconv convert`.

use std::process::ExitCode;

use volkit_core::{BoxError, DType, SilentProgress, Volume, Voxels};
use volkit_geom::{Gaussian, Grid, Order, Orientation, Outside, Resampling, coarsening_sigma, reorient, resample};
use volkit_io::{Downsampling, PyramidOptions, ReadOptions, WriteOptions, read_with, write, write_pyramid};

use crate::args::{Chunk, ConvertArgs};
use crate::convert_store;

pub(crate) fn run(args: &ConvertArgs) -> Result<ExitCode, BoxError> {
    if convert_store::is_meant(args) {
        return convert_store::run(args);
    }
    // Before the work: whoever forgot the option should know at once.
    if !args.overwrite && args.output.exists() {
        return Err(format!("{}: exists already; --overwrite replaces it", args.output.display()).into());
    }
    let image = read_with(&args.input, &ReadOptions::new().with_data_set(args.dataset.clone()))?;
    for warning in image.warnings() {
        eprintln!("volconv: {}: warning: {warning}", args.input.display());
    }
    let in_file = |error: BoxError| -> BoxError { format!("{}: {error}", args.input.display()).into() };
    let changed = transform(image.volume(), args).map_err(in_file)?;
    let image = match changed {
        Some(volume) => image.with_volume(volume),
        None => image,
    };
    if convert_store::is_pyramid(&args.output) {
        return pyramid(image.volume(), args);
    }
    let mut options = WriteOptions::new().with_rescale(args.rescale).with_overwrite(args.overwrite);
    if let Some(dtype) = args.dtype {
        options = options.with_dtype(dtype);
    }
    match &args.chunk {
        Some(Chunk::Lengths(lengths)) => options = options.with_chunk(Some(lengths.clone())),
        Some(_) => return Err("--chunk of a volume takes lengths, x,y,z".into()),
        None => {}
    }
    let report = write(&args.output, &image, &options)?;
    for warning in &report.warnings {
        eprintln!("volconv: {}: warning: {warning}", args.output.display());
    }
    let volume = image.volume();
    let codes = Orientation::of(volume.affine()).map_or_else(|_| "?".to_owned(), |codes| codes.to_string());
    println!("{}: {:?} voxels, {}, {}", args.output.display(), volume.shape(), codes, report.dtype);
    Ok(ExitCode::SUCCESS)
}

/// Writes the volume in several resolutions.
fn pyramid(volume: &Volume, args: &ConvertArgs) -> Result<ExitCode, BoxError> {
    if args.rescale || args.chunk.is_some() {
        return Err("--rescale and --chunk have no meaning for a pyramid (.ome.zarr)".into());
    }
    let stored = args.dtype.map(|dtype| as_dtype(volume, dtype)).transpose()?;
    let volume = stored.as_ref().unwrap_or(volume);
    let downsampling = match args.downsampling.as_str() {
        "mode" => Downsampling::Mode,
        "nearest" => Downsampling::Nearest,
        _ => Downsampling::Mean,
    };
    let options = PyramidOptions::default()
        .with_downsampling(downsampling)
        .with_version(convert_store::version(args))
        .with_overwrite(args.overwrite);
    write_pyramid(&args.output, volume, &options, &SilentProgress)?;
    println!("{}: {:?} voxels, {}", args.output.display(), volume.shape(), volume.dtype());
    Ok(ExitCode::SUCCESS)
}

/// The volume in the orientation and spacing asked for; none where neither is.
fn transform(volume: &Volume, args: &ConvertArgs) -> Result<Option<Volume>, BoxError> {
    let mut changed = match args.orient {
        Some(orientation) => Some(reorient(volume, orientation)?.0),
        None => None,
    };
    if let Some(spacing) = &args.spacing {
        let spacing_mm = match spacing[..] {
            [one] => [one; 3],
            [x, y, z] => [x, y, z],
            _ => return Err(format!("--spacing takes 1 or 3 numbers, got {}", spacing.len()).into()),
        };
        let smooth = !args.no_smooth && args.order != Order::Nearest;
        changed = Some(with_spacing(changed.as_ref().unwrap_or(volume), spacing_mm, args.order, smooth)?);
    }
    Ok(changed)
}

/// The same box of the world on voxels of another size, its centre unmoved; with `smooth`, blurred along the axes that
/// become coarser.
fn with_spacing(volume: &Volume, spacing_mm: [f64; 3], order: Order, smooth: bool) -> Result<Volume, BoxError> {
    let old = Grid::of(volume);
    let old_mm = old.spacing_mm();
    let extent = |axis: usize| old.size[axis] as f64 * old_mm[axis] / spacing_mm[axis];
    // An axis that is not there stays so; the cast clamps, and a size that is too large is refused below.
    let size =
        [0, 1, 2].map(|axis| if old.size[axis] == 1 { 1 } else { extent(axis).round_ties_even().max(1.0) as usize });
    let grid = old.rescaled(spacing_mm, size)?;
    let middle = |grid: &Grid| grid.affine.apply(grid.size.map(|n| (n as f64 - 1.0) / 2.0));
    let (from, to, origin) = (middle(&grid), middle(&old), grid.affine.translation());
    let origin = [0, 1, 2].map(|axis| origin[axis] + to[axis] - from[axis]);
    let grid = Grid::new(grid.size, grid.affine.with_translation(origin));
    let how = Resampling::new(order).with_outside(Outside::Nearest);
    let sigma = coarsening_sigma(old_mm, spacing_mm);
    if !smooth || sigma == [0.0; 3] || !volume.dtype().is_real() {
        return Ok(resample(volume, &grid, &how)?);
    }
    // Integers are rounded once, at the end.
    let wide = matches!(volume.dtype(), DType::I32 | DType::U32 | DType::I64 | DType::U64 | DType::F64 | DType::F128);
    let values = if wide { volume.cast::<f64>()? } else { volume.cast::<f32>()? };
    let smoothed = Gaussian::new(sigma).apply(&values)?;
    as_dtype(&resample(&smoothed, &grid, &how)?, volume.dtype())
}

/// The same volume in another element type.
fn as_dtype(volume: &Volume, dtype: DType) -> Result<Volume, BoxError> {
    let mut voxels = Voxels::zeros(dtype, volume.meta().n_voxels())?;
    volume.voxels().view().convert_into(voxels.view_mut())?;
    Ok(Volume::from_meta(volume.meta().clone(), voxels)?)
}
