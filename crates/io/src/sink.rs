//! Writing voxels as one dense array between a header and a footer, plain or compressed.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use volkit_core::{BoxError, CoreError, Region, VolumeMeta, VolumeSink, Voxels, VoxelsRef, with_voxels};

use crate::atomic::TemporaryFile;
use crate::cast::{Cast, convert};
use crate::gzip::GzReader;
use crate::gzip_write::GzWriter;
use crate::{Endian, IoError, Partial, WriteOptions};

const BLOCK_BYTES: usize = 256 << 10;

/// The bytes around the voxels, and where they go.
#[derive(Clone, Debug)]
pub(crate) struct RawFile {
    path: PathBuf,
    before: Vec<u8>,
    after: Vec<u8>,
    endian: Endian,
    header_file: Option<(PathBuf, Vec<u8>)>,
}

impl RawFile {
    pub(crate) fn new(path: &Path, before: Vec<u8>, endian: Endian) -> Self {
        Self { path: path.to_owned(), before, after: Vec::new(), endian, header_file: None }
    }

    pub(crate) fn with_after(self, after: Vec<u8>) -> Self {
        Self { after, ..self }
    }

    pub(crate) fn with_header_file(self, path: PathBuf, bytes: Vec<u8>) -> Self {
        Self { header_file: Some((path, bytes)), ..self }
    }

    /// Gives the voxels their name, then the header of a pair, which is complete before that.
    fn rename(&self, voxels: TemporaryFile, options: &WriteOptions) -> Result<(), IoError> {
        let header = self.header_file.as_ref().map(|(path, bytes)| Self::header(path, bytes, options)).transpose()?;
        voxels.rename(options.fsync)?;
        header.map_or(Ok(()), |header| header.rename(options.fsync))
    }

    fn header(path: &Path, bytes: &[u8], options: &WriteOptions) -> Result<TemporaryFile, IoError> {
        let file = TemporaryFile::create(path, options.overwrite)?;
        let written = if is_gzip_name(path) {
            let mut encoder = GzWriter::new(file.file(), options.gzip_level);
            encoder.write_all(bytes).and_then(|()| encoder.finish()).map(|_| ())
        } else {
            file.file().write_all(bytes)
        };
        written.map_err(|error| IoError::io(path, "write", error))?;
        Ok(file)
    }

    fn check_free(&self, options: &WriteOptions) -> Result<(), IoError> {
        match &self.header_file {
            Some((path, _)) if !options.overwrite && path.exists() => Err(IoError::Exists { path: path.clone() }),
            _ => Ok(()),
        }
    }
}

/// Whether a file of that name is compressed when it is written.
pub(crate) fn is_gzip_name(path: &Path) -> bool {
    let suffix = path.extension().unwrap_or_default();
    suffix.eq_ignore_ascii_case("gz") || suffix.eq_ignore_ascii_case("mgz")
}

/// Writes all voxels in one go.
pub(crate) fn write_whole(
    path: &Path,
    values: VoxelsRef<'_>,
    cast: &Cast,
    raw: &RawFile,
    options: &WriteOptions,
) -> Result<(), IoError> {
    raw.check_free(options)?;
    let file = TemporaryFile::create(&raw.path, options.overwrite)?;
    let fill = |out: &mut dyn Write| -> Result<(), IoError> {
        let failed = |error| IoError::io(&raw.path, "write", error);
        out.write_all(&raw.before).map_err(failed)?;
        let block_len = BLOCK_BYTES / cast.stored().size();
        let mut block =
            Voxels::zeros(cast.stored(), block_len.min(values.len())).map_err(|error| IoError::core(path, error))?;
        let mut done = 0;
        while done < values.len() {
            let len = block_len.min(values.len() - done);
            let part = sub(values, done, len);
            cast.encode(part, block.view_mut().slice(0..len)).map_err(|error| IoError::core(path, error))?;
            let mut filled = block.view_mut();
            let bytes = &mut filled.bytes_mut()[..len * cast.stored().size()];
            raw.endian.swap_if_needed(cast.stored(), bytes);
            out.write_all(bytes).map_err(failed)?;
            done += len;
        }
        out.write_all(&raw.after).map_err(failed)
    };
    if is_gzip_name(&raw.path) {
        let mut encoder = GzWriter::new(BufWriter::new(file.file()), options.gzip_level);
        fill(&mut encoder)?;
        let finished = encoder.finish().and_then(|mut out| out.flush());
        finished.map_err(|error| IoError::io(&raw.path, "write", error))?;
    } else {
        let mut out = BufWriter::with_capacity(0, file.file());
        fill(&mut out)?;
        out.flush().map_err(|error| IoError::io(&raw.path, "write", error))?;
    }
    raw.rename(file, options)
}

