//! Interpolation, changes of size, Gaussian smoothing.

use volkit_core::{Affine, BoxError, Volume};
use volkit_geom::{
    Gaussian, Grid, Order, Orientation, Outside, Resampling, ResizeRule, SpacingMethod, SpacingResize, fwhm_to_sigma,
    reorient, resample, resample_map, resize_slice, sigma_voxels, spline_coefficients, zoomed_size,
};

use crate::check::Check;
use crate::index::{Entry, numbers};
use crate::npy::{self, NpyArray};
use crate::suite::Outcome;

/// Of the range of the expected values.
const TOLERANCE: f64 = 1e-9;
const TOLERANCE_F32: f64 = 2e-6;
/// Affines come from products of a few f64 numbers of order 100.
const AFFINE_TOLERANCE: f64 = 1e-9;

/// A result, or why it can not be had here.
enum Got {
    Values { size: [usize; 3], values: Vec<f64> },
    NotSupported(String),
}

pub(super) fn case(entry: &Entry<'_>) -> Result<Outcome, BoxError> {
    let expected = npy::read(&entry.path("file")?)?;
    let input = Input::read(entry)?;
    let mut check = Check::new();
    let got = match entry.text("op")? {
        "affine_transform" => input.affine_transform(entry)?,
        "zoom" => input.zoom(entry)?,
        "conform" => input.conform(entry, &mut check)?,
        "resample_to_output" => input.to_output(entry, &mut check)?,
        "gaussian" => input.gaussian(entry)?,
        "smooth_image" => input.smooth(entry)?,
        "pixel_centre_resize" => input.spacing_resize(entry, &mut check)?,
        op if op.starts_with("cubic b-spline coefficients") => {
            Got::Values { size: input.size, values: spline_coefficients(&input.values, input.size, Order::Cubic)? }
        }
        op => Got::NotSupported(format!("operation {op}")),
    };
    match got {
        Got::NotSupported(what) => Ok(Outcome::Skipped(format!("not supported: {what}"))),
        Got::Values { size, values } => {
            check.equal("the shape", size.as_slice(), expected.shape.as_slice());
            let tolerance = if is_single(entry) { TOLERANCE_F32 } else { TOLERANCE };
            check.close("the result", &values, &expected.values, 0.0, tolerance * range(&expected.values));
            Ok(check.into())
        }
    }
}

fn is_single(entry: &Entry<'_>) -> bool {
    entry.text("dtype").is_ok_and(|name| name == "float32")
}

