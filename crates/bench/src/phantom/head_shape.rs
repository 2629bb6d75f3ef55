//! The anatomy of the head phantom: which tissue lies at a point, in millimetres RAS+.

use crate::Random;

/// A tissue of the head phantom.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tissue {
    /// Label, as FreeSurfer's colour table numbers it.
    pub label: u8,
    /// Name.
    pub name: &'static str,
    /// Intensity before blur, bias and noise.
    pub intensity: f32,
}

const fn tissue(label: u8, name: &'static str, intensity: f32) -> Tissue {
    Tissue { label, name, intensity }
}

/// Every tissue of the head phantom. Paired structures come left, then right.
pub const HEAD_TISSUES: [Tissue; 31] = [
    tissue(0, "air", 0.0),
    tissue(130, "soft tissue", 75.0),
    tissue(131, "fat", 190.0),
    tissue(132, "bone", 95.0),
    tissue(133, "eye", 40.0),
    tissue(165, "skull", 18.0),
    tissue(24, "cerebrospinal fluid", 32.0),
    tissue(14, "3rd ventricle", 32.0),
    tissue(15, "4th ventricle", 32.0),
    tissue(16, "brain stem", 145.0),
    tissue(85, "optic chiasm", 150.0),
    tissue(2, "left cerebral white matter", 160.0),
    tissue(41, "right cerebral white matter", 160.0),
    tissue(3, "left cerebral cortex", 102.0),
    tissue(42, "right cerebral cortex", 102.0),
    tissue(4, "left lateral ventricle", 32.0),
    tissue(43, "right lateral ventricle", 32.0),
    tissue(7, "left cerebellum white matter", 155.0),
    tissue(46, "right cerebellum white matter", 155.0),
    tissue(8, "left cerebellum cortex", 105.0),
    tissue(47, "right cerebellum cortex", 105.0),
    tissue(10, "left thalamus", 132.0),
    tissue(49, "right thalamus", 132.0),
    tissue(11, "left caudate", 108.0),
    tissue(50, "right caudate", 108.0),
    tissue(12, "left putamen", 116.0),
    tissue(51, "right putamen", 116.0),
    tissue(13, "left pallidum", 142.0),
    tissue(52, "right pallidum", 142.0),
    tissue(17, "left hippocampus", 104.0),
    tissue(53, "right hippocampus", 104.0),
];

// Positions in `HEAD_TISSUES`.
const AIR: usize = 0;
const SOFT: usize = 1;
const FAT: usize = 2;
const BONE: usize = 3;
const EYE: usize = 4;
const SKULL: usize = 5;
const CSF: usize = 6;
const VENTRICLE_3: usize = 7;
const VENTRICLE_4: usize = 8;
const BRAIN_STEM: usize = 9;
const CHIASM: usize = 10;
// Paired structures: the left one; the right one follows.
const WHITE: usize = 11;
const CORTEX: usize = 13;
const VENTRICLE: usize = 15;
const CEREBELLUM_WHITE: usize = 17;
const CEREBELLUM_CORTEX: usize = 19;
const THALAMUS: usize = 21;
const CAUDATE: usize = 23;
const PUTAMEN: usize = 25;
const PALLIDUM: usize = 27;
const HIPPOCAMPUS: usize = 29;

/// Thicknesses in millimetres.
const CORTEX_MM: f64 = 2.8;
const SULCUS_DEPTH_MM: f64 = 12.0;
const SULCUS_HALF_WIDTH_MM: f64 = 0.8;
const SULCUS_WAVELENGTH_MM: f64 = 44.0;
const CSF_MM: f64 = 2.5;
const SKULL_MM: f64 = 6.0;
const SCALP_MM: f64 = 6.5;

#[derive(Clone, Copy)]
struct Ellipsoid {
    centre: [f64; 3],
    semi_axes: [f64; 3],
}

impl Ellipsoid {
    const fn new(centre: [f64; 3], semi_axes: [f64; 3]) -> Self {
        Self { centre, semi_axes }
    }

