//! Checks that an implementer of a trait runs against itself: each returns the first thing that does not hold.

use crate::{ArrayStore, BoxError, Progress, Region, Volume, VolumeSink, VolumeSource, Voxels, read_all, read_vec};

/// Checks a source against the volume that it should hold: whole reads, boxes of every corner and of single voxels,
/// refusal of what lies outside, reads from several threads.
///
/// # Errors
/// The first check that fails.
pub fn check_source(source: &dyn VolumeSource, expected: &Volume) -> Result<(), BoxError> {
    ensure(source.meta().shape() == expected.shape(), || {
        format!("shape {:?}, expected {:?}", source.meta().shape(), expected.shape())
    })?;
    ensure(read_all(source)?.voxels() == expected.voxels(), || "whole read differs".to_owned())?;
    for region in regions(expected.shape())? {
        check_region(source, expected, &region)?;
    }
    let shape = expected.shape();
    let too_large: Vec<usize> = shape.iter().map(|n| n + 1).collect();
    let outside = Region::new(vec![0; shape.len()], too_large)?;
    let mut buffer = Voxels::zeros(source.meta().dtype(), outside.len())?;
    ensure(source.read_region(&outside, buffer.view_mut()).is_err(), || {
        "a region outside the volume was read".to_owned()
    })?;
    let whole = Region::whole(shape);
    let mut short = Voxels::zeros(source.meta().dtype(), whole.len() - 1)?;
    ensure(source.read_region(&whole, short.view_mut()).is_err(), || {
        "a buffer that is too short was accepted".to_owned()
    })?;
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(|| check_region(source, expected, &whole))).collect();
        readers
            .into_iter()
            .try_for_each(|reader| reader.join().unwrap_or_else(|_| Err("a reading thread panicked".into())))
    })
}

/// Checks a sink by writing `volume` to it in boxes, last box first, and finishing it. The caller then reads back what
/// was written, where it can.
///
/// # Errors
/// The first check that fails.
pub fn check_sink(sink: Box<dyn VolumeSink>, volume: &Volume) -> Result<(), BoxError> {
    ensure(sink.meta().shape() == volume.shape(), || "shape of the sink differs".to_owned())?;
    let shape = volume.shape();
    let outside = Region::new(shape.to_vec(), vec![1; shape.len()])?;
    let one = Voxels::zeros(volume.dtype(), 1)?;
    ensure(sink.write_region(&outside, one.view()).is_err(), || "a region outside the volume was written".to_owned())?;
    let last = shape.len() - 1;
    for index in (0..shape[last]).rev() {
        let (mut start, mut size) = (vec![0; shape.len()], shape.to_vec());
        (start[last], size[last]) = (index, 1);
        let region = Region::new(start, size)?;
        let mut values = Voxels::zeros(volume.dtype(), region.len())?;
        volume.read_region(&region, values.view_mut())?;
        sink.write_region(&region, values.view())?;
    }
    sink.finish()
}

/// Checks that a store lists sorted names, gives every array it lists and refuses a name it does not.
///
/// # Errors
/// The first check that fails.
pub fn check_store(store: &dyn ArrayStore) -> Result<(), BoxError> {
    let names = store.names();
    ensure(names.is_sorted(), || "names are not sorted".to_owned())?;
    for name in &names {
        let array = store.get(name)?;
        let n_values = array.shape().iter().product::<usize>();
        ensure(array.values().len() == n_values, || format!("array '{name}' has another size than its shape"))?;
    }
    ensure(store.get("no array has this name").is_err(), || "an unknown name gave an array".to_owned())
}

/// Checks that a receiver of progress takes calls from several threads.
///
/// # Errors
/// The first check that fails.
pub fn check_progress(progress: &dyn Progress) -> Result<(), BoxError> {
    progress.begin("check", 4);
    std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| progress.advance(1)))));
    Ok(progress.check()?)
}

fn check_region(source: &dyn VolumeSource, expected: &Volume, region: &Region) -> Result<(), BoxError> {
    let mut got = Voxels::zeros(expected.dtype(), region.len())?;
    let mut wanted = got.clone();
    source.read_region(region, got.view_mut())?;
    expected.read_region(region, wanted.view_mut())?;
    ensure(got == wanted, || format!("region {:?}+{:?} differs", region.start(), region.size()))?;
    if expected.dtype().is_real() {
        let (got, wanted) = (read_vec::<f64>(source, region)?, read_vec::<f64>(expected, region)?);
        let same = got.iter().zip(&wanted).all(|(a, b)| a.to_bits() == b.to_bits());
        ensure(same, || format!("region {:?}+{:?} differs as f64", region.start(), region.size()))?;
    }
    Ok(())
}

/// Single voxels at both ends, inner boxes, slabs along each axis.
fn regions(shape: &[usize]) -> Result<Vec<Region>, BoxError> {
    let n_axes = shape.len();
    let mut regions = vec![
        Region::new(vec![0; n_axes], vec![1; n_axes])?,
        Region::new(shape.iter().map(|n| n - 1).collect::<Vec<_>>(), vec![1; n_axes])?,
        Region::new(
            shape.iter().map(|n| n / 3).collect::<Vec<_>>(),
            shape.iter().map(|n| (n - n / 3).div_ceil(2)).collect::<Vec<_>>(),
        )?,
    ];
    for axis in 0..n_axes {
        let (mut start, mut size) = (vec![0; n_axes], shape.to_vec());
        (start[axis], size[axis]) = (shape[axis] / 2, 1);
        regions.push(Region::new(start, size)?);
    }
    Ok(regions)
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), BoxError> {
    if holds { Ok(()) } else { Err(message().into()) }
}
