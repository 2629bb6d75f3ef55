//! Writes a volume as NIfTI, reads it back, and writes a mask under the same header.

use volkit_core::{Affine, BoxError, Region, Volume, VolumeSource as _, read_vec};
use volkit_io::{Header, Image, ReadOptions, WriteOptions, open, probe, read, write};

fn main() -> Result<(), BoxError> {
    let folder = tempfile::tempdir()?;
    let scan = folder.path().join("scan.nii.gz");

    let [nx, ny, nz] = [64, 56, 40];
    let distance = |i: usize| {
        let at = [i % nx, i / nx % ny, i / (nx * ny)].map(|x| x as f32);
        ((at[0] - 32.0).powi(2) + (at[1] - 28.0).powi(2) + (at[2] - 20.0).powi(2)).sqrt()
    };
    let ball: Vec<f32> = (0..nx * ny * nz).map(|i| 100.0 * (1.0 - distance(i) / 18.0).max(0.0)).collect();
    let world_from_voxel = Affine::from_scale([-1.0, 1.0, 1.5]).with_translation([32.0, -28.0, -30.0]);
    let mut image = Image::new(Volume::new([nx, ny, nz], ball, world_from_voxel)?);
    write(&scan, &image, &WriteOptions::default())?;

    let info = probe(&scan)?;
    println!("{}, {:?}, {} values, spacing {:?} mm", info.format, info.meta.shape(), info.stored, info.spacing_mm());
    if let Header::Nifti(header) = &info.header {
        println!(
            "sform code {}, qform code {}, data at byte {}",
            header.sform_code, header.qform_code, header.vox_offset
        );
    }

    // A slab at a time, as a volume that does not fit in memory is read.
    let source = open(&scan, &ReadOptions::default())?;
    let middle = Region::new([0, 0, nz / 2], [nx, ny, 1])?;
    let values: Vec<f32> = read_vec(&source, &middle)?;
    println!(
        "largest value of slab {} of {}: {}",
        nz / 2,
        source.meta().shape()[2],
        values.iter().fold(0f32, |a, &b| a.max(b))
    );

    // A mask under the header of the scan: same forms, same units, one byte a voxel.
    image = read(&scan)?;
    let mask: Vec<u8> = image.volume().to_real::<f32>()?.iter().map(|&v| u8::from(v > 50.0)).collect();
    let n_inside = mask.iter().filter(|&&v| v == 1).count();
    let mask = Volume::from_meta(image.volume().meta().clone(), mask)?;
    let report = write(folder.path().join("mask.nii.gz"), &image.with_volume(mask), &WriteOptions::default())?;
    println!("mask written as {}: {n_inside} voxels", report.dtype);
    Ok(())
}
