//! The seam at which formats meet, and the functions that choose between them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use volkit_core::{DType, Region, VolumeMeta, VolumeSink, read_all};

use crate::{
    FileSource, Header, Image, ImageInfo, IoError, MghFormat, NiftiFormat, NpzFormat, ReadOptions, WriteOptions,
    split_data_set,
};

/// Bytes of the beginning of a file (inflated where it is compressed) that a format may look at to know its own.
pub const PREFIX_BYTES: usize = 1024;

/// What writing did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WriteReport {
    /// Element type in the file.
    pub dtype: DType,
    /// Values that the file can not hold as they were, fields that were given up.
    pub warnings: Vec<String>,
}

/// A file format for volumes.
///
/// # Protocol
/// [`read`], [`open`] and [`probe`] ask each format in turn whether it recognises the content, and use the first;
/// [`write()`] and [`create`] use the format with the longest suffix that the name ends in. All methods may be called
/// from any thread. Nothing is visible under the name of an output before it is complete.
pub trait Format: Send + Sync {
    /// Name for messages.
    fn name(&self) -> &'static str;

    /// Suffixes, lower case with the dot, of the files that it writes.
    fn suffixes(&self) -> &'static [&'static str];

    /// Whether this is one of its files. `prefix` holds the first bytes of the content, at most [`PREFIX_BYTES`];
    /// `path` serves to find a second file where the format has one, not to guess.
    fn recognises(&self, path: &Path, prefix: &[u8]) -> bool;

    /// Opens a file for reading by boxes. Reads the header only, where the format allows it.
    ///
    /// # Errors
    /// When the header can not be read or means nothing.
    fn open(&self, path: &Path, options: &ReadOptions) -> Result<FileSource, IoError>;

    /// Begins a file that is written by boxes. Its element type is that of `meta`.
    ///
    /// # Errors
    /// When the format can not hold such a volume, or the file can not be made.
    fn create(
        &self,
        path: &Path,
        meta: &VolumeMeta,
        header: &Header,
        options: &WriteOptions,
    ) -> Result<Box<dyn VolumeSink>, IoError>;

    /// Reads a whole file.
    ///
    /// # Errors
    /// As [`Format::open`], and when the voxels can not be read or exceed the limits.
    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Image, IoError> {
        let source = self.open(path, options)?;
        let meta = source.info().meta.clone();
        options.limits.check_array(path, "the volume", meta.n_voxels(), meta.dtype().size())?;
        let volume = read_all(&source).map_err(|error| from_box(path, error))?;
        let (info, _) = source.into_parts();
        Ok(Image::from_parts(volume, info.header).with_warnings(info.warnings))
    }

    /// Writes a whole volume.
    ///
    /// # Errors
    /// When the format can not hold it, or writing fails; then no part of it is left.
    fn write(&self, path: &Path, image: &Image, options: &WriteOptions) -> Result<WriteReport, IoError> {
        let volume = image.volume();
        let dtype = options.dtype.unwrap_or(volume.dtype());
        let sink = self.create(path, &volume.meta().clone().with_dtype(dtype), image.header(), options)?;
        let whole = Region::whole(volume.shape());
        sink.write_region(&whole, volume.voxels().view()).map_err(|error| from_box(path, error))?;
        sink.finish().map_err(|error| from_box(path, error))?;
        Ok(WriteReport { dtype, warnings: Vec::new() })
    }
}

/// The formats of this build.
#[must_use]
pub fn formats() -> &'static [&'static dyn Format] {
    &[
        &NiftiFormat,
        &MghFormat,
        &NpzFormat,
        &crate::NrrdFormat,
        #[cfg(feature = "hdf5")]
        &crate::Hdf5Format,
        #[cfg(feature = "zarr")]
        &crate::ZarrFormat,
    ]
}

/// Whether this build reads weights of Keras networks in HDF5 files (feature `hdf5`).
pub const HDF5_WEIGHTS: bool = cfg!(feature = "hdf5");

/// Whether a format of this build writes, and so reads, volumes in files of that suffix (lower case, with the dot).
#[must_use]
pub fn has_suffix(suffix: &str) -> bool {
    formats().iter().any(|format| format.suffixes().contains(&suffix))
}

/// Reads a volume with native values and default limits. The content decides on the format, not the name.
///
/// # Errors
/// See [`IoError`].
pub fn read(path: impl AsRef<Path>) -> Result<Image, IoError> {
    read_with(path, &ReadOptions::default())
}

/// Reads a volume.
///
/// # Errors
/// See [`IoError`].
pub fn read_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Image, IoError> {
    let (path, options) = to_read(path.as_ref(), options);
    format_of_content(&path, &options)?.read(&path, &options)
}

/// Reads what a file says of its volume, without the voxels.
///
/// # Errors
/// See [`IoError`].
pub fn probe(path: impl AsRef<Path>) -> Result<ImageInfo, IoError> {
    Ok(open(path, &ReadOptions::default())?.into_parts().0)
}

/// Opens a volume for reading by boxes.
///
/// # Errors
/// See [`IoError`].
pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<FileSource, IoError> {
    let (path, options) = to_read(path.as_ref(), options);
    format_of_content(&path, &options)?.open(&path, &options)
}

/// Writes a volume; the name decides on the format: `.nii`, `.nii.gz`, `.hdr`/`.img` (each alone or with `.gz`),
/// `.mgh`, `.mgz`, `.mgh.gz`, `.npy`, `.npz`.
///
/// # Errors
/// See [`IoError`]. No part of the file is left then, and a file that was there before stays as it was.
pub fn write(path: impl AsRef<Path>, image: &Image, options: &WriteOptions) -> Result<WriteReport, IoError> {
    let (path, options) = to_write(path.as_ref(), options);
    format_of_name(&path)?.write(&path, image, &options)
}

