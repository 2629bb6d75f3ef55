//! Where the result goes: a file or store of its own, gone on with, or a part of an array that others write too.

use std::ops::Range;
use std::path::{Path, PathBuf};

use volkit_core::{BoxError, VolumeMeta, VolumeSink};
use volkit_io::{Partial, WriteOptions, split_data_set};
#[cfg(feature = "stores")]
use volkit_io::{ZarrSink, ZarrSpec, default_chunk};

use crate::args::{Args, Shard};
use crate::files::{Input, Kind, with_suffix};
use crate::journal::Journal;

/// Elements of a chunk, row-major, of a file that has chunks.
#[cfg(feature = "stores")]
fn chunk_of(kind: Kind, meta: &VolumeMeta) -> Option<Vec<usize>> {
    let shape: Vec<usize> = meta.shape().iter().rev().copied().collect();
    kind.has_chunks().then(|| default_chunk(&shape, meta.dtype().size()))
}

#[cfg(not(feature = "stores"))]
fn chunk_of(_kind: Kind, _meta: &VolumeMeta) -> Option<Vec<usize>> {
    None
}

/// What is decided about the output before it is begun.
pub(crate) struct Target<'a> {
    args: &'a Args,
    meta: VolumeMeta,
    kind: Kind,
    /// Elements of a chunk, row-major; none for files without chunks.
    chunk: Option<Vec<usize>>,
    /// Planes along axis 0 of the spatial axes, and of a chunk.
    n_planes: usize,
    plane_step: usize,
}

/// A begun output.
pub(crate) struct Begun {
    pub(crate) sink: Box<dyn VolumeSink>,
    pub(crate) journal: Option<Journal>,
    /// Rows of tiles that are in the output already.
    pub(crate) rows_done: usize,
}

impl<'a> Target<'a> {
    /// Checks that the output can be what is asked for.
    pub(crate) fn new(args: &'a Args, meta: VolumeMeta, n_axes: usize) -> Result<Self, BoxError> {
        let kind = Kind::of(&args.output);
        let shape: Vec<usize> = meta.shape().iter().rev().copied().collect();
        let chunk = chunk_of(kind, &meta);
        let axis = shape.len() - n_axes;
        let plane_step = chunk.as_ref().map_or(1, |chunk| chunk[axis]);
        let target = Self { args, n_planes: shape[axis], meta, kind, chunk, plane_step };
        if args.shard.is_some() {
            if kind != Kind::Zarr {
                let what = "--shard needs a .zarr output, which processes can share";
                return Err(format!("{}: {what}", args.output.display()).into());
            }
            if args.overwrite {
                return Err("--shard and --overwrite exclude each other: no process knows what the others did".into());
            }
        } else if !args.estimate && split_data_set(&args.output).0.exists() && !args.overwrite {
            let hint = if args.resume { "nothing is left to do" } else { "--overwrite replaces it" };
            return Err(format!("{}: exists already; {hint}", args.output.display()).into());
        }
        Ok(target)
    }

    /// Multiples in which planes are written, so that each chunk is written once.
    pub(crate) fn plane_step(&self) -> usize {
        self.plane_step
    }

    /// `[K, s0, ..]`, as it is printed.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.meta.shape().iter().rev().copied().collect()
    }

    /// The planes of this process: whole rows of chunks; none where there is no shard.
    pub(crate) fn planes(&self) -> Option<Range<usize>> {
        let Shard { index, count } = self.args.shard?;
        let n_chunks = self.n_planes.div_ceil(self.plane_step);
        let border = |i: usize| (n_chunks * i / count * self.plane_step).min(self.n_planes);
        Some(border(index)..border(index + 1))
    }

    /// Begins the output of the run with that digest, or goes on with it.
    pub(crate) fn begin(&self, input: &Input, run: &str) -> Result<Begun, BoxError> {
        let Args { output, resume, shard, .. } = self.args;
        if let Some(Shard { index, count }) = shard {
            let path = with_suffix(output, &format!(".shard-{index}-of-{count}.journal"));
            return Self::with_journal(self.create_or_open(output)?, &path, run, *resume);
        }
        if !self.kind.can_resume(output) {
            if *resume {
                let what = "such a file can not be resumed; choose .npy, .raw, .nii, .tif or .zarr";
                return Err(format!("{}: {what}", output.display()).into());
            }
            return Ok(Begun { sink: self.create(input, None)?, journal: None, rows_done: 0 });
        }
        let path = with_suffix(output, ".partial.journal");
        if *resume && let Some((journal, rows_done)) = Journal::resume(&path, run)? {
            let sink = self.create(input, Some(Partial::Resume))?;
            return Ok(Begun { sink, journal: Some(journal), rows_done });
        }
        let sink = self.create(input, Some(Partial::New))?;
        Self::with_journal(sink, &path, run, false)
    }

    fn with_journal(sink: Box<dyn VolumeSink>, path: &Path, run: &str, resume: bool) -> Result<Begun, BoxError> {
        let known = if resume { Journal::resume(path, run)? } else { None };
        let (journal, rows_done) = match known {
            Some(known) => known,
            None => (Journal::begin(path, run)?, 0),
        };
        Ok(Begun { sink, journal: Some(journal), rows_done })
    }

    #[cfg(feature = "stores")]
    fn spec(&self) -> ZarrSpec {
        let spec = ZarrSpec::for_volume(&self.meta);
        match &self.chunk {
            Some(chunk) => spec.with_chunk(chunk.clone()),
            None => spec,
        }
    }

    /// The array that many processes write.
    #[cfg(feature = "stores")]
    fn create_or_open(&self, path: &Path) -> Result<Box<dyn VolumeSink>, BoxError> {
        Ok(Box::new(ZarrSink::create_or_open(path, &self.spec())?))
    }

    #[cfg(not(feature = "stores"))]
    fn create_or_open(&self, path: &Path) -> Result<Box<dyn VolumeSink>, BoxError> {
        Err(format!("{}: Zarr arrays need a build with the feature `stores`", path.display()).into())
    }

    fn create(&self, input: &Input, partial: Option<Partial>) -> Result<Box<dyn VolumeSink>, BoxError> {
        let (path, meta): (&PathBuf, _) = (&self.args.output, &self.meta);
        let mut options = WriteOptions::new().with_overwrite(self.args.overwrite);
        if let Some(partial) = partial {
            options = options.with_partial(partial);
        }
        Ok(match self.kind {
            Kind::Npy => volkit_io::create_array(path, meta, &options)?,
            Kind::Raw => volkit_io::create_raw(path, meta, &options)?,
            #[cfg(feature = "stores")]
            Kind::Zarr => Box::new(ZarrSink::create(path, &self.spec(), &options)?),
            #[cfg(not(feature = "stores"))]
            Kind::Zarr => self.create_or_open(path)?,
            Kind::Hdf5 => {
                options.chunk = self.chunk.as_ref().map(|chunk| chunk.iter().rev().copied().collect());
                volkit_io::create(path, meta, None, &options)?
            }
            #[cfg(feature = "stacks")]
            Kind::Stack => {
                let channels = meta.shape().get(2).copied().unwrap_or(1);
                volkit_io::create_stack(&volkit_io::stack_names(path, channels)?, meta, &options)?
            }
            Kind::Volume => volkit_io::create(path, meta, Some(input.header()), &options)?,
        })
    }
}
