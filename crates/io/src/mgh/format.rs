//! Opening and creating MGH files.

use std::path::Path;

use volkit_core::{DType, Volume, VolumeMeta, VolumeSink};

use crate::bytes::ByteSource;
use crate::cast::{Cast, smallest_label_dtype};
use crate::decode::Decoder;
use crate::raw::{Layout, RawSource};
use crate::sink::{self, RawFile};
use crate::{
    Endian, FileSource, Format, Header, Image, ImageInfo, IoError, ReadOptions, Scaling, Units, WriteOptions,
    WriteReport,
};

use super::MghHeader;
use super::header::HEADER_BYTES;

/// MGH and its compressed form MGZ.
#[derive(Clone, Copy, Debug, Default)]
pub struct MghFormat;

/// A file opened as far as its header.
struct Opened {
    header: MghHeader,
    /// With the stored element type.
    meta: VolumeMeta,
    bytes: ByteSource,
}

impl Format for MghFormat {
    fn name(&self) -> &'static str {
        "MGH"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".mgh", ".mgz", ".mgh.gz"]
    }

    fn recognises(&self, _path: &Path, prefix: &[u8]) -> bool {
        MghHeader::recognises(prefix)
    }

    /// What lies behind the voxels of a compressed file is read only where it tells the spacing of a fourth axis.
    fn open(&self, path: &Path, options: &ReadOptions) -> Result<FileSource, IoError> {
        let mut opened = open_file(path, options)?;
        let mut warnings = Vec::new();
        if !opened.bytes.is_gzip() || opened.meta.shape().len() > 3 {
            read_trailing(&mut opened.header, &opened.meta, &opened.bytes, options, &mut warnings)?;
        }
        let meta = with_repetition_time(opened.meta, &opened.header);
        let (info, source) = source(path, opened.header, &meta, opened.bytes, options, warnings)?;
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
        let header = compose(path, &meta, header)?;
        sink::create(path, &meta, raw_file(path, &header), options)
    }

    fn read(&self, path: &Path, options: &ReadOptions) -> Result<Image, IoError> {
        let Opened { header, meta, bytes } = open_file(path, options)?;
        let (info, source) = source(path, header, &meta, bytes, options, Vec::new())?;
        let voxels = source.read_whole(&options.limits)?;
        let Header::Mgh(mut header) = info.header else { unreachable!("invariant: made above") };
        let mut warnings = info.warnings;
        read_trailing(&mut header, &meta, source.bytes(), options, &mut warnings)?;
        let meta = with_repetition_time(info.meta, &header);
        let volume = Volume::from_meta(meta, voxels).map_err(|error| IoError::core(path, error))?;
        Ok(Image::from_parts(volume, Header::Mgh(header)).with_warnings(warnings))
    }

    fn write(&self, path: &Path, image: &Image, options: &WriteOptions) -> Result<WriteReport, IoError> {
        let volume = image.volume();
        let asked = default_dtype(path, volume, options)?;
        let header = compose(path, &volume.meta().clone().with_dtype(asked), image.header())?;
        let cast = Cast::plan(path, volume.voxels().view(), asked, options.rescale)?;
        if !cast.scaling().is_identity() {
            let what = "MGH keeps no scaling, so values can not be rescaled to integers: write f32";
            return Err(IoError::unsupported(path, what));
        }
        sink::write_whole(path, volume.voxels().view(), &cast, &raw_file(path, &header), options)?;
        Ok(WriteReport { dtype: asked, warnings: cast.into_warnings() })
    }
}

fn raw_file(path: &Path, header: &MghHeader) -> RawFile {
    RawFile::new(path, header.encode(), Endian::Big).with_after(header.trailing.clone())
}

fn open_file(path: &Path, options: &ReadOptions) -> Result<Opened, IoError> {
    let bytes = ByteSource::open(path, options)?;
    let mut buffer = [0; HEADER_BYTES];
    bytes.read_at("the MGH header", 0, &mut buffer)?;
    let header = MghHeader::decode(&buffer);
    let Some(stored) = header.dtype() else {
        return Err(IoError::bad_header(path, "type", header.type_code, "must be 0, 1, 3, 4 or 10"));
    };
    for (name, &len) in ["width", "height", "depth", "frames"].iter().zip(&header.size) {
        if len < 1 {
            return Err(IoError::bad_header(path, *name, len, "must be at least 1"));
        }
    }
    let affine = header.affine();
    if !affine.is_finite() {
        let value = format!("{:?} {:?} {:?}", header.spacing, header.directions, header.centre);
        return Err(IoError::bad_header(path, "spacing, directions, centre", value, "must be finite"));
    }
    if let Some(axis) = crate::limits::absurd_spacing(affine.spacing()) {
        let value = format!("{:?}", header.spacing);
        return Err(IoError::bad_header(path, "spacing", value, crate::limits::spacing_rule(axis)));
    }
    let n_axes = if header.size[3] == 1 { 3 } else { 4 };
    let shape: Vec<usize> = header.size[..n_axes].iter().map(|&len| len as usize).collect();
    let mut spacing = header.geometry().0.to_vec();
    spacing.resize(n_axes, 1.0);
    let meta = VolumeMeta::new(shape, stored, affine)
        .and_then(|meta| meta.with_spacing(spacing))
        .map_err(|error| IoError::core(path, error))?;
    Ok(Opened { header, meta, bytes })
}

