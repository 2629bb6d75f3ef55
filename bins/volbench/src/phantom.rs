//! `volbench phantom`.

use std::path::Path;
use std::process::ExitCode;

use volkit_bench::{Grid, HeadPhantom, Phantom, SeededMeshNet, SeededUNet, ShellsPhantom};
use volkit_core::{BoxError, Volume};
use volkit_io::{Image, WriteOptions};

use crate::args::{GridArgs, MeshNetArgs, PhantomArgs, PhantomKind};

pub(crate) fn run(args: &PhantomArgs) -> Result<ExitCode, BoxError> {
    match &args.kind {
        PhantomKind::Head(args) => {
            let head = HeadPhantom::new(grid(&args.grid)?).with_seed(args.seed);
            write(&head.with_noise(args.noise).with_bias(args.bias).generate()?, &args.grid)?;
        }
        PhantomKind::Shells(args) => {
            let shells = ShellsPhantom::new(grid(&args.grid)?).with_radii(args.radii.clone());
            write(&shells.generate()?, &args.grid)?;
        }
        PhantomKind::MeshNet(args) => write_network(args)?,
        PhantomKind::SynthSeg(args) => {
            let net = SeededUNet::new().with_features(args.features).with_levels(args.levels).with_seed(args.seed);
            volkit_io::write_safetensors(&args.out, &net.generate()?)?;
            println!(
                "{}: SynthSeg with seeded weights, {} levels, {} features; its labels mean nothing",
                args.out.display(),
                args.levels,
                args.features
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn grid(args: &GridArgs) -> Result<Grid, BoxError> {
    let size = per_axis("size", &args.size)?;
    let spacing = per_axis("spacing", &args.spacing)?;
    Ok(Grid::new(size).with_spacing(spacing).with_orientation(&args.orient))
}

/// Three values, or one for all axes.
fn per_axis<T: Copy>(option: &str, values: &[T]) -> Result<[T; 3], BoxError> {
    match *values {
        [one] => Ok([one; 3]),
        [x, y, z] => Ok([x, y, z]),
        _ => Err(format!("--{option} takes 1 or 3 numbers, got {}", values.len()).into()),
    }
}

fn write(phantom: &Phantom, args: &GridArgs) -> Result<(), BoxError> {
    write_volume(&phantom.image, &args.out)?;
    if let Some(path) = &args.labels {
        write_volume(&phantom.labels, path)?;
    }
    Ok(())
}

fn write_volume(volume: &Volume, path: &Path) -> Result<(), BoxError> {
    volkit_io::write(path, &Image::new(volume.clone()), &WriteOptions::default())?;
    println!("{}: {:?} voxels, {:?} mm, {}", path.display(), volume.shape(), volume.affine().spacing(), volume.dtype());
    Ok(())
}

fn write_network(args: &MeshNetArgs) -> Result<(), BoxError> {
    let net = SeededMeshNet::new().with_channels(args.channels).with_classes(args.classes).with_seed(args.seed);
    volkit_io::write_safetensors(&args.out, &net.generate()?)?;
    println!(
        "{}: MeshNet with seeded weights, {} channels, {} classes; its labels mean nothing",
        args.out.display(),
        args.channels,
        args.classes
    );
    Ok(())
}
