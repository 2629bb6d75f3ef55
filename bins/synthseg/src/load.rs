//! Scans, read and prepared one ahead of the network.

use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use anyhow::{Context as _, Result};
use volkit_bench::Display;
use volkit_core::{DType, Volume, VolumeMeta};
use volkit_io::{Header, Image, ReadOptions, Values};
use volkit_seg::{PreparedScan, SynthSeg, SynthSegOptions};

use crate::memory::{Budget, Fit};
use crate::model::Network;
use crate::naming::ScanJob;
use crate::record::{self, Recipe, Rows};

/// A scan that is ready for the network.
pub(crate) struct LoadedScan {
    /// Header of its file.
    pub(crate) header: Header,
    /// Element type of its file.
    pub(crate) stored: DType,
    /// The scan itself, where pictures are made or the network prepares it.
    pub(crate) scan: Option<Volume>,
    /// What the network gets.
    pub(crate) work: Work,
    /// What the outputs will be made of.
    pub(crate) key: String,
    pub(crate) warnings: Vec<String>,
    /// Seconds that reading and preparing took.
    pub(crate) read_secs: f64,
    pub(crate) prepare_secs: f64,
}

/// What a network gets of a scan.
pub(crate) enum Work {
    /// Prepared, for `SynthSeg`.
    Prepared(Box<PreparedScan>, Fit),
    /// As it is, for others.
    Scan,
}

/// What became of a scan before the network.
pub(crate) enum Loaded {
    Scan(Box<LoadedScan>),
    /// Its outputs are there; the rows about it.
    Done(Rows),
}

/// Loads scans.
pub(crate) struct Loader<'a> {
    pub(crate) network: &'a Network,
    pub(crate) options: SynthSegOptions,
    pub(crate) recipe: Recipe,
    pub(crate) budget: Budget,
    pub(crate) skip_existing: bool,
    /// Whether pictures need the scan.
    pub(crate) keep_scan: bool,
}

impl Loader<'_> {
    /// Loads all scans in order; each waits until the network takes it. Ends early when a stop was asked for, or nobody
    /// listens.
    pub(crate) fn run(&self, jobs: &[ScanJob], display: &Display, loaded: &SyncSender<Result<Loaded>>) {
        for job in jobs {
            if display.is_stopped() || loaded.send(self.load(job)).is_err() {
                return;
            }
        }
    }

    fn load(&self, job: &ScanJob) -> Result<Loaded> {
        let key = self.recipe.key(&job.input)?;
        if self.skip_existing
            && let Some(rows) = record::still_holds(job, &key)
        {
            return Ok(Loaded::Done(rows));
        }
        let context = || job.input.display().to_string();
        let info = volkit_io::probe(&job.input)?;
        let (options, fit) = match self.network {
            Network::SynthSeg(synthseg) => {
                let is_mgh = matches!(info.header, Header::Mgh(_));
                let options = self.options.clone().with_three_spacings(is_mgh);
                let fit = self.fit(synthseg, &info.meta, &options).with_context(context)?;
                (options, Some(fit))
            }
            Network::Other(_) => (self.options.clone(), None),
        };
        let start = Instant::now();
        let image = read(&job.input, fit.is_some(), info.meta.dtype())?;
        let mut warnings = image.warnings().to_vec();
        let (volume, header) = image.into_parts();
        let read_secs = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let work = match fit {
            Some(fit) => {
                let prepared = SynthSeg::prepare(&volume, &options).with_context(context)?;
                warnings.extend(prepared.prepared.warnings.iter().cloned());
                Work::Prepared(Box::new(prepared), fit)
            }
            None => Work::Scan,
        };
        let prepare_secs = start.elapsed().as_secs_f64();
        let scan = (self.keep_scan || matches!(work, Work::Scan)).then_some(volume);
        let loaded = LoadedScan { header, stored: info.stored, scan, work, key, warnings, read_secs, prepare_secs };
        Ok(Loaded::Scan(Box::new(loaded)))
    }

    fn fit(&self, synthseg: &SynthSeg, scan: &VolumeMeta, options: &SynthSegOptions) -> Result<Fit> {
        self.budget.fit(synthseg, scan, options)
    }
}

/// Reads a scan; values that become f64 through scaling stay that for `SynthSeg`, which computes in f64 up to its
/// networks, and are read as f32 for others. A compressed file that was cut, if only behind the voxels, is refused:
/// minutes of work should not follow from it.
fn read(path: &Path, keeps_f64: bool, dtype: DType) -> Result<Image> {
    let mut options = ReadOptions::new();
    options.strict_gzip = true;
    if dtype == DType::F64 && !keeps_f64 {
        options.values = Values::F32;
    }
    Ok(volkit_io::read_with(path, &options)?)
}
