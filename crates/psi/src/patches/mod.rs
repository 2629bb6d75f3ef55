//! Random pieces of images, cut from sources that need not fit in memory.

mod orientation;

pub use orientation::Orientation;

use volkit_core::{Element, Region, VolumeSource, read_vec};

use crate::PsiError;
use crate::random::Draws;

/// Where a patch is: of which image, its first column and row, and how it is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchPlace {
    /// Number of the image.
    pub image: usize,
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// How it is turned after it is cut.
    pub orientation: Orientation,
}

/// How patches are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchOptions {
    /// Edge of a square patch, in pixels.
    pub size: usize,
    /// Whether patches are flipped (with probability 1/2 along each axis) and turned by quarters (all alike).
    pub augmented: bool,
    /// Seed of all draws.
    pub seed: u64,
}

impl PatchOptions {
    /// Patches of that edge, augmented, of seed 0.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, augmented: true, seed: 0 }
    }

    /// Flipped and turned, or as they are.
    #[must_use]
    pub fn with_augmented(self, augmented: bool) -> Self {
        Self { augmented, ..self }
    }

    /// With another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

/// Draws the places of patches. A draw depends on the seed and its own number alone, so that training can begin anywhere.
#[derive(Clone, Debug)]
pub struct PatchSampler {
    options: PatchOptions,
    /// `[W, H]` of each image.
    sizes: Vec<[usize; 2]>,
}

impl PatchSampler {
    /// A sampler for images of those sizes `[W, H]`; each image is as likely as any other.
    ///
    /// # Errors
    /// [`PsiError::Option`] without images, for a patch of 0 pixels, and for one that is larger than an image.
    pub fn new(options: PatchOptions, sizes: Vec<[usize; 2]>) -> Result<Self, PsiError> {
        let size = options.size;
        let wrong = |why: String| Err(PsiError::Option { name: "patch_size", value: size.to_string(), why });
        if size == 0 {
            return wrong("expected at least 1".to_owned());
        }
        if let Some((i, [w, h])) = sizes.iter().enumerate().find(|(_, [w, h])| size > *w || size > *h) {
            return wrong(format!("image {i} has {w} x {h} pixels"));
        }
        if sizes.is_empty() {
            return wrong("there is no image to cut patches from".to_owned());
        }
        Ok(Self { options, sizes })
    }

    /// The same images with patches `factor` times as large.
    ///
    /// # Errors
    /// Those of [`PatchSampler::new`].
    pub fn enlarged(&self, factor: usize) -> Result<Self, PsiError> {
        Self::new(PatchOptions { size: self.options.size * factor, ..self.options }, self.sizes.clone())
    }

    /// Place number `draw`.
    #[must_use]
    pub fn place(&self, draw: u64) -> PatchPlace {
        let mut random = Draws::at(self.options.seed, &[2, draw]);
        let image = random.below(self.sizes.len());
        let [width, height] = self.sizes[image];
        let x = random.below(width - self.options.size + 1);
        let y = random.below(height - self.options.size + 1);
        let orientation =
            if self.options.augmented { Orientation::number(random.below(8)) } else { Orientation::AS_IS };
        PatchPlace { image, x, y, orientation }
    }

    /// Two places of one image whose patches share `overlap` columns, or rows where `draw` is odd; not turned, so that shared
    /// pixels are found again. None where no image of the draw has room for two.
    #[must_use]
    pub fn neighbours(&self, draw: u64, overlap: usize) -> Option<[PatchPlace; 2]> {
        let size = self.options.size;
        let step = size.checked_sub(overlap).filter(|&step| step > 0)?;
        let mut random = Draws::at(self.options.seed, &[3, draw]);
        let image = random.below(self.sizes.len());
        let along = (draw % 2) as usize;
        let mut extent = [size; 2];
        extent[along] += step;
        let [width, height] = self.sizes[image];
        if extent[0] > width || extent[1] > height {
            return None;
        }
        let (x, y) = (random.below(width - extent[0] + 1), random.below(height - extent[1] + 1));
        let first = PatchPlace { image, x, y, orientation: Orientation::AS_IS };
        let second = if along == 0 { PatchPlace { x: x + step, ..first } } else { PatchPlace { y: y + step, ..first } };
        Some([first, second])
    }

    /// Edge of a patch.
    #[must_use]
    pub fn patch_size(&self) -> usize {
        self.options.size
    }
}

/// Reads a patch `[C, S, S]` from an image `[W, H, C]` (first axis fastest) or `[W, H]`, turned as its place says. Nothing
/// but the patch is read.
///
/// # Errors
/// [`PsiError::Transfer`] when the source refuses, as for a place outside of it.
pub fn read_patch<T: Element>(source: &dyn VolumeSource, place: &PatchPlace, size: usize) -> Result<Vec<T>, PsiError> {
    let channels = source.meta().shape().get(2).copied();
    let (mut start, mut extent) = (vec![place.x, place.y], vec![size, size]);
    if let Some(channels) = channels {
        start.push(0);
        extent.push(channels);
    }
    let region = Region::new(start, extent)?;
    let failed = |source| PsiError::Transfer { action: "read", region: [place.x, place.y, size, size], source };
    let values: Vec<T> = read_vec(source, &region).map_err(failed)?;
    Ok(place.orientation.turned(&values, size))
}
