//! Tables of published networks, recognised by their weights.

use super::{Label, LabelTable};

/// Fingerprint ([`crate::MeshNet::fingerprint`]) of the published MeshNet of 18 classes and 30 channels, "subcortical".
#[must_use]
pub fn subcortical_fingerprint() -> u64 {
    0x3980_a243_3532_c27c
}

/// Classes of that network. Names in FreeSurfer's spelling; colours our own, near to FreeSurfer's by tone.
const SUBCORTICAL: [(&str, [u8; 3]); 18] = [
    ("Unknown", [0, 0, 0]),
    ("Cerebral-White-Matter", [168, 208, 148]),
    ("Cerebral-Cortex", [206, 74, 92]),
    ("Lateral-Ventricle", [124, 52, 190]),
    ("Inferior-Lateral-Ventricle", [204, 108, 232]),
    ("Cerebellum-White-Matter", [226, 200, 120]),
    ("Cerebellum-Cortex", [232, 146, 40]),
    ("Thalamus", [16, 132, 60]),
    ("Caudate", [116, 190, 240]),
    ("Putamen", [240, 82, 182]),
    ("Pallidum", [28, 64, 212]),
    ("3rd-Ventricle", [192, 184, 44]),
    ("4th-Ventricle", [60, 196, 172]),
    ("Brain-Stem", [128, 168, 188]),
    ("Hippocampus", [238, 224, 36]),
    ("Amygdala", [92, 240, 220]),
    ("Accumbens-area", [255, 172, 80]),
    ("VentralDC", [164, 96, 44]),
];

/// Labels of the published MeshNet "subcortical": 18 classes of a head, left and right together.
#[must_use]
pub fn subcortical() -> LabelTable {
    LabelTable::new(SUBCORTICAL.iter().zip(0..).map(|(&(name, colour), id)| Label::new(id, name, colour)))
}
