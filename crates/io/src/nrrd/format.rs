//! Opening NRRD files.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use volkit_core::{Volume, VolumeMeta, VolumeSink, VolumeSource, Voxels};

use super::header::{Encoding, MAGIC, NrrdHeader};
use crate::bytes::ByteSource;
use crate::decode::Decoder;
use crate::gzip::GzReader;
use crate::raw::{Layout, RawSource};
use crate::{
    FileSource, Format, Header, ImageInfo, IoError, ReadOptions, Scaling, SpaceUnit, TimeUnit, Units, WriteOptions,
};

/// Longest header that is looked at.
const MAX_HEADER_BYTES: usize = 1 << 16;
/// Bytes that are inflated at a time: a header that lies costs no more than the stream holds.
const BLOCK_BYTES: usize = 16 << 20;

/// NRRD files, read only: raw or gzip values behind the header or in one file of the same folder. Values behind the header
/// that are compressed are inflated when the file is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct NrrdFormat;

impl Format for NrrdFormat {
    fn name(&self) -> &'static str {
        "NRRD"
    }

    /// None: it is not written.
    fn suffixes(&self) -> &'static [&'static str] {
        &[]
    }

    fn recognises(&self, _path: &Path, prefix: &[u8]) -> bool {
        prefix.starts_with(MAGIC)
    }

    fn open(&self, path: &Path, options: &ReadOptions) -> Result<FileSource, IoError> {
        let bytes = ByteSource::open(path, options)?;
        let mut text = vec![0; MAX_HEADER_BYTES];
        let len = bytes.read_up_to(0, &mut text)?;
        text.truncate(len);
        let (text, data_start) = split_header(path, &text)?;
        let mut warnings = Vec::new();
        let header = NrrdHeader::parse(path, &text, &mut warnings)?;
        let core = |error| IoError::core(path, error);
        let meta = VolumeMeta::new(header.shape.clone(), header.stored, header.affine)
            .and_then(|meta| meta.with_spacing(header.spacing.clone()))
            .map_err(core)?;
        let decoder = Decoder::new(path, header.stored, Scaling::IDENTITY, options)?;
        let (bytes, start) = match &header.data_file {
            Some(name) => (ByteSource::open(&beside(path, name)?, options)?, 0),
            None => (bytes, data_start as u64),
        };
        let info = ImageInfo {
            format: "NRRD",
            compressed: header.encoding == Encoding::Gzip,
            meta: meta.clone().with_dtype(decoder.value_dtype()),
            stored: header.stored,
            scaling: Scaling::IDENTITY,
            units: Units { space: SpaceUnit::Millimetre, time: TimeUnit::Unknown },
            endian: header.endian,
            header: Header::None,
            warnings,
        };
        let is_packed = header.encoding == Encoding::Gzip;
        let source: Box<dyn VolumeSource> = if is_packed && header.data_file.is_none() {
            let values = inflated(path, start, &header, &meta, options)?;
            let mut decoded = Voxels::zeros(decoder.value_dtype(), values.len()).map_err(core)?;
            decoder.decode(values.view(), decoded.view_mut()).map_err(core)?;
            Box::new(Volume::from_meta(info.meta.clone(), decoded).map_err(core)?)
        } else {
            if is_packed != bytes.is_gzip() {
                let found = if is_packed { "is not compressed" } else { "is a gzip file" };
                let value = header.data_file.unwrap_or_default();
                return Err(IoError::bad_header(
                    path,
                    "data file",
                    value,
                    format!("{found}, unlike the encoding says"),
                ));
            }
            let offset = match u64::try_from(header.byte_skip) {
                Ok(skip) => start.saturating_add(skip),
                Err(_) => bytes.max_len().saturating_sub(meta.n_bytes() as u64).max(start),
            };
            let layout = Layout { offset, endian: header.endian, decoder, last: true, shape_field: "sizes" };
            Box::new(RawSource::new(bytes, &meta, layout)?)
        };
        Ok(FileSource::new(info, source))
    }

    fn create(
        &self,
        path: &Path,
        _meta: &VolumeMeta,
        _header: &Header,
        _options: &WriteOptions,
    ) -> Result<Box<dyn VolumeSink>, IoError> {
        Err(IoError::unsupported(path, "NRRD files are read, not written: choose .nii.gz"))
    }
}

/// The header's text and where the values begin: behind the first empty line, or nowhere in a header without one.
fn split_header(path: &Path, bytes: &[u8]) -> Result<(String, usize), IoError> {
    let ends: [&[u8]; 2] = [b"\n\n", b"\n\r\n"];
    let end = ends.iter().filter_map(|end| {
        let at = bytes.windows(end.len()).position(|window| window == *end)?;
        Some((at + 1, at + end.len()))
    });
    let (text_end, data_start) = match end.min() {
        Some(found) => found,
        None if bytes.len() < MAX_HEADER_BYTES => (bytes.len(), bytes.len()),
        None => {
            return Err(IoError::bad_header(
                path,
                "header",
                "text",
                format!("is longer than {MAX_HEADER_BYTES} bytes"),
            ));
        }
    };
    let text = String::from_utf8_lossy(&bytes[..text_end]).into_owned();
    Ok((text, data_start))
}

/// The file with the values, which must lie in the folder of the header.
fn beside(path: &Path, name: &str) -> Result<PathBuf, IoError> {
    let is_plain = Path::new(name).file_name().is_some_and(|file| file == name) && !name.contains(['\\', '%', ' ']);
    if !is_plain || name == "LIST" {
        let why = "must be the name of one file in the folder of the header";
        return Err(IoError::bad_header(path, "data file", name, why));
    }
    let file = path.with_file_name(name);
    if !file.exists() {
        return Err(IoError::MissingFile { path: file, why: Some(format!("data file of {}", path.display())) });
    }
    Ok(file)
}

/// The stored values of a stream that begins at byte `start` of the file.
fn inflated(
    path: &Path,
    start: u64,
    header: &NrrdHeader,
    meta: &VolumeMeta,
    options: &ReadOptions,
) -> Result<Voxels, IoError> {
    let n_bytes = options.limits.check_array(path, "the volume", meta.n_voxels(), header.stored.size())?;
    let mut file = File::open(path).map_err(|error| IoError::io(path, "open", error))?;
    file.seek(SeekFrom::Start(start)).map_err(|error| IoError::io(path, "read", error))?;
    let mut reader = GzReader::new(path, file);
    let mut skipped = vec![0; 4096];
    let mut left = header.byte_skip.unsigned_abs();
    while left > 0 {
        let len = left.min(skipped.len() as u64) as usize;
        match reader.read(&mut skipped[..len])? {
            0 => break,
            found => left -= found as u64,
        }
    }
    let mut bytes: Vec<u8> = Vec::new();
    while (bytes.len() as u64) < n_bytes {
        let have = bytes.len();
        bytes.resize(have + (n_bytes as usize - have).min(BLOCK_BYTES), 0);
        let found = reader.read(&mut bytes[have..])?;
        if have + found < bytes.len() {
            let what = format!("sizes = {:?}: {} values", header.shape, header.stored);
            let found = (have + found) as u64;
            return Err(IoError::Truncated { path: path.to_owned(), what, expected: n_bytes, found });
        }
    }
    reader.finish(options.strict_gzip)?;
    let mut values = Voxels::zeros(header.stored, meta.n_voxels()).map_err(|error| IoError::core(path, error))?;
    let mut view = values.view_mut();
    view.bytes_mut().copy_from_slice(&bytes);
    header.endian.swap_if_needed(header.stored, view.bytes_mut());
    Ok(values)
}
