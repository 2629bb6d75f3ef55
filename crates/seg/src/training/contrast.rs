//! Contrasts that are told by name, for tests of networks.

use super::generation_labels::GenerationLabels;
use super::intensity::Contrast;

/// Grey levels of tissues as in one kind of scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FixedContrast {
    /// White matter bright, fluid dark.
    T1,
    /// Fluid bright, white matter dark.
    T2,
    /// As T2 with dark fluid.
    Flair,
    /// Little contrast within the brain, bright bone.
    Ct,
}

/// Grey levels of the groups of [`group_of`], by contrast: background, fluid, white, cortex, putamen and caudate, thalamus,
/// pallidum, brain stem, bone, other soft tissue.
const LEVELS: [(FixedContrast, [f32; 10]); 4] = [
    (FixedContrast::T1, [2.0, 40.0, 170.0, 110.0, 120.0, 140.0, 150.0, 160.0, 25.0, 100.0]),
    (FixedContrast::T2, [2.0, 220.0, 80.0, 130.0, 110.0, 105.0, 75.0, 95.0, 20.0, 70.0]),
    (FixedContrast::Flair, [2.0, 30.0, 105.0, 145.0, 130.0, 125.0, 100.0, 115.0, 20.0, 80.0]),
    (FixedContrast::Ct, [2.0, 70.0, 120.0, 142.0, 145.0, 140.0, 138.0, 125.0, 240.0, 115.0]),
];

/// Deviation of the noise.
const DEVIATION: f32 = 8.0;

impl FixedContrast {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::T1, Self::T2, Self::Flair, Self::Ct];

    /// Name, as tables show it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::T1 => "T1-like",
            Self::T2 => "T2-like",
            Self::Flair => "FLAIR-like",
            Self::Ct => "CT-like",
        }
    }

    /// Mean and deviation of each label.
    pub(super) fn levels(self) -> Contrast {
        let (_, means) = LEVELS.iter().find(|(contrast, _)| *contrast == self).unwrap_or(&LEVELS[0]);
        let level = |label: u32| {
            let group = group_of(label);
            [means[group], if group == 0 { 1.0 } else { DEVIATION }]
        };
        Contrast { levels: GenerationLabels::get().rows.iter().map(|row| level(row.label)).collect() }
    }
}

/// Tissue of a label.
fn group_of(label: u32) -> usize {
    match label {
        0 => 0,
        4 | 5 | 14 | 15 | 24 | 43 | 44 | 72 | 136 | 137 | 163 | 164 => 1,
        2 | 7 | 25 | 41 | 46 | 57 | 85 => 2,
        3 | 8 | 17 | 18 | 42 | 47 | 53 | 54 => 3,
        11 | 12 | 26 | 50 | 51 | 58 => 4,
        10 | 49 => 5,
        13 | 52 => 6,
        16 | 28 | 60 => 7,
        // The extra-cerebral class that surrounds the fluid.
        515 | 516 => 8,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::{FixedContrast, group_of};

    #[test]
    fn contrasts_order_tissues() {
        let mean = |contrast: FixedContrast, position: usize| contrast.levels().levels[position][0];
        // Positions 18, 19, 20: left white matter, cortex, ventricle.
        let order = |contrast| [18, 19, 20].map(|position| mean(contrast, position));
        let [white, grey, fluid] = order(FixedContrast::T1);
        assert!(white > grey && grey > fluid);
        let [white, grey, fluid] = order(FixedContrast::T2);
        assert!(white < grey && grey < fluid);
        let [white, grey, fluid] = order(FixedContrast::Flair);
        assert!(fluid < white && white < grey);
        assert_eq!((group_of(0), group_of(530)), (0, 9));
    }
}