/// A sink over a dense array in a file; voxels that are never written are 0.
pub(crate) fn create(
    path: &Path,
    meta: &VolumeMeta,
    raw: RawFile,
    options: &WriteOptions,
) -> Result<Box<dyn VolumeSink>, IoError> {
    raw.check_free(options)?;
    if options.partial.is_some() && is_gzip_name(&raw.path) {
        let what = "a compressed file can not be resumed; choose a name without .gz";
        return Err(IoError::unsupported(path, what));
    }
    let file = match options.partial {
        Some(partial) => TemporaryFile::partial(&raw.path, partial, options.overwrite)?,
        None => TemporaryFile::create(&raw.path, options.overwrite)?,
    };
    let options = options.clone();
    let meta = meta.clone();
    if is_gzip_name(&raw.path) {
        let clone = file.file().try_clone().map_err(|error| IoError::io(path, "write", error))?;
        let mut encoder = GzWriter::new(BufWriter::new(clone), options.gzip_level);
        encoder.write_all(&raw.before).map_err(|error| IoError::io(path, "write", error))?;
        let state = Mutex::new(GzipState::InOrder { encoder, next: 0 });
        return Ok(Box::new(GzipSink { meta, raw, options, file, state }));
    }
    let len = (raw.before.len() + raw.after.len()) as u64 + meta.n_bytes() as u64;
    if options.partial == Some(Partial::Resume) {
        check_partial(&file, &raw, len)?;
        return Ok(Box::new(PlainSink { meta, raw, options, file }));
    }
    let prepare = || -> io::Result<()> {
        file.file().set_len(len)?;
        write_all_at(file.file(), 0, &raw.before)?;
        write_all_at(file.file(), len - raw.after.len() as u64, &raw.after)
    };
    prepare().map_err(|error| IoError::io(path, "write", error))?;
    Ok(Box::new(PlainSink { meta, raw, options, file }))
}

/// Checks that a partial file is of the volume that is to be written: its length and its header.
fn check_partial(file: &TemporaryFile, raw: &RawFile, len: u64) -> Result<(), IoError> {
    let failed = |error| IoError::io(file.temporary(), "read", error);
    let found = file.file().metadata().map_err(failed)?.len();
    let mut before = Vec::new();
    let mut reader = file.file();
    reader.rewind().map_err(failed)?;
    reader.take(raw.before.len() as u64).read_to_end(&mut before).map_err(failed)?;
    if found == len && before == raw.before {
        return Ok(());
    }
    let what = format!("is a part of another volume ({found} bytes, {len} expected): remove it to begin anew");
    Err(IoError::unsupported(file.temporary(), what))
}

struct PlainSink {
    meta: VolumeMeta,
    raw: RawFile,
    options: WriteOptions,
    file: TemporaryFile,
}

impl VolumeSink for PlainSink {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError> {
        let start = self.raw.before.len() as u64;
        write_runs(&self.meta, region, values, self.raw.endian, |offset, bytes| {
            write_all_at(self.file.file(), start + offset, bytes)
                .map_err(|error| IoError::io(&self.raw.path, "write", error))
        })
    }

    fn sync(&self) -> Result<(), BoxError> {
        let synced = self.file.file().sync_data();
        Ok(synced.map_err(|error| IoError::io(self.file.temporary(), "flush", error))?)
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        let Self { file, raw, options, .. } = *self;
        Ok(raw.rename(file, &options)?)
    }
}

struct GzipSink {
    meta: VolumeMeta,
    raw: RawFile,
    options: WriteOptions,
    file: TemporaryFile,
    state: Mutex<GzipState>,
}

enum GzipState {
    /// Everything before element `next` is compressed.
    InOrder { encoder: GzWriter<BufWriter<File>>, next: usize },
    /// The voxels lie uncompressed in a second temporary file.
    Spilled(TemporaryFile),
    /// A failure has left the file incomplete.
    Broken,
}

