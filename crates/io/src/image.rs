//! Volumes with the header of the file they came from.

use volkit_core::{BoxError, DType, Region, Volume, VolumeMeta, VolumeSource, VoxelsMut};

use crate::{Endian, MghHeader, NiftiHeader, Scaling, Units};

/// The original header of a file, kept whole so that it can be written back.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Header {
    /// No file behind the volume, or one whose format records nothing more than the volume itself.
    #[default]
    None,
    /// NIfTI-1, NIfTI-2 or Analyze 7.5.
    Nifti(Box<NiftiHeader>),
    /// MGH or MGZ.
    Mgh(Box<MghHeader>),
}

/// A volume and the header of the file that it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    volume: Volume,
    header: Header,
    warnings: Vec<String>,
}

impl Image {
    /// A volume with no file behind it.
    #[must_use]
    pub fn new(volume: Volume) -> Self {
        Self::from_parts(volume, Header::None)
    }

    /// A volume that is to be written with what `header` records.
    #[must_use]
    pub fn from_parts(volume: Volume, header: Header) -> Self {
        Self { volume, header, warnings: Vec::new() }
    }

    pub(crate) fn with_warnings(self, warnings: Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// The volume.
    #[must_use]
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// The original header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The original header, to change what is written.
    pub fn header_mut(&mut self) -> &mut Header {
        &mut self.header
    }

    /// What was odd about the file.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Volume and header, taken apart.
    #[must_use]
    pub fn into_parts(self) -> (Volume, Header) {
        (self.volume, self.header)
    }

    /// The volume alone.
    #[must_use]
    pub fn into_volume(self) -> Volume {
        self.volume
    }

    /// Another volume under the same header, as a segmentation of a scan is. Fields whose meaning the new grid
    /// changes are brought up to date when the image is written.
    #[must_use]
    pub fn with_volume(&self, volume: Volume) -> Self {
        Self::from_parts(volume, self.header.clone())
    }
}

impl From<Volume> for Image {
    fn from(volume: Volume) -> Self {
        Self::new(volume)
    }
}

/// What a file says of its volume before the voxels are read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImageInfo {
    /// Name of the format: `NIfTI-1`, `MGH`, ...
    pub format: &'static str,
    /// Whether the file is compressed.
    pub compressed: bool,
    /// Shape, affine, spacing, and the element type of the values that reading gives.
    pub meta: VolumeMeta,
    /// Element type in the file.
    pub stored: DType,
    /// What turns stored numbers into values.
    pub scaling: Scaling,
    /// Units of spacing and affine, as recorded: reading does not change them.
    pub units: Units,
    /// Byte order of the file.
    pub endian: Endian,
    /// The header, whole but for what lies behind the voxels of a compressed MGH file.
    pub header: Header,
    /// What is odd about the file.
    pub warnings: Vec<String>,
}

impl ImageInfo {
    /// Spacing of the first three axes in millimetres; unknown units count as millimetres.
    #[must_use]
    pub fn spacing_mm(&self) -> Vec<f64> {
        let millimetres = self.units.space.millimetres();
        self.meta.spacing().iter().take(3).map(|spacing| spacing * millimetres).collect()
    }
}

/// A volume in a file, read by boxes.
///
/// Plain files are read at the places that a box needs. Compressed files are inflated forward: a sweep of slabs along
/// the last axis costs one inflate in total; a step back costs another, or none where the inflated voxels are kept in
/// memory (see [`crate::ReadOptions::gzip_cache_bytes`]).
pub struct FileSource {
    info: ImageInfo,
    source: Box<dyn VolumeSource>,
}

impl FileSource {
    /// A source with what its file says; for implementers of [`crate::Format`].
    #[must_use]
    pub fn new(info: ImageInfo, source: Box<dyn VolumeSource>) -> Self {
        Self { info, source }
    }

    /// What the file says.
    #[must_use]
    pub fn info(&self) -> &ImageInfo {
        &self.info
    }

    /// The original header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.info.header
    }

    /// What was odd about the file.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.info.warnings
    }

    pub(crate) fn into_parts(self) -> (ImageInfo, Box<dyn VolumeSource>) {
        (self.info, self.source)
    }
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSource").field("info", &self.info).finish_non_exhaustive()
    }
}

impl VolumeSource for FileSource {
    fn meta(&self) -> &VolumeMeta {
        self.source.meta()
    }

    fn read_region(&self, region: &Region, out: VoxelsMut<'_>) -> Result<(), BoxError> {
        self.source.read_region(region, out)
    }
}
