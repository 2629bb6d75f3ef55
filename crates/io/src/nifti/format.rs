//! Opening and creating NIfTI and Analyze files.

use std::path::{Path, PathBuf};

use volkit_core::{Volume, VolumeMeta, VolumeSink};

use crate::bytes::ByteSource;
use crate::cast::Cast;
use crate::decode::Decoder;
use crate::raw::{Layout, RawSource};
use crate::sink::{self, RawFile};
use crate::{Endian, FileSource, Format, Header, Image, ImageInfo, IoError, ReadOptions, WriteOptions, WriteReport};

use super::codec::{self, FieldError, V1_BYTES, V2_BYTES, V2_LINE_ENDS};
use super::compose::{self, compose};
use super::pair::{self, Part};
use super::{NiftiHeader, extensions};

/// NIfTI-1 and NIfTI-2, in one file or two, and Analyze 7.5 (read only).
#[derive(Clone, Copy, Debug, Default)]
pub struct NiftiFormat;

const V1_MAGIC_AT: usize = 344;

/// A file opened as far as its header.
struct Opened {
    header: NiftiHeader,
    info: ImageInfo,
    source: RawSource,
}

impl Format for NiftiFormat {
    fn name(&self) -> &'static str {
        "NIfTI"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz"]
    }

    fn recognises(&self, path: &Path, prefix: &[u8]) -> bool {
        // The voxels of a pair may begin with any bytes; the header beside them tells.
        pair::part_of(path).is_some() || identify(prefix).is_some()
    }

    fn open(&self, path: &Path, options: &ReadOptions) -> Result<FileSource, IoError> {
        let Opened { info, source, .. } = open_file(path, options)?;
        Ok(FileSource::new(info, Box::new(source)))
    }

    fn create(
        &self,
        path: &Path,
        meta: &VolumeMeta,
        header: &Header,
        options: &WriteOptions,
    ) -> Result<Box<dyn VolumeSink>, IoError> {
        let meta = meta.clone().with_dtype(options.dtype.unwrap_or(meta.dtype()));
        let header = compose(path, &meta, header, options)?;
        sink::create(path, &meta, raw_file(path, &header)?, options)
    }

    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Image, IoError> {
        let Opened { mut info, source, header } = open_file(path, options)?;
        let voxels = source.read_whole(&options.limits)?;
        info.warnings.extend(source.bytes().take_warnings());
        let volume = Volume::from_meta(info.meta, voxels).map_err(|error| IoError::core(path, error))?;
        Ok(Image::from_parts(volume, Header::Nifti(Box::new(header))).with_warnings(info.warnings))
    }

    fn write(&self, path: &Path, image: &Image, options: &WriteOptions) -> Result<WriteReport, IoError> {
        let volume = image.volume();
        let asked = compose::default_dtype(path, volume, image.header(), options)?;
        let mut cast = Cast::plan(path, volume.voxels().view(), asked, options.rescale)?;
        let mut header = compose(path, &volume.meta().clone().with_dtype(asked), image.header(), options)?;
        cast.set_stored_precision(path, header.version == 1)?;
        (header.scl_slope, header.scl_inter) = (cast.scaling().slope, cast.scaling().inter);
        sink::write_whole(path, volume.voxels().view(), &cast, &raw_file(path, &header)?, options)?;
        Ok(WriteReport { dtype: asked, warnings: cast.into_warnings() })
    }
}

/// The bytes around the voxels.
fn raw_file(path: &Path, header: &NiftiHeader) -> Result<RawFile, IoError> {
    let refuse = |error: FieldError| IoError::bad_header(path, error.field, error.value, error.why);
    let mut bytes = codec::encode(header).map_err(refuse)?;
    bytes.extend(extensions::encode(&header.extensions, header.endian));
    if header.single_file {
        return Ok(RawFile::new(path, bytes, header.endian));
    }
    let (header_path, voxels_path) = pair::names(path)
        .ok_or_else(|| IoError::unsupported(path, "a pair is named .hdr and .img, each alone or with .gz"))?;
    Ok(RawFile::new(&voxels_path, Vec::new(), header.endian).with_header_file(header_path, bytes))
}

fn open_file(path: &Path, options: &ReadOptions) -> Result<Opened, IoError> {
    let header_path = match pair::part_of(path) {
        Some(Part::Voxels) => pair::find(path, Part::Header)?,
        _ => path.to_owned(),
    };
    let bytes = ByteSource::open(&header_path, options)?;
    let mut warnings = Vec::new();
    let mut header = read_header(&header_path, &bytes, &mut warnings)?;
    let refuse = |error: FieldError| IoError::bad_header(&header_path, error.field, error.value, error.why);
    let meaning = header.interpret(options, &mut warnings).map_err(refuse)?;
    let header_len = if header.version == 2 { V2_BYTES } else { V1_BYTES } as u64;
    if header.single_file && !bytes.is_gzip() && meaning.offset > bytes.max_len() {
        let why = format!("lies past the end of the file, which has {} bytes", bytes.max_len());
        return Err(IoError::bad_header(&header_path, "vox_offset", header.vox_offset, why));
    }
    let mut extender = [0; 4];
    let has_extender = header.version > 0 && bytes.read_up_to(header_len, &mut extender)? == extender.len();
    if has_extender && extender[0] != 0 {
        let end = header.single_file.then_some(meaning.offset);
        let start = header_len + extender.len() as u64;
        header.extensions = extensions::read(&bytes, start, end, header.endian, &options.limits, &mut warnings)?;
    }
    let (voxel_path, bytes) = if header.single_file {
        (header_path, bytes)
    } else {
        let voxel_path: PathBuf = match pair::part_of(path) {
            Some(Part::Voxels) => path.to_owned(),
            _ => pair::find(path, Part::Voxels)?,
        };
        let bytes = ByteSource::open(&voxel_path, options)?;
        (voxel_path, bytes)
    };
    let stored = meaning.meta.dtype();
    let decoder = Decoder::new(&voxel_path, stored, meaning.scaling, options)?;
    let info = ImageInfo {
        format: match header.version {
            0 => "Analyze 7.5",
            1 => "NIfTI-1",
            _ => "NIfTI-2",
        },
        compressed: bytes.is_gzip(),
        meta: meaning.meta.clone().with_dtype(decoder.value_dtype()),
        stored,
        scaling: meaning.scaling,
        units: header.units(),
        endian: header.endian,
        header: Header::Nifti(Box::new(header.clone())),
        warnings,
    };
    let layout = Layout { offset: meaning.offset, endian: header.endian, decoder, last: true, shape_field: "dim" };
    let source = RawSource::new(bytes, &meaning.meta, layout)?;
    Ok(Opened { header, info, source })
}

