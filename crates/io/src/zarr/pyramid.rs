//! Writing an image in several resolutions, each half of the one before.

use std::fs;
use std::path::Path;

use volkit_core::{Progress, RealElement, Region, VolumeMeta, VolumeSink as _, VolumeSource, Voxels, with_real_voxels};

use super::array::ZarrArray;
use super::group::write_group;
use super::metadata::ZarrVersion;
use super::ome::{OmeAxis, OmeLevel, new_image, to_attributes};
use super::sink::{ZarrSink, remove, replace, with_suffix};
use super::spec::{ZarrCodec, ZarrSpec};
use crate::{IoError, Limits};

/// What a voxel of a coarser level is made of: the voxels that it covers, two along each axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Downsampling {
    /// Their mean, rounded half to even for integers; for intensities.
    #[default]
    Mean,
    /// The value that most of them have, the least of several; for labels.
    Mode,
    /// The first of them.
    Nearest,
}

/// How a pyramid is written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PyramidOptions {
    /// Default: [`Downsampling::Mean`].
    pub downsampling: Downsampling,
    /// Levels are added until the longest spatial axis has at most this many voxels. Default: 128.
    pub coarsest: usize,
    /// Version 2 gives OME-Zarr 0.4, version 3 OME-Zarr 0.5. Default: 3.
    pub version: ZarrVersion,
    /// How chunks are compressed. Default: Zstandard, level 3.
    pub codec: ZarrCodec,
    /// Unit of the affine, as OME-Zarr names it. Default: `millimeter`.
    pub unit: String,
    /// Whether a store that is there is replaced. Default: no.
    pub overwrite: bool,
}

impl Default for PyramidOptions {
    fn default() -> Self {
        Self {
            downsampling: Downsampling::Mean,
            coarsest: 128,
            version: ZarrVersion::V3,
            codec: ZarrCodec::default(),
            unit: "millimeter".to_owned(),
            overwrite: false,
        }
    }
}

impl PyramidOptions {
    /// The same with another way to make coarser voxels.
    #[must_use]
    pub fn with_downsampling(self, downsampling: Downsampling) -> Self {
        Self { downsampling, ..self }
    }

    /// The same in another version.
    #[must_use]
    pub fn with_version(self, version: ZarrVersion) -> Self {
        Self { version, ..self }
    }

    /// The same with another size of the coarsest level.
    #[must_use]
    pub fn with_coarsest(self, coarsest: usize) -> Self {
        Self { coarsest, ..self }
    }

    /// The same, replacing a store that is there or not.
    #[must_use]
    pub fn with_overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }
}

/// Writes a volume as an OME-Zarr image. Levels are made from one another in boxes of whole chunks; scale and translation
/// of each keep voxel centres where they are: a level of half the resolution begins half a fine voxel further on.
///
/// OME-Zarr records steps along the axes only. Rotations and flips of the affine are kept in the attribute
/// `world_from_voxel` of each array, which this library reads; others see the spacing.
///
/// # Errors
/// [`IoError::Exists`]; [`IoError::Unsupported`] for colours, and complex numbers in more than one level; when reading
/// or writing fails.
pub fn write_pyramid(
    path: impl AsRef<Path>,
    source: &dyn VolumeSource,
    options: &PyramidOptions,
    progress: &dyn Progress,
) -> Result<(), IoError> {
    let path = path.as_ref();
    if path.exists() && !options.overwrite {
        return Err(IoError::Exists { path: path.to_owned() });
    }
    let temporary = with_suffix(path, ".partial");
    remove(&temporary)?;
    fs::create_dir_all(&temporary).map_err(|error| IoError::io(&temporary, "create", error))?;
    let written = write_levels(&temporary, path, source, options, progress)
        .and_then(|()| replace(&temporary, path, options.overwrite));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = remove(&temporary);
    }
    written
}

