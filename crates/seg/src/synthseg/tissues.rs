//! Tissues: structures taken together.

use volkit_core::{Volume, Voxels};

use super::tables::{OUTER_CSF, Structures};
use crate::SegError;

/// White matter of cerebrum and cerebellum, left and right.
const WHITE: [u32; 4] = [2, 7, 41, 46];
/// Ventricles, left, middle and right, and the fluid around the brain.
const FLUID: [u32; 7] = [4, 5, 14, 15, OUTER_CSF, 43, 44];
/// Brain-stem and ventral diencephalon: grey and white matter that is not told apart.
const MIXED: [u32; 3] = [16, 28, 60];

/// Volumes of tissues, in mm3.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tissues {
    /// Cortex of cerebrum and cerebellum, and the deep grey nuclei with hippocampus and amygdala.
    pub grey: f64,
    /// White matter of cerebrum and cerebellum.
    pub white: f64,
    /// Ventricles, and the fluid around the brain where the network knows it.
    pub csf: f64,
    /// All but the fluid: grey and white matter, brain-stem, ventral diencephalon.
    pub brain: f64,
}

impl Tissues {
    /// Names in the order of [`Tissues::figures`].
    pub const NAMES: [&'static str; 4] = ["grey matter", "white matter", "cerebrospinal fluid", "brain"];

    /// Grey matter, white matter, fluid, brain.
    #[must_use]
    pub fn figures(&self) -> [f64; 4] {
        [self.grey, self.white, self.csf, self.brain]
    }
}

/// Tissues from the volumes of channels 1 and on.
pub(crate) fn tissues_of(structures: &Structures, volumes: &[f64]) -> Tissues {
    let mut tissues = Tissues::default();
    for (structure, volume) in structures.channels().iter().skip(1).zip(volumes) {
        if FLUID.contains(&structure.label) {
            tissues.csf += volume;
            continue;
        }
        tissues.brain += volume;
        if WHITE.contains(&structure.label) {
            tissues.white += volume;
        } else if !MIXED.contains(&structure.label) {
            tissues.grey += volume;
        }
    }
    tissues
}

/// The mask of the brain, u8: 1 where a label map names a structure other than the fluid around the brain (24).
/// Ventricles belong to it.
///
/// # Errors
/// [`SegError::Core`] for colours and complex numbers.
pub fn brain_mask(labels: &Volume) -> Result<Volume, SegError> {
    let is_brain = |label: f64| u8::from(label != 0.0 && label != f64::from(OUTER_CSF));
    let mask: Vec<u8> = match labels.voxels() {
        Voxels::I32(values) => values.iter().map(|&label| is_brain(f64::from(label))).collect(),
        other => other.view().to_real::<f64>()?.into_iter().map(is_brain).collect(),
    };
    Ok(Volume::from_meta(labels.meta().clone(), mask)?)
}