impl GzipSink {
    /// Moves what is compressed so far to an uncompressed file.
    fn spill(&self, encoder: GzWriter<BufWriter<File>>) -> Result<TemporaryFile, IoError> {
        let failed = |error| IoError::io(&self.raw.path, "write", error);
        let mut compressed =
            encoder.finish().and_then(|out| out.into_inner().map_err(io::Error::from)).map_err(failed)?;
        compressed.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut reader = GzReader::new(&self.raw.path, compressed);
        let mut before = vec![0; self.raw.before.len()];
        reader.read(&mut before)?;
        let spill = TemporaryFile::create(&self.raw.path, true)?;
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            let len = reader.read(&mut block)?;
            spill.file().write_all(&block[..len]).map_err(failed)?;
            if len < block.len() {
                break;
            }
        }
        spill.file().set_len(self.meta.n_bytes() as u64).map_err(failed)?;
        Ok(spill)
    }

    fn complete(&self, state: GzipState) -> Result<(), IoError> {
        let failed = |error| IoError::io(&self.raw.path, "write", error);
        let mut encoder = match state {
            GzipState::InOrder { mut encoder, next } => {
                let rest = (self.meta.n_voxels() - next) as u64 * self.meta.dtype().size() as u64;
                io::copy(&mut io::repeat(0).take(rest), &mut encoder).map_err(failed)?;
                encoder
            }
            GzipState::Spilled(spill) => {
                let mut target = self.file.file().try_clone().map_err(failed)?;
                target.set_len(0).and_then(|()| target.seek(SeekFrom::Start(0))).map_err(failed)?;
                let mut encoder = GzWriter::new(BufWriter::new(target), self.options.gzip_level);
                encoder.write_all(&self.raw.before).map_err(failed)?;
                let mut voxels = spill.file();
                voxels.seek(SeekFrom::Start(0)).map_err(failed)?;
                io::copy(&mut voxels, &mut encoder).map_err(failed)?;
                encoder
            }
            GzipState::Broken => return Err(failed(io::Error::other("an earlier write has failed"))),
        };
        encoder.write_all(&self.raw.after).map_err(failed)?;
        encoder.finish().and_then(|mut out| out.flush()).map_err(failed)
    }
}

impl VolumeSink for GzipSink {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError> {
        let mut rows = region.rows(self.meta.shape())?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_one_run = rows.run_len() == region.len();
        let first = rows.next();
        if let GzipState::InOrder { encoder, next } = &mut *state
            && is_one_run
            && first == Some(*next)
        {
            let result = write_runs(&self.meta, region, values, self.raw.endian, |_, bytes| {
                encoder.write_all(bytes).map_err(|error| IoError::io(&self.raw.path, "write", error))
            });
            *next += region.len();
            if result.is_err() {
                *state = GzipState::Broken;
            }
            return result;
        }
        *state = match std::mem::replace(&mut *state, GzipState::Broken) {
            GzipState::InOrder { encoder, .. } => GzipState::Spilled(self.spill(encoder)?),
            other => other,
        };
        let GzipState::Spilled(spill) = &*state else {
            return Err(IoError::io(&self.raw.path, "write", io::Error::other("an earlier write has failed")).into());
        };
        write_runs(&self.meta, region, values, self.raw.endian, |offset, bytes| {
            write_all_at(spill.file(), offset, bytes).map_err(|error| IoError::io(&self.raw.path, "write", error))
        })
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        let state =
            std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), GzipState::Broken);
        self.complete(state)?;
        let Self { file, raw, options, .. } = *self;
        Ok(raw.rename(file, &options)?)
    }
}

/// Converts the runs of a box to stored bytes and hands them over with their offset in the array.
fn write_runs(
    meta: &VolumeMeta,
    region: &Region,
    values: VoxelsRef<'_>,
    endian: Endian,
    mut put: impl FnMut(u64, &[u8]) -> Result<(), IoError>,
) -> Result<(), BoxError> {
    let rows = region.rows(meta.shape())?;
    if values.len() != region.len() {
        let shape = region.size().to_vec();
        return Err(CoreError::Length { shape, wanted: region.len(), got: values.len() }.into());
    }
    let (dtype, run_len) = (meta.dtype(), rows.run_len());
    let block_len = (BLOCK_BYTES / dtype.size()).min(run_len);
    let mut block = Voxels::zeros(dtype, block_len)?;
    for (run, offset) in rows.enumerate() {
        let mut done = 0;
        while done < run_len {
            let len = block_len.min(run_len - done);
            convert(sub(values, run * run_len + done, len), block.view_mut().slice(0..len))?;
            let mut filled = block.view_mut();
            let bytes = &mut filled.bytes_mut()[..len * dtype.size()];
            endian.swap_if_needed(dtype, bytes);
            put((offset + done) as u64 * dtype.size() as u64, bytes)?;
            done += len;
        }
    }
    Ok(())
}

fn sub(values: VoxelsRef<'_>, start: usize, len: usize) -> VoxelsRef<'_> {
    with_voxels!(VoxelsRef, values, values => (&values[start..start + len]).into())
}

#[cfg(unix)]
pub(crate) fn write_all_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
pub(crate) fn write_all_at(file: &File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        bytes = &bytes[count..];
        offset += count as u64;
    }
    Ok(())
}