fn write_levels(
    folder: &Path,
    path: &Path,
    source: &dyn VolumeSource,
    options: &PyramidOptions,
    progress: &dyn Progress,
) -> Result<(), IoError> {
    let metas = level_metas(source.meta(), options.coarsest).map_err(|error| IoError::core(path, error))?;
    if metas.len() > 1 && !source.meta().dtype().is_real() {
        let what = format!("{} voxels have no mean; write one level", source.meta().dtype());
        return Err(IoError::unsupported(path, what));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut image = new_image(path, &name, axes(source.meta().shape().len(), &options.unit), options.version);
    progress.begin("levels", metas.iter().map(|meta| meta.n_voxels() as u64).sum());
    for (number, meta) in metas.iter().enumerate() {
        let spec = ZarrSpec::for_volume(meta).with_version(options.version).with_codec(options.codec);
        let level = folder.join(number.to_string());
        let sink = ZarrSink::create_or_open(&level, &spec)?;
        let fine = match number.checked_sub(1) {
            Some(finer) => {
                let array = ZarrArray::open(folder.join(finer.to_string()), &Limits::default())?;
                Some(super::source::ZarrSource::new(array, &crate::ReadOptions::default())?)
            }
            None => None,
        };
        for_each_box(&sink, |region| {
            let values = match &fine {
                None => read_box(source, region)?,
                Some(fine) => downsample(fine, region, options.downsampling)?,
            };
            sink.write_region(region, values.view())?;
            progress.advance(region.len() as u64);
            Ok(progress.check()?)
        })
        .map_err(|error| crate::format::from_box(path, error))?;
        image.levels.push(level_of(number, meta));
    }
    write_group(folder, options.version, &to_attributes(&image, options.version))
}

fn axes(n: usize, unit: &str) -> Vec<OmeAxis> {
    // In voxel order x, y, z, then channels, then time.
    let axis = |index: usize| {
        let (name, kind, unit) = match index {
            0..=2 => (["x", "y", "z"][index], "space", unit),
            3 => ("c", "channel", ""),
            4 => ("t", "time", ""),
            _ => ("a", "", ""),
        };
        OmeAxis { name: name.to_owned(), kind: kind.to_owned(), unit: unit.to_owned() }
    };
    (0..n).rev().map(axis).collect()
}

/// Shape and place of each level.
fn level_metas(finest: &VolumeMeta, coarsest: usize) -> Result<Vec<VolumeMeta>, volkit_core::CoreError> {
    let mut metas = vec![finest.clone()];
    loop {
        let last = &metas[metas.len() - 1];
        let spatial = last.shape().len().min(3);
        if last.shape()[..spatial].iter().all(|n| *n <= coarsest.max(1)) {
            return Ok(metas);
        }
        let factor = |axis: usize| if axis < spatial && last.shape()[axis] > 1 { 2 } else { 1 };
        let shape: Vec<usize> = (0..last.shape().len()).map(|a| last.shape()[a].div_ceil(factor(a))).collect();
        let affine = last.affine();
        let mut rows = *affine.rows();
        for row in &mut rows {
            for axis in 0..3 {
                // The centre of two voxels lies half a step behind the first.
                let step = row[axis];
                row[3] += step * (factor(axis) as f64 - 1.0) / 2.0;
                row[axis] = step * factor(axis) as f64;
            }
        }
        let spacing: Vec<f64> = (0..shape.len()).map(|axis| last.spacing()[axis] * factor(axis) as f64).collect();
        metas.push(VolumeMeta::new(shape, last.dtype(), volkit_core::Affine::from_rows(rows))?.with_spacing(spacing)?);
    }
}

fn level_of(number: usize, meta: &VolumeMeta) -> OmeLevel {
    let linear = meta.affine().linear();
    let diagonal = (0..3).all(|r| (0..3).all(|c| if r == c { linear[r][c] > 0.0 } else { linear[r][c] == 0.0 }));
    let origin = if diagonal { meta.affine().translation() } else { [0.0; 3] };
    let n = meta.shape().len();
    OmeLevel {
        path: number.to_string(),
        scale: meta.spacing().iter().rev().map(|x| if *x > 0.0 { *x } else { 1.0 }).collect(),
        translation: (0..n).rev().map(|axis| origin.get(axis).copied().unwrap_or(0.0)).collect(),
    }
}

/// Calls `f` with boxes of whole files of an array, in voxel order.
fn for_each_box(
    sink: &ZarrSink,
    mut f: impl FnMut(&Region) -> Result<(), volkit_core::BoxError>,
) -> Result<(), volkit_core::BoxError> {
    let array = sink.array();
    let origin = vec![0; array.shape().len()];
    // A row of chunks along the fastest axis keeps all threads busy.
    let mut shape = array.file_chunk().to_vec();
    if let (Some(last), Some(n)) = (shape.last_mut(), array.shape().last()) {
        *last = (*n).max(1).next_multiple_of(*last);
    }
    for part in crate::boxes::Parts::new(&origin, array.shape(), &shape) {
        let reversed = |axes: &[usize]| axes.iter().rev().copied().collect::<Vec<_>>();
        f(&Region::new(reversed(&part.in_box), reversed(&part.size))?)?;
    }
    Ok(())
}

fn read_box(source: &dyn VolumeSource, region: &Region) -> Result<Voxels, volkit_core::BoxError> {
    let mut values = Voxels::zeros(source.meta().dtype(), region.len())?;
    source.read_region(region, values.view_mut())?;
    Ok(values)
}

/// The box `region` of the level below `fine`.
fn downsample(fine: &dyn VolumeSource, region: &Region, how: Downsampling) -> Result<Voxels, volkit_core::BoxError> {
    let shape = fine.meta().shape();
    let spatial = shape.len().min(3);
    let factors: Vec<usize> = (0..shape.len()).map(|a| if a < spatial && shape[a] > 1 { 2 } else { 1 }).collect();
    let start: Vec<usize> = (0..shape.len()).map(|a| region.start()[a] * factors[a]).collect();
    let size: Vec<usize> = (0..shape.len()).map(|a| (region.size()[a] * factors[a]).min(shape[a] - start[a])).collect();
    let values = read_box(fine, &Region::new(start, size.clone())?)?;
    let coarse: Voxels = with_real_voxels!(VoxelsRef, values.view(), from => {
        reduce(from, &size, (region.size(), &factors), how).into()
    }, return Err("complex numbers and colours have no levels".into()));
    Ok(coarse)
}

fn reduce<T: RealElement>(
    from: &[T],
    size: &[usize],
    (coarse, factors): (&[usize], &[usize]),
    how: Downsampling,
) -> Vec<T> {
    let n_axes = size.len();
    let strides: Vec<usize> = (0..n_axes).map(|axis| size[..axis].iter().product()).collect();
    let n: usize = coarse.iter().product();
    let mut covered = Vec::with_capacity(8);
    let mut out = Vec::with_capacity(n);
    for linear in 0..n {
        let (mut rest, mut base) = (linear, 0);
        let mut reach = [1_usize; 3];
        for axis in 0..n_axes {
            let first = rest % coarse[axis] * factors[axis];
            rest /= coarse[axis];
            base += first * strides[axis];
            if axis < 3 {
                reach[axis] = factors[axis].min(size[axis] - first);
            }
        }
        covered.clear();
        for z in 0..reach[2] {
            for y in 0..reach[1] {
                for x in 0..reach[0] {
                    let at = |axis: usize, i: usize| if i == 0 { 0 } else { i * strides[axis] };
                    covered.push(from[base + at(0, x) + at(1, y) + at(2, z)]);
                }
            }
        }
        out.push(pick(&covered, how));
    }
    out
}

fn pick<T: RealElement>(covered: &[T], how: Downsampling) -> T {
    match how {
        Downsampling::Nearest => covered[0],
        Downsampling::Mean => T::from_f64(covered.iter().map(|x| x.to_f64()).sum::<f64>() / covered.len() as f64),
        Downsampling::Mode => {
            let votes = |value: &T| covered.iter().filter(|other| *other == value).count();
            let better = |best: T, value: &T| {
                let (a, b) = (votes(&best), votes(value));
                if b > a || (b == a && value.to_f64() < best.to_f64()) { *value } else { best }
            };
            covered.iter().fold(covered[0], better)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Downsampling, level_metas, reduce};
    use volkit_core::{Affine, DType, VolumeMeta};

    #[test]
    fn blocks_of_two_and_what_is_left_at_the_end() {
        // 3 x 2: the second coarse voxel covers one column.
        let from = [1_u8, 2, 9, 2, 2, 4];
        let of = |how| reduce(&from, &[3, 2], (&[2, 1], &[2, 2]), how);
        // (1 + 2 + 2 + 2) / 4 = 1.75, (9 + 4) / 2 = 6.5, half to even.
        assert_eq!(of(Downsampling::Mean), [2, 6]);
        assert_eq!(of(Downsampling::Mode), [2, 4]);
        assert_eq!(of(Downsampling::Nearest), [1, 9]);
    }

    #[test]
    fn centres_stay_where_they_are() {
        let finest = VolumeMeta::new([300, 200, 1, 2], DType::U16, Affine::from_scale([0.5, 1.0, 3.0])).unwrap();
        let metas = level_metas(&finest, 128).unwrap();
        assert_eq!(metas.len(), 3);
        assert_eq!(metas[1].shape(), [150, 100, 1, 2]);
        assert_eq!(metas[2].shape(), [75, 50, 1, 2]);
        assert_eq!(metas[1].affine().translation(), [0.25, 0.5, 0.0]);
        assert_eq!(metas[2].affine().translation(), [0.75, 1.5, 0.0]);
        assert_eq!(metas[2].spacing(), [2.0, 4.0, 3.0, 1.0]);
    }
}
