//! Whether a scan fits into memory, before the work on it begins.

use anyhow::{Result, bail};
use volkit_bench::available_bytes;
use volkit_core::VolumeMeta;
use volkit_seg::{SynthSeg, SynthSegOptions};

/// Bytes a voxel of the network's volume that reading and preparing take, the scan itself included.
const PREPARE_BYTES: u64 = 28;

/// Bytes a voxel that posteriors take which wait for being written.
const STORED_BYTES: u64 = 16;

/// Memory that scans may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// As the command line has it.
    pub(crate) limit: Option<u64>,
    /// Whether the next scan is prepared and the last one written meanwhile.
    pub(crate) is_batch: bool,
}

/// How a scan is run, and what that takes.
#[derive(Clone, Debug)]
pub(crate) struct Fit {
    pub(crate) options: SynthSegOptions,
    pub(crate) bytes: u64,
    pub(crate) free: Option<u64>,
}

impl Budget {
    /// How to run a scan with that header: as asked, or in the way that needs less memory.
    ///
    /// # Errors
    /// When it does not fit either way.
    pub(crate) fn fit(&self, synthseg: &SynthSeg, scan: &VolumeMeta, options: &SynthSegOptions) -> Result<Fit> {
        let size = SynthSeg::network_size(scan, options)?;
        let n_voxels = size.iter().map(|&n| n as u64).product::<u64>();
        let beside = if self.is_batch {
            let stored = if options.keep_posteriors { STORED_BYTES } else { 0 };
            n_voxels * (PREPARE_BYTES + 4 + stored)
        } else {
            0
        };
        let free = self.limit.or_else(available_bytes);
        let mut least = u64::MAX;
        for options in [options.clone(), options.clone().with_low_memory(true)] {
            let bytes = beside + (synthseg.run_bytes(size, &options)? as u64).max(n_voxels * PREPARE_BYTES);
            if free.is_none_or(|free| bytes <= free) {
                return Ok(Fit { options, bytes, free });
            }
            least = least.min(bytes);
        }
        let (what, free) = (if self.limit.is_some() { "allowed" } else { "free" }, free.unwrap_or(0));
        let [x, y, z] = size;
        bail!(
            "needs about {} of memory for {x} x {y} x {z} voxels, {} {what}: --crop or --autocrop analyse less, \
             --max-memory allows more",
            gigabytes(least),
            gigabytes(free)
        )
    }
}

/// Bytes as people read them: `1.2 GB`.
pub(crate) fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 * 1e-9)
}
