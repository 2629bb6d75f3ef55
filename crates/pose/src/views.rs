//! The pictures of a recording, all views of a frame together.

use volkit_core::{Affine, DType, Region, VolumeMeta, VolumeSink, VolumeSource, VoxelsMut, VoxelsRef};

use crate::PoseError;

/// Numbers of a pixel: red, green, blue, mask.
pub(crate) const PIXEL: usize = 4;
/// Mask values from here on are the animal.
pub(crate) const INSIDE: u8 = 128;

/// All views of one frame: red, green, blue and mask, 0 to 255; white outside of the mask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameViews {
    /// How many views.
    pub n_views: usize,
    /// Columns and rows of each.
    pub size: [usize; 2],
    /// `[n_views, rows, columns, 4]`.
    pub rgba: Vec<u8>,
}

impl FrameViews {
    /// Zeros for views of that size.
    #[must_use]
    pub fn new(n_views: usize, size: [usize; 2]) -> Self {
        Self { n_views, size, rgba: vec![0; n_views * size[0] * size[1] * PIXEL] }
    }

    /// One view, `[rows, columns, 4]`.
    #[must_use]
    pub fn view(&self, view: usize) -> &[u8] {
        let len = self.size[0] * self.size[1] * PIXEL;
        &self.rgba[view * len..(view + 1) * len]
    }

    /// Where a view shows the animal, 1 or 0, `[rows, columns]`.
    #[must_use]
    pub fn mask(&self, view: usize) -> Vec<u8> {
        self.view(view).chunks_exact(PIXEL).map(|pixel| u8::from(pixel[3] >= INSIDE)).collect()
    }

    /// Colours of a view, 0 to 1, `[rows, columns, 3]`.
    #[must_use]
    pub fn colours(&self, view: usize) -> Vec<f32> {
        let unit = |byte: &u8| f32::from(*byte) / 255.0;
        self.view(view).chunks_exact(PIXEL).flat_map(|pixel| pixel[..3].iter().map(unit)).collect()
    }
}

/// The pictures of a recording in a store of rank 5, first axis fastest: `[4, columns, rows, views, frames]` of `u8`. As a
/// Zarr array or HDF5 data set that is `[frames, views, rows, columns, 4]`, best with one chunk a frame.
pub struct ViewStore {
    source: Box<dyn VolumeSource>,
}

impl ViewStore {
    /// The pictures of `source`.
    ///
    /// # Errors
    /// [`PoseError::Input`] for an array of another rank, element type or number of channels.
    pub fn new(source: Box<dyn VolumeSource>) -> Result<Self, PoseError> {
        let meta = source.meta();
        let is_fitting = matches!(*meta.shape(), [PIXEL, _, _, _, _]) && meta.dtype() == DType::U8;
        if !is_fitting {
            let value = format!("{:?} of {}", meta.shape(), meta.dtype());
            return Err(PoseError::input("image store", "shape", value, "[4, columns, rows, views, frames] of u8"));
        }
        Ok(Self { source })
    }

    /// What a store for such pictures looks like.
    ///
    /// # Errors
    /// [`PoseError::Seam`] where it would be too large.
    pub fn meta(size: [usize; 2], n_views: usize, n_frames: usize) -> Result<VolumeMeta, PoseError> {
        let shape = [PIXEL, size[0], size[1], n_views, n_frames];
        let meta = VolumeMeta::new(shape, DType::U8, Affine::IDENTITY);
        meta.map_err(|error| PoseError::Seam("the image store", error.into()))
    }

    /// Frames that are there.
    #[must_use]
    pub fn n_frames(&self) -> usize {
        self.source.meta().shape()[4]
    }

    /// Views of a frame.
    #[must_use]
    pub fn n_views(&self) -> usize {
        self.source.meta().shape()[3]
    }

    /// Columns and rows.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        let shape = self.source.meta().shape();
        [shape[1], shape[2]]
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`PoseError::Seam`] with the error of the store.
    pub fn read(&self, frame: usize) -> Result<FrameViews, PoseError> {
        let failed = |error| PoseError::Seam("reading the image store", error);
        let mut views = FrameViews::new(self.n_views(), self.size());
        let region = region(&views, frame)?;
        self.source.read_region(&region, VoxelsMut::from(&mut views.rgba[..])).map_err(failed)?;
        Ok(views)
    }
}

/// Writes a frame to the sink of a store.
pub(crate) fn write(sink: &dyn VolumeSink, frame: usize, views: &FrameViews) -> Result<(), PoseError> {
    let failed = |error| PoseError::Seam("writing the image store", error);
    sink.write_region(&region(views, frame)?, VoxelsRef::from(&views.rgba[..])).map_err(failed)
}

fn region(views: &FrameViews, frame: usize) -> Result<Region, PoseError> {
    let region = Region::new([0, 0, 0, 0, frame], [PIXEL, views.size[0], views.size[1], views.n_views, 1]);
    region.map_err(|error| PoseError::Seam("the image store", error.into()))
}
