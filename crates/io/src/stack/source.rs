//! A stack that is read by boxes.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use volkit_core::{Affine, BoxError, CoreError, DType, Region, VolumeMeta, VolumeSource, Voxels, VoxelsMut};

use super::bmp::BmpPicture;
use super::png_rows::PngPicture;
use super::tiff_rows::TiffPicture;
use crate::bytes::ByteSource;
use crate::{IoError, ReadOptions};

/// A picture with one value a pixel.
pub(super) trait Picture: Send {
    /// Columns and rows.
    fn size(&self) -> [usize; 2];

    fn dtype(&self) -> DType;

    /// Reads a box, in this machine's byte order. Reads from top to bottom are the cheapest.
    fn read(&mut self, rows: Range<usize>, columns: Range<usize>, out: &mut [u8]) -> Result<(), IoError>;
}

/// Opens pictures of one size and element type, one a channel, as a volume `[W, H, C]`; the content of each decides whether
/// it is BMP, PNG or TIFF. Each page of a TIFF file is a channel, but for pages that say that they are smaller copies or masks.
///
/// BMP files are read where a box lies. Strips and tiles of TIFF files are decoded when they are needed, and kept while reads
/// go on below them. PNG files are streams: rows from the first of the last box on are kept, and a box above it begins anew.
///
/// # Errors
/// [`IoError`] for a file that can not be read, has colours, or another size or element type than the first.
pub fn open_stack(paths: &[PathBuf], options: &ReadOptions) -> Result<Box<dyn VolumeSource>, IoError> {
    let Some(first) = paths.first() else {
        return Err(IoError::unsupported(Path::new(""), "a stack of no pictures"));
    };
    let (mut pictures, mut files) = (Vec::with_capacity(paths.len()), Vec::with_capacity(paths.len()));
    for path in paths {
        for picture in open(path, options)? {
            pictures.push(picture);
            files.push(path);
        }
    }
    let (size, dtype) = (pictures[0].size(), pictures[0].dtype());
    for (path, picture) in files.into_iter().zip(&pictures) {
        if picture.size() != size || picture.dtype() != dtype {
            let [w, h] = picture.size();
            let why = format!("{} x {}, {dtype} as in {} expected", size[0], size[1], first.display());
            return Err(IoError::bad_header(path, "picture", format!("{w} x {h}, {}", picture.dtype()), why));
        }
    }
    let shape = [size[0], size[1], pictures.len()];
    let meta = VolumeMeta::new(shape, dtype, Affine::IDENTITY).map_err(|error| IoError::core(first, error))?;
    let path = first.clone();
    Ok(Box::new(StackSource { meta, path, pictures: pictures.into_iter().map(Mutex::new).collect() }))
}

fn open(path: &Path, options: &ReadOptions) -> Result<Vec<Box<dyn Picture>>, IoError> {
    let mut magic = [0; 4];
    let len = ByteSource::open(path, options)?.read_up_to(0, &mut magic)?;
    Ok(match &magic[..len] {
        b"\x89PNG" => vec![Box::new(PngPicture::open(path, &options.limits)?)],
        b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+" => {
            let pages = TiffPicture::open_pages(path, &options.limits)?;
            pages.into_iter().map(|page| Box::new(page) as Box<dyn Picture>).collect()
        }
        [b'B', b'M', ..] => vec![Box::new(BmpPicture::open(path)?)],
        _ => return Err(IoError::not_this_format(path, "neither a BMP nor a PNG nor a TIFF picture")),
    })
}

struct StackSource {
    meta: VolumeMeta,
    path: PathBuf,
    pictures: Vec<Mutex<Box<dyn Picture>>>,
}

impl VolumeSource for StackSource {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn read_region(&self, region: &Region, mut out: VoxelsMut<'_>) -> Result<(), BoxError> {
        region.check_inside(self.meta.shape())?;
        if out.len() != region.len() {
            return Err(
                CoreError::Length { shape: region.size().to_vec(), wanted: region.len(), got: out.len() }.into()
            );
        }
        let &[width, height, _] = region.size() else { return Err(CoreError::Shape(region.size().to_vec()).into()) };
        let (columns, rows) = (region.start()[0]..region.end(0), region.start()[1]..region.end(1));
        let len = width * height;
        let mut values = Voxels::zeros(self.meta.dtype(), len)?;
        for (i, channel) in (region.start()[2]..region.end(2)).enumerate() {
            let mut picture = self.pictures[channel].lock().unwrap_or_else(PoisonError::into_inner);
            picture.read(rows.clone(), columns.clone(), values.view_mut().bytes_mut())?;
            let converted = values.view().convert_into(out.slice(i * len..(i + 1) * len));
            converted.map_err(|error| IoError::core(&self.path, error))?;
        }
        Ok(())
    }
}
