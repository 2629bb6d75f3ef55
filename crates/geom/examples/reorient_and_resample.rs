//! Brings a small scan to the canonical orientation and to 1 mm, cleans a mask of it, and takes the mask back.

use volkit_core::{Affine, Volume};
use volkit_geom::{
    GeomError, Grid, NanRule, Orientation, Resampling, Statistics, apply_axis_map, keep_largest, percentiles, reorient,
    resample,
};

/// A bright ball and a bright speck in a dark box of 24 x 20 x 12 voxels, stored left, back, up.
fn scan() -> Result<Volume, GeomError> {
    let [nx, ny, nz] = [24usize, 20, 12];
    let inside = |i: usize, j: usize, k: usize| {
        let (x, y, z) = (i as f64 - 11.0, j as f64 - 9.0, (k as f64 - 6.0) * 2.0);
        x * x + y * y + z * z < 64.0 || (i, j, k) == (1, 1, 1)
    };
    let voxel = |at: usize| if inside(at % nx, at / nx % ny, at / nx / ny) { 900 + (at % 50) as i16 } else { 20 };
    let world_from_voxel = Affine::from_scale([-1.0, -1.0, 2.0]).with_translation([11.0, 9.0, -12.0]);
    Ok(Volume::new([nx, ny, nz], (0..nx * ny * nz).map(voxel).collect::<Vec<_>>(), world_from_voxel)?)
}

fn main() -> Result<(), GeomError> {
    let scan = scan()?;
    println!(
        "scan       {:?} voxels, {}, {:?} mm",
        scan.shape(),
        Orientation::of(scan.affine())?,
        scan.affine().spacing()
    );

    let (canonical, map) = reorient(&scan, Orientation::RAS)?;
    println!("canonical  axes {:?}, flipped {:?}", map.source_axis, map.flipped);

    let fine = Grid::of(&canonical).bounding([1.0; 3])?;
    let resampled = resample(&canonical, &fine, &Resampling::linear())?;
    let statistics = Statistics::of(&resampled.to_real::<f32>()?);
    println!("at 1 mm    {:?} voxels, mean {:.1}, maximum {}", resampled.shape(), statistics.mean, statistics.max);

    let values = canonical.to_real::<f32>()?;
    let limits = percentiles(&values, &[0.5, 99.5], NanRule::Skip)?;
    let middle = ((limits[0] + limits[1]) / 2.0) as f32;
    let mut mask: Vec<u8> = values.iter().map(|&value| u8::from(value > middle)).collect();
    let before = mask.iter().filter(|&&set| set == 1).count();
    let after = keep_largest(&mut mask, canonical.meta().spatial_size())?;
    println!("mask       {before} voxels above {middle:.0}, {after} in the largest component");

    let mask = Volume::new(canonical.shape(), mask, *canonical.affine())?;
    let back = apply_axis_map(&mask, &map.inverse())?;
    println!(
        "back       {:?} voxels, {}, same grid as the scan: {}",
        back.shape(),
        Orientation::of(back.affine())?,
        Grid::of(&back) == Grid::of(&scan)
    );
    Ok(())
}