    /// 0 at the centre, 1 on the surface.
    fn radius(&self, p: [f64; 3]) -> f64 {
        let square = |axis: usize| {
            let x = (p[axis] - self.centre[axis]) / self.semi_axes[axis];
            x * x
        };
        (square(0) + square(1) + square(2)).sqrt()
    }

    fn contains(&self, p: [f64; 3]) -> bool {
        self.radius(p) <= 1.0
    }

    /// About the distance from the surface in millimetres, positive inside.
    fn depth_mm(&self, p: [f64; 3]) -> f64 {
        let mean = (self.semi_axes[0] + self.semi_axes[1] + self.semi_axes[2]) / 3.0;
        (1.0 - self.radius(p)) * mean
    }

    fn varied(&self, random: &mut Random) -> Self {
        Self {
            centre: self.centre.map(|x| if x == 0.0 { 0.0 } else { x + random.range(-1.0, 1.0) }),
            semi_axes: self.semi_axes.map(|x| x * random.range(0.94, 1.06)),
        }
    }
}

const BRAIN: Ellipsoid = Ellipsoid::new([0.0, -4.0, 14.0], [58.0, 74.0, 54.0]);
const FACE: Ellipsoid = Ellipsoid::new([0.0, 34.0, -42.0], [52.0, 52.0, 50.0]);
const NOSE: Ellipsoid = Ellipsoid::new([0.0, 84.0, -34.0], [11.0, 10.0, 17.0]);
const NASAL_CAVITY: Ellipsoid = Ellipsoid::new([0.0, 58.0, -40.0], [9.0, 20.0, 20.0]);
const MOUTH: Ellipsoid = Ellipsoid::new([0.0, 60.0, -72.0], [22.0, 20.0, 3.0]);
/// Fluid below the middle of the brain, around the brain stem and in front of it.
const CISTERN: Ellipsoid = Ellipsoid::new([0.0, -2.0, -34.0], [14.0, 26.0, 15.0]);
const EYE_BALL: Ellipsoid = Ellipsoid::new([28.0, 69.0, -18.0], [11.5, 11.5, 11.5]);
const ORBIT: Ellipsoid = Ellipsoid::new([28.0, 64.0, -18.0], [15.0, 17.0, 15.0]);
const CEREBELLUM: Ellipsoid = Ellipsoid::new([0.0, -46.0, -27.0], [44.0, 25.0, 19.0]);

/// Structures inside the brain that come as one, in the order in which they win.
const SINGLE: [(usize, Ellipsoid); 4] = [
    (VENTRICLE_4, Ellipsoid::new([0.0, -33.0, -26.0], [5.5, 4.5, 8.0])),
    (BRAIN_STEM, Ellipsoid::new([0.0, -20.0, -34.0], [11.0, 10.0, 30.0])),
    (VENTRICLE_3, Ellipsoid::new([0.0, -6.0, 7.0], [2.0, 11.0, 9.0])),
    (CHIASM, Ellipsoid::new([0.0, 12.0, -8.0], [7.0, 3.0, 2.5])),
];

/// Structures inside the brain that come in pairs (the right one is listed), in the order in which they win.
const PAIRED: [(usize, Ellipsoid); 8] = [
    (VENTRICLE, Ellipsoid::new([10.0, 2.0, 22.0], [6.0, 27.0, 6.5])),
    (VENTRICLE, Ellipsoid::new([18.0, -30.0, 12.0], [6.0, 15.0, 7.0])),
    (VENTRICLE, Ellipsoid::new([31.0, -16.0, -8.0], [3.0, 15.0, 3.0])),
    (THALAMUS, Ellipsoid::new([10.5, -12.0, 8.0], [8.0, 13.0, 8.5])),
    (CAUDATE, Ellipsoid::new([15.5, 13.0, 14.0], [5.0, 14.0, 8.0])),
    (PALLIDUM, Ellipsoid::new([18.5, 2.0, 2.0], [4.0, 9.0, 6.5])),
    (PUTAMEN, Ellipsoid::new([25.0, 4.0, 4.0], [5.5, 15.0, 9.5])),
    (HIPPOCAMPUS, Ellipsoid::new([25.0, -18.0, -12.0], [5.5, 16.0, 5.5])),
];

