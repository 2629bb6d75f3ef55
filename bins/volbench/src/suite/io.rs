//! Volumes to and from files.

use std::hint::black_box;

use volkit_bench::{FnWorkload, Workload};
use volkit_core::BoxError;
use volkit_io::{Image, WriteOptions};

use super::{Make, Setting};

const SUFFIXES: [&str; 3] = ["nii", "nii.gz", "mgz"];

pub(super) fn workloads<'a>(setting: &'a Setting<'a>) -> Vec<Make<'a>> {
    let write = SUFFIXES.map(|suffix| Box::new(move || write(setting, suffix)) as Make<'a>);
    let read = SUFFIXES.map(|suffix| Box::new(move || read(setting, suffix)) as Make<'a>);
    write.into_iter().chain(read).collect()
}

fn write<'a>(setting: &'a Setting<'a>, suffix: &str) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let image = Image::new(setting.head()?);
    let (path, bytes) =
        (setting.folder.join(format!("written.{suffix}")), image.volume().voxels().view().bytes().len());
    let run = move || {
        volkit_io::write(&path, &image, &WriteOptions::default())?;
        Ok(())
    };
    let name = format!("io/write/{}/{suffix}", setting.shape());
    Ok(Box::new(FnWorkload::new(name, run).with_amount(bytes as f64, "B")))
}

fn read<'a>(setting: &'a Setting<'a>, suffix: &str) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let image = Image::new(setting.head()?);
    let (path, bytes) = (setting.folder.join(format!("read.{suffix}")), image.volume().voxels().view().bytes().len());
    volkit_io::write(&path, &image, &WriteOptions::default())?;
    let run = move || {
        black_box(volkit_io::read(&path)?);
        Ok(())
    };
    let name = format!("io/read/{}/{suffix}", setting.shape());
    Ok(Box::new(FnWorkload::new(name, run).with_amount(bytes as f64, "B")))
}