/// Begins a file that is written by boxes; `meta` gives shape, element type and place, `header` what else to record.
///
/// Boxes may come in any order. A compressed file is compressed as they come while they come in the order of the file;
/// the first that does not makes the sink keep the voxels in an uncompressed temporary file in the same folder until
/// it is finished.
///
/// # Errors
/// See [`IoError`].
pub fn create(
    path: impl AsRef<Path>,
    meta: &VolumeMeta,
    header: Option<&Header>,
    options: &WriteOptions,
) -> Result<Box<dyn VolumeSink>, IoError> {
    let (path, options) = to_write(path.as_ref(), options);
    format_of_name(&path)?.create(&path, meta, header.unwrap_or(&Header::None), &options)
}

/// The file, and the options with the data set that the path names.
fn to_read<'a>(path: &Path, options: &'a ReadOptions) -> (PathBuf, Cow<'a, ReadOptions>) {
    match split_data_set(path) {
        (path, None) => (path, Cow::Borrowed(options)),
        (path, data_set) => (path, Cow::Owned(options.clone().with_data_set(data_set))),
    }
}

/// The same for a file that is to be written.
fn to_write<'a>(path: &Path, options: &'a WriteOptions) -> (PathBuf, Cow<'a, WriteOptions>) {
    match split_data_set(path) {
        (path, None) => (path, Cow::Borrowed(options)),
        (path, data_set) => (path, Cow::Owned(options.clone().with_data_set(data_set))),
    }
}

fn format_of_content(path: &Path, options: &ReadOptions) -> Result<&'static dyn Format, IoError> {
    if path.is_dir() {
        #[cfg(feature = "zarr")]
        if crate::ZarrFormat.recognises(path, &[]) {
            return Ok(&crate::ZarrFormat);
        }
        return Err(IoError::not_this_format(path, folder_content(path)));
    }
    let bytes = crate::bytes::ByteSource::open(path, options)?;
    let mut prefix = vec![0; PREFIX_BYTES];
    let len = bytes.read_up_to(0, &mut prefix)?;
    prefix.truncate(len);
    let format = formats().iter().find(|format| format.recognises(path, &prefix));
    format.copied().ok_or_else(|| {
        bytes
            .cut_at_its_start()
            .unwrap_or_else(|| IoError::not_this_format(path, foreign_content(&prefix, bytes.is_gzip())))
    })
}

fn format_of_name(path: &Path) -> Result<&'static dyn Format, IoError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let longest_match = |format: &&&'static dyn Format| {
        let matching = format.suffixes().iter().filter(|suffix| name.ends_with(**suffix));
        matching.map(|suffix| suffix.len()).max().unwrap_or(0)
    };
    let best = formats().iter().max_by_key(longest_match).filter(|format| longest_match(format) > 0);
    best.copied().ok_or_else(|| {
        let known: Vec<&str> = formats().iter().flat_map(|format| format.suffixes()).copied().collect();
        IoError::unsupported(path, format!("no format to write has this suffix; known are {}", known.join(", ")))
    })
}

/// What a file is that no format recognises.
fn foreign_content(prefix: &[u8], is_gzip: bool) -> String {
    let known: [(&[u8], &str); 6] = [
        (&crate::weights::HDF5_MAGIC, "an HDF5 file, which this build does not read"),
        (b"\x89PNG", "a PNG picture"),
        (b"II*\0", "a TIFF picture"),
        (b"MM\0*", "a TIFF picture"),
        (b"PK\x03\x04", "a zip archive without arrays"),
        (b"BZh", "a bzip2 file"),
    ];
    if prefix.is_empty() {
        return if is_gzip { "a gzip file of nothing" } else { "the file is empty" }.to_owned();
    }
    if prefix.get(128..132) == Some(b"DICM") {
        return "a DICOM file".to_owned();
    }
    if prefix.get(8) == Some(&b'{') {
        return "perhaps a safetensors file, which holds named arrays and no volume".to_owned();
    }
    if let Some((_, name)) = known.iter().find(|(magic, _)| prefix.starts_with(magic)) {
        return (*name).to_owned();
    }
    let shown: Vec<String> = prefix.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let size = match prefix.get(..4) {
        Some(&[a, b, c, d]) => format!("sizeof_hdr = {}", i32::from_le_bytes([a, b, c, d])),
        _ => "no sizeof_hdr".to_owned(),
    };
    format!("the first bytes are {} ({size}), no known header", shown.join(" "))
}

fn folder_content(path: &Path) -> String {
    const ZARR_FILES: [&str; 3] = ["zarr.json", ".zarray", ".zgroup"];
    match ZARR_FILES.iter().find(|name| path.join(name).exists()) {
        Some(name) => format!("a Zarr store ({name}), which this build does not read"),
        None => format!("a folder with none of {}", ZARR_FILES.join(", ")),
    }
}

/// The error of this crate inside a boxed one, else the boxed one with the path.
pub(crate) fn from_box(path: &Path, error: volkit_core::BoxError) -> IoError {
    let error = match error.downcast::<IoError>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    match error.downcast::<volkit_core::CoreError>() {
        Ok(error) => IoError::core(path, *error),
        Err(error) => IoError::Io { path: PathBuf::from(path), op: "finish", source: std::io::Error::other(error) },
    }
}