fn range(values: &[f64]) -> f64 {
    let finite = values.iter().filter(|x| x.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    // A constant result is compared with its own size.
    if high > low { high - low } else { high.abs().max(1.0) }
}

/// The volume that an operation is applied to.
struct Input {
    size: [usize; 3],
    values: Vec<f64>,
}

impl Input {
    fn read(entry: &Entry<'_>) -> Result<Self, BoxError> {
        let NpyArray { shape, values } = npy::read(&entry.path("input")?)?;
        let size = shape.try_into().map_err(|shape| format!("input has the shape {shape:?}, expected three axes"))?;
        Ok(Self { size, values })
    }

    fn volume(&self, affine: Affine) -> Result<Volume, BoxError> {
        Ok(Volume::new(self.size, self.values.clone(), affine)?)
    }

    fn affine_transform(&self, entry: &Entry<'_>) -> Result<Got, BoxError> {
        let how = match resampling(entry)? {
            Ok(how) => how,
            Err(what) => return Ok(Got::NotSupported(what)),
        };
        let (matrix, offset) = (entry.numbers("matrix")?, entry.per_axis("offset")?);
        let rows: Vec<[f64; 3]> = matrix.chunks_exact(3).map(|row| [row[0], row[1], row[2]]).collect();
        let linear: [[f64; 3]; 3] = rows.try_into().map_err(|_| "the index has a 'matrix' that is not 3 x 3")?;
        let size = entry.size("out_shape")?;
        let in_from_out = Affine::from_parts(linear, offset);
        Ok(Got::Values { size, values: resample_map(&self.values, self.size, &in_from_out, size, &how)? })
    }

    fn zoom(&self, entry: &Entry<'_>) -> Result<Got, BoxError> {
        let Some(order) = Order::from_degree(entry.count("order")?) else {
            return Ok(Got::NotSupported(format!("order {}", entry.count("order")?)));
        };
        let mode = entry.text("mode")?;
        if mode != "nearest" {
            return Ok(Got::NotSupported(format!("zoom with mode {mode}")));
        }
        let rule = if entry.flag("grid_mode")? { ResizeRule::Centre } else { ResizeRule::Corner };
        let size = zoomed_size(self.size, entry.per_axis("zoom")?)?;
        Ok(Got::Values { size, values: resize_slice(&self.values, self.size, size, rule, order)? })
    }

    fn conform(&self, entry: &Entry<'_>, check: &mut Check) -> Result<Got, BoxError> {
        let Some(order) = Order::from_degree(entry.count("order")?) else {
            return Ok(Got::NotSupported(format!("order {}", entry.count("order")?)));
        };
        let (canonical, _) = reorient(&self.volume(entry.affine("affine")?)?, Orientation::RAS)?;
        let orientation = entry.text("orientation")?.parse()?;
        let (spacing_mm, size) = (entry.per_axis("voxel")?, entry.size("out_shape")?);
        let grid = Grid::of(&canonical).conformed(spacing_mm, size, orientation)?;
        onto(&canonical, &grid, order, entry, check)
    }

    fn to_output(&self, entry: &Entry<'_>, check: &mut Check) -> Result<Got, BoxError> {
        let Some(order) = Order::from_degree(entry.count("order")?) else {
            return Ok(Got::NotSupported(format!("order {}", entry.count("order")?)));
        };
        let volume = self.volume(entry.affine("affine")?)?;
        let grid = Grid::of(&volume).bounding(entry.per_axis("voxel")?)?;
        onto(&volume, &grid, order, entry, check)
    }

    fn gaussian(&self, entry: &Entry<'_>) -> Result<Got, BoxError> {
        let outside = match outside(entry)? {
            Ok(outside) => outside,
            Err(what) => return Ok(Got::NotSupported(what)),
        };
        let filter = Gaussian::new(entry.per_axis("sigma")?).with_outside(outside);
        let filter = filter.with_truncate(entry.number("truncate").unwrap_or(4.0));
        let values = if is_single(entry) {
            let single: Vec<f32> = self.values.iter().map(|&x| x as f32).collect();
            filter.apply_slice(&single, self.size)?.into_iter().map(f64::from).collect()
        } else {
            filter.apply_slice(&self.values, self.size)?
        };
        Ok(Got::Values { size: self.size, values })
    }

    fn smooth(&self, entry: &Entry<'_>) -> Result<Got, BoxError> {
        let outside = match outside(entry)? {
            Ok(outside) => outside,
            Err(what) => return Ok(Got::NotSupported(what)),
        };
        let sigma = sigma_voxels(fwhm_to_sigma(entry.number("fwhm_mm")?), &entry.affine("affine")?);
        let filter = Gaussian::new(sigma).with_outside(outside);
        Ok(Got::Values { size: self.size, values: filter.apply_slice(&self.values, self.size)? })
    }

    fn spacing_resize(&self, entry: &Entry<'_>, check: &mut Check) -> Result<Got, BoxError> {
        let method = match entry.text("method")? {
            "linear" => SpacingMethod::Linear,
            "nearest" => SpacingMethod::Nearest,
            other => return Ok(Got::NotSupported(format!("method {other}"))),
        };
        let (old_mm, new_mm) = (entry.per_axis("voxel")?, entry.per_axis("new_voxel")?);
        let grid = Grid::new(self.size, Affine::from_scale(old_mm));
        let resize = SpacingResize::between(&grid, old_mm, new_mm)?.with_method(method);
        for (axis, wanted) in entry.list("positions")?.iter().enumerate().take(3) {
            let wanted = numbers(wanted).ok_or("the index has 'positions' that are no numbers")?;
            check.close(&format!("positions[{axis}]"), &resize.positions(axis), &wanted, TOLERANCE, TOLERANCE);
        }
        check.close("blur_sigma", &resize.blur_sigma(), &entry.numbers("blur_sigma")?, TOLERANCE, TOLERANCE);
        Ok(Got::Values { size: resize.grid().size, values: resize.apply_slice(&self.values)? })
    }
}

/// Resamples to a grid, whose affine is compared as well.
fn onto(volume: &Volume, grid: &Grid, order: Order, entry: &Entry<'_>, check: &mut Check) -> Result<Got, BoxError> {
    let wanted = entry.affine("out_affine")?.to_matrix().concat();
    check.close("out_affine", &grid.affine.to_matrix().concat(), &wanted, AFFINE_TOLERANCE, AFFINE_TOLERANCE);
    let resampled = resample(volume, grid, &Resampling::new(order))?;
    Ok(Got::Values { size: grid.size, values: resampled.to_real()? })
}

/// How an entry resamples; the inner error says what is not supported.
fn resampling(entry: &Entry<'_>) -> Result<Result<Resampling, String>, BoxError> {
    let degree = entry.count("order")?;
    let Some(order) = Order::from_degree(degree) else { return Ok(Err(format!("order {degree}"))) };
    Ok(outside(entry)?.map(|outside| Resampling::new(order).with_outside(outside)))
}

fn outside(entry: &Entry<'_>) -> Result<Result<Outside, String>, BoxError> {
    let cval = entry.number("cval").unwrap_or(0.0);
    Ok(Ok(match entry.text("mode")? {
        "constant" => Outside::Constant(cval),
        "nearest" => Outside::Nearest,
        "mirror" => Outside::Mirror,
        "reflect" => Outside::Reflect,
        "wrap" => Outside::Wrap,
        "grid-wrap" => Outside::GridWrap,
        "grid-constant" => Outside::GridConstant(cval),
        other => return Ok(Err(format!("mode {other}"))),
    }))
}
