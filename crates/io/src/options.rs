//! What callers choose when they read and write.

use volkit_core::DType;

use crate::{Endian, Limits};

/// Which values a reader gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Values {
    /// The stored element type where there is no scaling; else f64, or [`DType::Complex128`] for complex numbers.
    #[default]
    Native,
    /// The stored element type, scaling left aside.
    Stored,
    /// Scaled values, computed in f64 and rounded once to f32.
    F32,
    /// Scaled values in f64.
    F64,
}

/// The real number to take from a complex one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComplexPart {
    /// Absolute value.
    Magnitude,
    /// Angle in radians, in (-pi, pi].
    Phase,
    /// Real part.
    Real,
    /// Imaginary part.
    Imaginary,
}

/// The number to take from a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColourPart {
    /// `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601).
    Luma,
    /// Red, 0 to 255.
    Red,
    /// Green, 0 to 255.
    Green,
    /// Blue, 0 to 255.
    Blue,
    /// Alpha, 0 to 255; 255 where the file has none.
    Alpha,
}

/// The affine of a NIfTI file that has neither an sform nor a qform (and of every Analyze file).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BaseAffine {
    /// First axis from right to left, world zero at the centre of the grid: what the common Python reader does.
    #[default]
    Centred,
    /// Spacing on the diagonal, world zero at voxel 0, nothing flipped: "method 1" of the NIfTI text.
    Method1,
}

/// How to read a volume.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadOptions {
    /// Which values to give. Default: [`Values::Native`].
    pub values: Values,
    /// Bounds on memory.
    pub limits: Limits,
    /// Whether a gzip stream without its end or its checksum is an error (else a warning). Default: no.
    pub strict_gzip: bool,
    /// What to take from complex numbers when f32 or f64 values are asked for. Default: nothing, an error.
    pub complex: Option<ComplexPart>,
    /// What to take from colours when f32 or f64 values are asked for. Default: nothing, an error.
    pub colour: Option<ColourPart>,
    /// The affine of files that record none.
    pub base_affine: BaseAffine,
    /// A compressed file whose voxels take at most this many bytes is kept inflated in memory once a read goes
    /// backwards; larger ones are inflated again from the start. Default: 256 MiB.
    pub gzip_cache_bytes: u64,
    /// The data set of a file that holds several (HDF5). Default: the only one.
    pub data_set: Option<String>,
}