/// One head: the anatomy with the small variations of a seed.
pub(super) struct HeadShape {
    scale: f64,
    fold_phase: [f64; 6],
    single: Vec<(usize, Ellipsoid)>,
    paired: Vec<(usize, [Ellipsoid; 2])>,
}

impl HeadShape {
    pub(super) fn new(random: &mut Random) -> Self {
        let scale = random.range(0.96, 1.0);
        let fold_phase = std::array::from_fn(|_| random.range(0.0, std::f64::consts::TAU));
        let single = SINGLE.map(|(tissue, shape)| (tissue, shape.varied(random))).to_vec();
        let mirrored =
            |shape: Ellipsoid| Ellipsoid { centre: [-shape.centre[0], shape.centre[1], shape.centre[2]], ..shape };
        let paired =
            PAIRED.map(|(tissue, right)| (tissue, [mirrored(right).varied(random), right.varied(random)])).to_vec();
        Self { scale, fold_phase, single, paired }
    }

    /// Position in [`HEAD_TISSUES`] of the tissue at a point.
    pub(super) fn tissue(&self, p_world: [f64; 3]) -> usize {
        let p = p_world.map(|x| x / self.scale);
        let depth = BRAIN.depth_mm(p);
        // Towards the face the skull ends below the brain; the neck begins there.
        if depth < -(CSF_MM + SKULL_MM + SCALP_MM) {
            return outside_the_skull(p);
        }
        if depth < -(CSF_MM + SKULL_MM) {
            let skin = depth < -(CSF_MM + SKULL_MM + SCALP_MM - 1.5);
            return if skin && outside_the_skull(p) == AIR { SOFT } else { scalp(p) };
        }
        if let Some(tissue) = self.below_the_brain(p) {
            return tissue;
        }
        if depth < -CSF_MM {
            // Marrow: the inner third of the skull is brighter than its two tables.
            return if (-(CSF_MM + 4.2)..-(CSF_MM + 2.0)).contains(&depth) { BONE } else { SKULL };
        }
        self.inside_the_skull(p, depth)
    }

    fn inside_the_skull(&self, p: [f64; 3], depth: f64) -> usize {
        let side = usize::from(p[0] >= 0.0);
        if let Some((tissue, _)) = self.single.iter().find(|(_, shape)| shape.contains(p)) {
            return *tissue;
        }
        if let Some((tissue, _)) = self.paired.iter().find(|(_, shapes)| shapes[side].contains(p)) {
            return tissue + side;
        }
        if depth < 0.0 || CISTERN.contains(p) {
            return CSF;
        }
        let to_sulcus = self.distance_to_sulcus_mm(p, depth).min(distance_to_fissure_mm(p));
        match () {
            () if to_sulcus < SULCUS_HALF_WIDTH_MM => CSF,
            () if depth < CORTEX_MM || to_sulcus < SULCUS_HALF_WIDTH_MM + CORTEX_MM => CORTEX + side,
            () => WHITE + side,
        }
    }

    /// Cerebellum and brain stem, and the gap between them and the cerebrum.
    fn below_the_brain(&self, p: [f64; 3]) -> Option<usize> {
        let side = usize::from(p[0] >= 0.0);
        let (_, stem) = self.single[1];
        if let Some((tissue, _)) = self.single[..2].iter().find(|(_, shape)| shape.contains(p)) {
            return Some(*tissue);
        }
        let depth = CEREBELLUM.depth_mm(p);
        if depth >= 0.0 {
            // Folia: thin leaves, one above the other, that bend around the vermis.
            let leaf = (p[2] + 0.02 * (p[1] + 46.0).powi(2) + 0.01 * p[0] * p[0]) * std::f64::consts::TAU / 7.0;
            let white = depth > 6.5 || (depth > 2.5 && leaf.sin() > 0.55);
            return Some(if white { CEREBELLUM_WHITE + side } else { CEREBELLUM_CORTEX + side });
        }
        let gap = depth > -2.0 || stem.depth_mm(p) > -1.5;
        (gap && p[2] < -6.0).then_some(CSF)
    }