/// What the first bytes of a header tell.
struct Identity {
    version: u8,
    endian: Endian,
    warning: Option<String>,
}

/// Version and byte order by `sizeof_hdr`; by `dim[0]` and a good magic where `sizeof_hdr` is wrong.
fn identify(prefix: &[u8]) -> Option<Identity> {
    let size: [u8; 4] = prefix.get(..4)?.try_into().ok()?;
    for (endian, size) in [(Endian::Little, i32::from_le_bytes(size)), (Endian::Big, i32::from_be_bytes(size))] {
        match usize::try_from(size) {
            Ok(V1_BYTES) => return Some(Identity { version: 1, endian, warning: None }),
            Ok(V2_BYTES) => return Some(Identity { version: 2, endian, warning: None }),
            _ => {}
        }
    }
    let magic = prefix.get(V1_MAGIC_AT..V1_BYTES)?;
    if magic != b"n+1\0" && magic != b"ni1\0" {
        return None;
    }
    let n_axes: [u8; 2] = prefix.get(40..42)?.try_into().ok()?;
    let possible = |n: i16| (1..=7).contains(&n);
    let endian = match (possible(i16::from_le_bytes(n_axes)), possible(i16::from_be_bytes(n_axes))) {
        (true, false) => Endian::Little,
        (false, true) => Endian::Big,
        _ => return None,
    };
    let size = if endian == Endian::Big { i32::from_be_bytes(size) } else { i32::from_le_bytes(size) };
    let warning = Some(format!("sizeof_hdr = {size} is not 348; magic and dim[0] say NIfTI-1"));
    Some(Identity { version: 1, endian, warning })
}

fn read_header(path: &Path, bytes: &ByteSource, warnings: &mut Vec<String>) -> Result<NiftiHeader, IoError> {
    let mut prefix = vec![0; V2_BYTES];
    let len = bytes.read_up_to(0, &mut prefix)?;
    prefix.truncate(len);
    let Some(identity) = identify(&prefix) else {
        if let Some(error) = bytes.cut_at_its_start() {
            return Err(error);
        }
        let size = prefix.get(..4).and_then(|size| size.try_into().ok()).map_or(0, i32::from_le_bytes);
        return Err(IoError::bad_header(path, "sizeof_hdr", size, "must be 348 (NIfTI-1, Analyze) or 540 (NIfTI-2)"));
    };
    warnings.extend(identity.warning);
    let needed = if identity.version == 2 { V2_BYTES } else { V1_BYTES };
    if prefix.len() < needed {
        let (expected, found) = (needed as u64, prefix.len() as u64);
        return Err(IoError::Truncated { path: path.to_owned(), what: "the header".to_owned(), expected, found });
    }
    let mut header = codec::decode(&prefix, identity.version, identity.endian);
    if identity.version == 2 {
        check_v2_magic(path, &prefix[4..12], warnings)?;
        return check_single(path, header);
    }
    match &prefix[V1_MAGIC_AT..V1_BYTES] {
        b"n+1\0" | b"ni1\0" => check_single(path, header),
        _ if pair::part_of(path) == Some(Part::Header) => {
            (header.version, header.single_file) = (0, false);
            warnings.push("Analyze 7.5 does not record which side is left".to_owned());
            Ok(header)
        }
        magic => {
            let value = format!("{:?}", String::from_utf8_lossy(magic));
            Err(IoError::bad_header(path, "magic", value, "must be \"n+1\\0\" (or \"ni1\\0\" in a .hdr)"))
        }
    }
}

fn check_v2_magic(path: &Path, magic: &[u8], warnings: &mut Vec<String>) -> Result<(), IoError> {
    if !magic.starts_with(b"n+2\0") && !magic.starts_with(b"ni2\0") {
        let value = format!("{:?}", String::from_utf8_lossy(&magic[..4]));
        return Err(IoError::bad_header(path, "magic", value, "must be \"n+2\\0\" or \"ni2\\0\""));
    }
    if magic[4..] == [0; 4] {
        warnings.push("the line ends after the magic are zero".to_owned());
    } else if magic[4..] != V2_LINE_ENDS {
        let value = format!("{:02x?}", &magic[4..]);
        let why = "must be 0d 0a 1a 0a: the file was damaged by a transfer as text";
        return Err(IoError::bad_header(path, "magic", value, why));
    }
    Ok(())
}

/// The header of a pair must have a name that says so, else its voxels can not be found.
fn check_single(path: &Path, header: NiftiHeader) -> Result<NiftiHeader, IoError> {
    if header.single_file || pair::part_of(path).is_some() {
        return Ok(header);
    }
    let value = format!("\"ni{}\\0\"", header.version);
    Err(IoError::bad_header(path, "magic", value, "says that the voxels are in another file, but this is no .hdr"))
}
