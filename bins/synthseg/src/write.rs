//! Outputs of a scan, written while the next one is in the network.

use std::path::Path;

use anyhow::{Context as _, Error, Result};
use volkit_core::{DType, Region, Volume};
use volkit_io::{ColorEntry, Header, Image, MghHeader, WriteOptions};
use volkit_seg::{
    CleanPosteriors, LabelTable, LabelVolume, MontageOptions, Segmentation, SynthSegOutput, counted_volumes, montage,
};

use crate::args::Args;
use crate::load::LoadedScan;
use crate::model::Model;
use crate::naming::{ScanJob, base_name};
use crate::outputs::write_whole;
use crate::record::{self, Rows};
use crate::report::{Measured, Reporter};
use crate::tables::Tables;

/// Compression of posteriors, which are large and hardly become smaller.
const POSTERIORS_GZIP: u32 = 1;
/// Suffixes of MGH files.
const MGH_SUFFIXES: [&str; 2] = [".mgz", ".mgh"];

/// What a network says of a scan.
pub(crate) enum Found {
    SynthSeg(Box<SynthSegOutput>),
    Labels(Box<Segmentation>),
}

/// Writes what was found.
pub(crate) struct Writer<'a> {
    pub(crate) args: &'a Args,
    pub(crate) model: &'a Model,
    pub(crate) tables: Tables,
    pub(crate) reporter: Reporter<'a>,
}

impl Writer<'_> {
    /// Writes all outputs of a scan; its record and rows last, when the files are whole.
    pub(crate) fn write(&mut self, job: &ScanJob, scan: &LoadedScan, found: &Found, measured: &Measured) -> Result<()> {
        let context = || job.input.display().to_string();
        let rows = match found {
            Found::SynthSeg(output) => {
                self.write_synthseg(job, scan, output)?;
                self.tables.synthseg_rows(job, output)
            }
            Found::Labels(segmentation) => {
                write_image(&job.labels, &scan.header, &segmentation.labels, &WriteOptions::new())?;
                self.tables.label_rows(job, segmentation)
            }
        };
        if let Some(volume) = &scan.scan {
            let pictured = self.pictured(volume, found).with_context(context)?;
            self.write_picture(job, volume, &pictured).with_context(context)?;
            self.reporter.page(job, (volume, pictured.labels), found, measured).with_context(context)?;
        }
        record::write(job, &scan.key, &rows)?;
        self.tables.add(job, &rows)
    }

    /// Takes over what an earlier run made.
    pub(crate) fn keep(&mut self, job: &ScanJob, rows: &Rows) -> Result<()> {
        self.tables.add(job, rows)
    }

    fn write_synthseg(&self, job: &ScanJob, scan: &LoadedScan, output: &SynthSegOutput) -> Result<()> {
        let labels = if self.args.method.keepgeom { output.final_labels() } else { &output.labels };
        let mut header = scan.header.clone();
        if self.args.outputs.addctab && is_mgh(&job.labels) {
            add_color_table(&mut header, &self.model.table)?;
        }
        write_image(&job.labels, &header, labels, &WriteOptions::new())?;
        if let (Some(path), Some(posteriors)) = (&job.posteriors, &output.posteriors) {
            write_posteriors(path, &scan.header, posteriors)?;
        }
        if let (Some(path), Some(resampled)) = (&job.resampled, &output.resampled) {
            write_image(path, &scan.header, resampled, &resampled_options(path, scan.stored))?;
        }
        if let Some(path) = &job.mask {
            write_image(path, &scan.header, &volkit_seg::brain_mask(labels)?, &WriteOptions::new())?;
        }
        Ok(())
    }

    /// Labels on the grid of the scan, and how much of it each has.
    fn pictured<'a>(&self, scan: &Volume, found: &'a Found) -> Result<Pictured<'a>> {
        Ok(match found {
            Found::Labels(segmentation) => {
                Pictured { labels: &segmentation.labels, volumes: segmentation.volumes.clone() }
            }
            Found::SynthSeg(output) => {
                let labels = output.final_labels();
                let voxel_mm3 = scan.affine().determinant().abs();
                Pictured { labels, volumes: counted_volumes(labels, &self.model.table, voxel_mm3)? }
            }
        })
    }

    fn write_picture(&self, job: &ScanJob, scan: &Volume, pictured: &Pictured<'_>) -> Result<()> {
        let Some(path) = &job.picture else { return Ok(()) };
        let title = format!("{}: {}", base_name(&job.input), self.model.network.info().summary);
        let options = MontageOptions::new().with_title(title);
        let picture = montage(scan, pictured.labels, &pictured.volumes, &self.model.table, &options)?;
        write_whole(path, &picture.to_png()?)
    }
}

/// What pictures show of a scan.
struct Pictured<'a> {
    labels: &'a Volume,
    volumes: Vec<LabelVolume>,
}

fn write_image(path: &Path, header: &Header, volume: &Volume, options: &WriteOptions) -> Result<()> {
    volkit_io::write(path, &Image::from_parts(volume.clone(), header.clone()), options)?;
    Ok(())
}

/// Writes posteriors channel by channel, as they are made.
fn write_posteriors(path: &Path, header: &Header, posteriors: &CleanPosteriors) -> Result<()> {
    let (meta, options) = (posteriors.meta(), WriteOptions::new().with_gzip_level(POSTERIORS_GZIP));
    let sink = volkit_io::create(path, meta, Some(header), &options)?;
    for channel in 0..posteriors.n_frames() {
        let (mut start, mut size) = (vec![0; 4], meta.shape().to_vec());
        (start[3], size[3]) = (channel, 1);
        let frame = posteriors.frame(channel)?;
        sink.write_region(&Region::new(start, size)?, frame.as_slice().into()).map_err(Error::from_boxed)?;
    }
    sink.finish().map_err(Error::from_boxed)
}

/// A resampled scan has the element type of the scan: integers get a slope in NIfTI, MGH has no place for one, and npz
/// keeps values as they are.
fn resampled_options(path: &Path, stored: DType) -> WriteOptions {
    let options = WriteOptions::new();
    if is_mgh(path) {
        return options.with_dtype(DType::F32);
    }
    if base_name(path).to_lowercase().ends_with(".npz") {
        return options;
    }
    options.with_dtype(stored).with_rescale(true)
}

/// Whether a file of that name is one of MGH, which has a place for a colour table.
pub(crate) fn is_mgh(path: &Path) -> bool {
    let name = base_name(path).to_lowercase();
    MGH_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Puts names and colours of labels into a header, which becomes one of MGH.
fn add_color_table(header: &mut Header, table: &LabelTable) -> Result<()> {
    if !matches!(header, Header::Mgh(_)) {
        *header = Header::Mgh(Box::default());
    }
    let Header::Mgh(header) = header else { return Ok(()) };
    let header: &mut MghHeader = header;
    let entry = |label: &volkit_seg::Label| {
        let [r, g, b] = label.colour;
        ColorEntry { id: label.id, name: label.name.clone(), rgba: [r, g, b, 255] }
    };
    let entries: Vec<ColorEntry> = table.iter().map(entry).collect();
    Ok(header.set_color_table(&entries)?)
}
