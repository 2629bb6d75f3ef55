//! A demonstration that needs no file.

use std::path::Path;

use anyhow::{Context as _, Result};
use volkit_bench::{Grid, HeadPhantom};
use volkit_io::{Image, WriteOptions};

use crate::args::Args;

/// Voxels of the head along each axis, of 1 mm.
const SIZE: usize = 208;
const SEED: u64 = 7;

/// The command line that segments a head made on the spot, where a demonstration is asked for; otherwise as it is.
pub(crate) fn expanded(args: Args) -> Result<Args> {
    let Some(folder) = args.demo.clone() else { return Ok(args) };
    std::fs::create_dir_all(&folder).with_context(|| format!("{}: can not make the folder", folder.display()))?;
    let scan = folder.join("scan.nii.gz");
    // The pool of the run is set up later, once.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.machine.threads).build()?;
    pool.install(|| write_head(&scan))?;
    let mut args = args;
    (args.input, args.output) = (scan, folder.join("labels.nii.gz"));
    let outputs = &mut args.outputs;
    outputs.volumes.get_or_insert(folder.join("volumes.csv"));
    outputs.picture.get_or_insert(folder.join("picture.png"));
    outputs.report.get_or_insert(folder.join("report.html"));
    Ok(args)
}

fn write_head(path: &Path) -> Result<()> {
    let head = HeadPhantom::new(Grid::new([SIZE; 3])).with_seed(SEED).generate()?.image;
    volkit_io::write(path, &Image::from(head), &WriteOptions::new())?;
    Ok(())
}