fn source(
    path: &Path,
    header: MghHeader,
    meta: &VolumeMeta,
    bytes: ByteSource,
    options: &ReadOptions,
    warnings: Vec<String>,
) -> Result<(ImageInfo, RawSource), IoError> {
    let stored = meta.dtype();
    let decoder = Decoder::new(path, stored, Scaling::IDENTITY, options)?;
    let info = ImageInfo {
        format: "MGH",
        compressed: bytes.is_gzip(),
        meta: meta.clone().with_dtype(decoder.value_dtype()),
        stored,
        scaling: Scaling::IDENTITY,
        units: Units::MGH,
        endian: Endian::Big,
        header: Header::Mgh(Box::new(header)),
        warnings,
    };
    let shape_field = "width, height, depth, frames";
    let layout = Layout { offset: HEADER_BYTES as u64, endian: Endian::Big, decoder, last: false, shape_field };
    Ok((info, RawSource::new(bytes, meta, layout)?))
}

/// Footer and tags, whose own lengths are never trusted: all bytes there are, within the limits.
fn read_trailing(
    header: &mut MghHeader,
    stored_meta: &VolumeMeta,
    bytes: &ByteSource,
    options: &ReadOptions,
    warnings: &mut Vec<String>,
) -> Result<(), IoError> {
    let end = (HEADER_BYTES as u64).saturating_add(stored_meta.n_bytes() as u64);
    let (trailing, more) = bytes.read_rest(end, options.limits.header_bytes)?;
    if more {
        let limit = options.limits.header_bytes;
        warnings.push(format!("more than {limit} bytes behind the voxels: only those are kept"));
    } else {
        bytes.finish()?;
    }
    header.trailing = trailing;
    warnings.extend(bytes.take_warnings());
    Ok(())
}

/// The repetition time is the spacing of the fourth axis.
fn with_repetition_time(meta: VolumeMeta, header: &MghHeader) -> VolumeMeta {
    let time = header.repetition_time_ms().filter(|time| time.is_finite());
    let mut spacing = meta.spacing().to_vec();
    let (Some(last), Some(time)) = (spacing.get_mut(3), time) else { return meta };
    *last = time;
    meta.clone().with_spacing(spacing).unwrap_or(meta)
}

fn default_dtype(path: &Path, volume: &Volume, options: &WriteOptions) -> Result<DType, IoError> {
    let dtype = match (options.dtype, volume.dtype()) {
        (Some(asked), _) => asked,
        (None, DType::F16 | DType::BF16) => DType::F32,
        (None, DType::I64 | DType::U64) => smallest_label_dtype(volume).unwrap_or(volume.dtype()),
        (None, dtype) => dtype,
    };
    check_dtype(path, dtype)?;
    Ok(dtype)
}

fn check_dtype(path: &Path, dtype: DType) -> Result<i32, IoError> {
    MghHeader::code_of(dtype).ok_or_else(|| {
        let nearest = match dtype {
            DType::I8 => "i16",
            DType::U32 | DType::U64 | DType::I64 => "i32",
            _ => "f32",
        };
        IoError::unsupported(path, format!("MGH has no element type {dtype}: ask for {nearest}, the nearest it has"))
    })
}

fn compose(path: &Path, meta: &VolumeMeta, header: &Header) -> Result<MghHeader, IoError> {
    let mut new = match header {
        Header::Mgh(old) => old.as_ref().clone(),
        _ => MghHeader::default(),
    };
    new.type_code = check_dtype(path, meta.dtype())?;
    let shape = meta.shape();
    if shape.iter().skip(4).any(|&len| len != 1) {
        return Err(IoError::bad_header(path, "frames", format!("shape {shape:?}"), "MGH has at most four axes"));
    }
    for (axis, size) in new.size.iter_mut().enumerate() {
        let len = shape.get(axis).copied().unwrap_or(1);
        *size = i32::try_from(len)
            .map_err(|_| IoError::bad_header(path, format!("size[{axis}]"), len, "MGH holds at most 2147483647"))?;
    }
    let affine = meta.affine();
    if !affine.is_finite() || affine.spacing().contains(&0.0) {
        let value = format!("{:?}", affine.rows());
        return Err(IoError::bad_header(path, "affine", value, "must be finite and without an axis of length 0"));
    }
    // An affine that is still that of the header keeps its very bytes.
    if !affine.is_close(&new.affine(), 1e-6, 1e-8) {
        new.set_affine(affine);
    }
    if let Some(&spacing) = meta.spacing().get(3) {
        let seconds = match header {
            Header::Nifti(old) => old.units().time.seconds().unwrap_or(1e-3),
            _ => 1e-3,
        };
        let time_ms = spacing * seconds * 1e3;
        if new.repetition_time_ms().map(|old| old as f32) != Some(time_ms as f32) {
            new.set_repetition_time_ms(time_ms);
        }
    }
    Ok(new)
}
