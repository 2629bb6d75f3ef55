//! Pictures of synthetic scans.

use std::path::Path;

use anyhow::{Context as _, Result};
use volkit_core::Volume;
use volkit_io::write_atomically;
use volkit_seg::training::Generator;
use volkit_seg::{MontageOptions, Structures, counted_volumes, montage};

use super::config::Config;
use super::maps::Maps;

/// Draws the first samples of a training.
pub(crate) fn samples(config: &Config, folder: &Path, count: u64) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("{}: can not create", folder.display()))?;
    let maps = Maps::read_training(&config.data)?;
    let generator = Generator::new(config.generator.clone())?;
    for index in 0..count {
        let sample = generator.sample(&maps, index)?;
        let [scan, labels] = sample.to_volumes(config.generator.spacing_mm)?;
        let title = format!("sample {index}, map {}, slices {:.1?} mm", sample.map, sample.slice_spacing_mm);
        draw(&scan, &labels, &title, &folder.join(format!("sample_{index:02}.png")))?;
    }
    Ok(())
}

fn draw(scan: &Volume, labels: &Volume, title: &str, path: &Path) -> Result<()> {
    let table = Structures::v2().label_table(false);
    let volumes = counted_volumes(labels, &table, scan.affine().determinant().abs())?;
    let options = MontageOptions::new().with_title(title).with_pixel_mm(1.0);
    let picture = montage(scan, labels, &volumes, &table, &options)?.to_png()?;
    Ok(write_atomically(path, |file| file.write_all(&picture))?)
}
