//! A volume in memory, read by regions, through the trait that files implement too.

use volkit_core::{Affine, BoxError, Region, Volume, VolumeSource, read_vec};

fn mean_of_middle_slab(source: &dyn VolumeSource) -> Result<f64, BoxError> {
    let shape = source.meta().shape();
    let (mut start, mut size) = (vec![0; shape.len()], shape.to_vec());
    (start[2], size[2]) = (shape[2] / 2, 1);
    let values: Vec<f64> = read_vec(source, &Region::new(start, size)?)?;
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

fn main() -> Result<(), BoxError> {
    let [nx, ny, nz] = [4, 3, 5];
    let ramp: Vec<i16> = (0..nx * ny * nz).map(|v| v as i16).collect();
    let world_from_voxel = Affine::from_scale([1.0, 1.0, 2.5]).with_translation([-2.0, -1.5, 0.0]);
    let volume = Volume::new([nx, ny, nz], ramp, world_from_voxel)?;
    println!("voxel (3, 2, 4) lies at {:?} mm", volume.affine().apply([3.0, 2.0, 4.0]));
    println!("mean of the middle slab: {}", mean_of_middle_slab(&volume)?);
    Ok(())
}