impl ReadOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            values: Values::Native,
            limits: Limits::default(),
            strict_gzip: false,
            complex: None,
            colour: None,
            base_affine: BaseAffine::Centred,
            gzip_cache_bytes: 256 << 20,
            data_set: None,
        }
    }

    /// The same with other values.
    #[must_use]
    pub fn with_values(self, values: Values) -> Self {
        Self { values, ..self }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same, strict about the ends of gzip streams or not.
    #[must_use]
    pub fn with_strict_gzip(self, strict_gzip: bool) -> Self {
        Self { strict_gzip, ..self }
    }

    /// The same with a part of complex numbers to read.
    #[must_use]
    pub fn with_complex(self, part: ComplexPart) -> Self {
        Self { complex: Some(part), ..self }
    }

    /// The same with a part of colours to read.
    #[must_use]
    pub fn with_colour(self, part: ColourPart) -> Self {
        Self { colour: Some(part), ..self }
    }

    /// The same with another affine for files that record none.
    #[must_use]
    pub fn with_base_affine(self, base_affine: BaseAffine) -> Self {
        Self { base_affine, ..self }
    }

    /// The same with another bound on inflated copies kept in memory.
    #[must_use]
    pub fn with_gzip_cache_bytes(self, gzip_cache_bytes: u64) -> Self {
        Self { gzip_cache_bytes, ..self }
    }

    /// The same with a data set to read.
    #[must_use]
    pub fn with_data_set(self, data_set: Option<String>) -> Self {
        Self { data_set, ..self }
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Which NIfTI to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NiftiVersion {
    /// That of the header the volume came with, else NIfTI-1; NIfTI-2 where an axis is longer than 32767.
    #[default]
    Auto,
    /// NIfTI-1; a longer axis is an error.
    One,
    /// NIfTI-2.
    Two,
}

/// How a file that takes long to write is begun: as `NAME.partial`, which stays when the sink is dropped, so that
/// writing can go on in another process. [`volkit_core::VolumeSink::finish`] renames it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// Anew; a partial file of that name is replaced.
    New,
    /// Where the partial file stands; it is an error if there is none, or if it is of another volume.
    Resume,
}

/// How to write a volume.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriteOptions {
    /// Element type to store. Default: that of the values (64-bit integers become the smallest of u8, i16 and i32
    /// that holds them, unless the file they came from stores them: many tools can not read them).
    pub dtype: Option<DType>,
    /// Whether real values asked for as integers are stretched over the integer type, with slope and intercept in
    /// the header. Values that are integers and fit are stored as they are in any case. Default: no.
    pub rescale: bool,
    /// Compression level of gzip files, 0 to 9. Default: 6.
    pub gzip_level: u32,
    /// Which NIfTI to write.
    pub nifti_version: NiftiVersion,
    /// Byte order of NIfTI files. Default: little-endian. (MGH is always big-endian.)
    pub endian: Endian,
    /// Whether to wait until the file is on the disk before it takes its name. Default: no.
    pub fsync: bool,
    /// Whether an existing file is replaced; else it is an error. Default: yes.
    pub overwrite: bool,
    /// Whether [`crate::create`] begins a file under a partial name that outlives the process; not for compressed
    /// files. Default: no.
    pub partial: Option<Partial>,
    /// Name of the data set in a file that may hold several (HDF5), groups before it divided by `/`. Default: `volume`.
    pub data_set: Option<String>,
    /// Voxels of a chunk along each axis, first axis fastest, in files that have chunks. Default: one image of a stack of
    /// images, else blocks of at most 1 MiB.
    pub chunk: Option<Vec<usize>>,
    /// Level of deflate in HDF5 files, 0 (none) to 9. Default: 4, beyond which files hardly become smaller.
    pub hdf5_level: u32,
}

impl WriteOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            dtype: None,
            rescale: false,
            gzip_level: 6,
            nifti_version: NiftiVersion::Auto,
            endian: Endian::Little,
            fsync: false,
            overwrite: true,
            partial: None,
            data_set: None,
            chunk: None,
            hdf5_level: 4,
        }
    }

    /// The same with an element type to store.
    #[must_use]
    pub fn with_dtype(self, dtype: DType) -> Self {
        Self { dtype: Some(dtype), ..self }
    }

    /// The same, stretching real values over integer types or not.
    #[must_use]
    pub fn with_rescale(self, rescale: bool) -> Self {
        Self { rescale, ..self }
    }

    /// The same with another compression level, 0 to 9.
    #[must_use]
    pub fn with_gzip_level(self, gzip_level: u32) -> Self {
        Self { gzip_level, ..self }
    }

    /// The same with another version of NIfTI.
    #[must_use]
    pub fn with_nifti_version(self, nifti_version: NiftiVersion) -> Self {
        Self { nifti_version, ..self }
    }

    /// The same with another byte order for NIfTI files.
    #[must_use]
    pub fn with_endian(self, endian: Endian) -> Self {
        Self { endian, ..self }
    }

    /// The same, waiting for the disk or not.
    #[must_use]
    pub fn with_fsync(self, fsync: bool) -> Self {
        Self { fsync, ..self }
    }

    /// The same, replacing existing files or not.
    #[must_use]
    pub fn with_overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }
}

impl WriteOptions {
    /// The same, under a partial name that outlives the process.
    #[must_use]
    pub fn with_partial(self, partial: Partial) -> Self {
        Self { partial: Some(partial), ..self }
    }

    /// The same with a name for the data set.
    #[must_use]
    pub fn with_data_set(self, data_set: Option<String>) -> Self {
        Self { data_set, ..self }
    }

    /// The same with other chunks.
    #[must_use]
    pub fn with_chunk(self, chunk: Option<Vec<usize>>) -> Self {
        Self { chunk, ..self }
    }

    /// The same with another level of deflate in HDF5 files.
    #[must_use]
    pub fn with_hdf5_level(self, hdf5_level: u32) -> Self {
        Self { hdf5_level, ..self }
    }
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self::new()
    }
}