    /// Distance to the nearest sulcus, as far as sulci go into the brain.
    ///
    /// Sulci are the zeros of a warped gyroid on the surface of the brain, continued inwards along radii.
    fn distance_to_sulcus_mm(&self, p: [f64; 3], depth: f64) -> f64 {
        let radius = BRAIN.radius(p);
        if depth > SULCUS_DEPTH_MM + CORTEX_MM + SULCUS_HALF_WIDTH_MM || radius < 0.2 {
            return f64::INFINITY;
        }
        let k = std::f64::consts::TAU / SULCUS_WAVELENGTH_MM;
        let q: [f64; 3] = std::array::from_fn(|axis| (p[axis] - BRAIN.centre[axis]) / radius * k);
        let phase = &self.fold_phase;
        let w: [f64; 3] = std::array::from_fn(|axis| {
            let warp = 1.1 * (0.31 * q[(axis + 1) % 3] + phase[axis]).sin() + 0.5 * (0.73 * q[(axis + 2) % 3]).cos();
            q[axis] + warp + phase[3 + axis]
        });
        let gyroid = w[0].sin() * w[1].cos() + w[1].sin() * w[2].cos() + w[2].sin() * w[0].cos();
        // The slope of a gyroid near its zeros is about 1.5 a radian.
        let across = gyroid.abs() / (1.5 * k) * radius;
        across.hypot((depth - SULCUS_DEPTH_MM).max(0.0))
    }
}

/// Distance to the fissure between the hemispheres, which ends above the corpus callosum.
fn distance_to_fissure_mm(p: [f64; 3]) -> f64 {
    let callosum = Ellipsoid::new([0.0, -4.0, 14.0], [58.0, 40.0, 20.0]);
    let p_mid = [0.0, p[1], p[2]];
    p[0].abs().hypot(callosum.depth_mm(p_mid).max(0.0))
}

fn scalp(p: [f64; 3]) -> usize {
    // Below the brain there is muscle instead of the fat of the scalp.
    if p[2] < -20.0 { SOFT } else { FAT }
}

/// Face, eyes, nose and neck.
fn outside_the_skull(p: [f64; 3]) -> usize {
    let mirrored = [p[0].abs(), p[1], p[2]];
    if EYE_BALL.contains(mirrored) {
        return EYE;
    }
    // A septum divides the nose.
    if (NASAL_CAVITY.contains(p) && p[0].abs() >= 1.2) || MOUTH.contains(p) {
        return AIR;
    }
    if ORBIT.contains(mirrored) {
        return FAT;
    }
    let face = FACE.depth_mm(p).max(NOSE.depth_mm(p));
    let neck = if p[2] < -20.0 { (1.0 - (p[0] / 46.0).hypot((p[1] + 14.0) / 50.0)) * 48.0 } else { f64::NEG_INFINITY };
    let depth = face.max(neck);
    let spine = (p[0] / 15.0).hypot((p[1] + 22.0) / 17.0);
    let airway = (p[0] / 8.0).hypot((p[1] - 16.0) / 7.0);
    match () {
        () if depth < 0.0 => AIR,
        () if neck > 0.0 && spine < 0.4 => BRAIN_STEM,
        () if neck > 0.0 && spine < 0.55 => CSF,
        () if neck > 0.0 && spine < 1.0 => BONE,
        () if neck > 0.0 && airway < 1.0 && p[2] < -45.0 => AIR,
        () if depth < 4.0 => FAT,
        // The jaw: a bow below the mouth.
        () if (7.0..13.0).contains(&face) && p[2] < -62.0 && p[1] > 20.0 => BONE,
        () => SOFT,
    }
}
