//! Label maps, deformed and cropped.

use rayon::prelude::*;

use super::config::GeneratorConfig;
use super::flow::{Flow, FlowShape, nearest};
use super::generation_labels::GenerationLabels;
use super::label_map::LabelMap;
use super::random::{Purpose, Random};

/// Where the voxels of a sample come from.
#[derive(Clone, Debug)]
pub(super) struct Placing {
    /// Matrix of the affine part, about the middle of the map.
    pub(super) matrix: [[f64; 3]; 3],
    /// Shift behind it, in voxels of the map.
    pub(super) shift: [f64; 3],
    /// First voxel of the sample on the map's grid at the sample's spacing.
    pub(super) start: [i64; 3],
    /// Whether left and right are swapped.
    pub(super) is_flipped: bool,
    /// Deviation of the flow's control points.
    pub(super) elastic_deviation: f64,
}

impl Placing {
    /// Draws one.
    pub(super) fn draw(config: &GeneratorConfig, map: &LabelMap, index: u64) -> Self {
        let of = |purpose| Random::of(config.seed, index, purpose);
        let deformation = &config.deformation;
        let mut random = of(Purpose::Affine);
        let mut around = |most: f64| random.uniform([-most, most]);
        let angles: [f64; 3] = std::array::from_fn(|_| around(deformation.rotation_degrees).to_radians());
        let shears: [f64; 6] = std::array::from_fn(|_| around(deformation.shear));
        let scales: [f64; 3] = std::array::from_fn(|_| 1.0 + around(deformation.scaling));
        let shift: [f64; 3] = std::array::from_fn(|_| around(deformation.translation_mm));
        let mut random = of(Purpose::Crop);
        let start = std::array::from_fn(|axis| {
            let n = (map.size[axis] as f64 / config.spacing_mm) as i64;
            let room = n - config.size as i64;
            match config.crop.deviation_mm {
                None => (random.unit() * (room.max(0) + 1) as f64).floor() as i64 + room.min(0) / 2,
                Some(deviation) => {
                    let middle = map.brain_centre[axis] + deviation * random.normal();
                    (middle / config.spacing_mm - config.size as f64 / 2.0).round() as i64
                }
            }
        });
        Self {
            matrix: affine_matrix(angles, shears, scales),
            shift,
            start,
            is_flipped: of(Purpose::Flip).happens(config.flip_probability),
            elastic_deviation: of(Purpose::Elastic).uniform(deformation.elastic_deviation_mm),
        }
    }

    /// Position in the map of the sample's voxels along an axis.
    fn positions(&self, config: &GeneratorConfig, axis: usize) -> Vec<f32> {
        let spacing = config.spacing_mm;
        let at = |i: usize| (self.start[axis] + i as i64) as f64 * spacing + (spacing - 1.0) / 2.0;
        (0..config.size).map(|i| at(i) as f32).collect()
    }
}

/// `scale * shear * rotation`, with `rotation = Rx Ry Rz` and shears off the diagonal in row-major order.
fn affine_matrix([a, b, c]: [f64; 3], h: [f64; 6], scales: [f64; 3]) -> [[f64; 3]; 3] {
    let ([sa, ca], [sb, cb], [sc, cc]) = ([a.sin(), a.cos()], [b.sin(), b.cos()], [c.sin(), c.cos()]);
    let rx = [[1.0, 0.0, 0.0], [0.0, ca, -sa], [0.0, sa, ca]];
    let ry = [[cb, 0.0, sb], [0.0, 1.0, 0.0], [-sb, 0.0, cb]];
    let rz = [[cc, -sc, 0.0], [sc, cc, 0.0], [0.0, 0.0, 1.0]];
    let shear = [[1.0, h[0], h[1]], [h[2], 1.0, h[3]], [h[4], h[5], 1.0]];
    let sheared = product(&shear, &product(&rx, &product(&ry, &rz)));
    std::array::from_fn(|row| sheared[row].map(|value| scales[row] * value))
}

fn product(a: &[[f64; 3]; 3], b: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|row| std::array::from_fn(|column| (0..3).map(|k| a[row][k] * b[k][column]).sum()))
}

/// The deformed part of a map: positions of labels in the table, x fastest. What lies outside the map is that of its border.
pub(super) fn deformed(config: &GeneratorConfig, map: &LabelMap, placing: &Placing, index: u64) -> Vec<u8> {
    let n = config.size;
    let deformation = &config.deformation;
    let at: [Vec<f32>; 3] = std::array::from_fn(|axis| placing.positions(config, axis));
    let flow = (placing.elastic_deviation > 0.0).then(|| {
        let shape = FlowShape {
            map_size: map.size,
            scale: deformation.elastic_scale,
            reduction: deformation.elastic_reduction,
            steps: deformation.elastic_steps,
        };
        let needed = std::array::from_fn(|axis| [f64::from(at[axis][0]), f64::from(at[axis][n - 1])]);
        // The deviation itself was the first number of this purpose.
        let mut random = Random::new(config.seed, &[index, Purpose::Elastic as u64, 1]);
        Flow::new(&shape, placing.elastic_deviation, needed, &mut random)
    });
    let columns: Vec<(usize, usize, f32)> =
        flow.as_ref().map_or(Vec::new(), |flow| at[0].iter().map(|&x| flow.part(0, x)).collect());
    let centre = map.size.map(|n| (n as f32 - 1.0) / 2.0);
    let t = placing.matrix.map(|row| row.map(|value| value as f32));
    let shift: [f32; 3] = std::array::from_fn(|axis| centre[axis] + placing.shift[axis] as f32);
    let [mx, my, mz] = map.size;
    let labels = GenerationLabels::get();
    let mirrored: Vec<u8> = labels.rows.iter().map(|row| row.mirrored).collect();
    let mut out = vec![0u8; n * n * n];
    out.par_chunks_exact_mut(n * n).enumerate().for_each(|(z, plane)| {
        let mut points = vec![[0.0f32; 4]; flow.as_ref().map_or(0, Flow::row_len)];
        for (y, row) in plane.chunks_exact_mut(n).enumerate() {
            if let Some(flow) = &flow {
                flow.row(at[1][y], at[2][z], &mut points);
            }
            let (qy, qz) = (at[1][y] - centre[1], at[2][z] - centre[2]);
            for (x, out) in row.iter_mut().enumerate() {
                let mut q = [at[0][x] - centre[0], qy, qz];
                if flow.is_some() {
                    let (low, high, share) = columns[x];
                    for (k, q) in q.iter_mut().enumerate() {
                        *q += points[low][k] + (points[high][k] - points[low][k]) * share;
                    }
                }
                let p: [f32; 3] = std::array::from_fn(|k| t[k][0] * q[0] + t[k][1] * q[1] + t[k][2] * q[2] + shift[k]);
                *out = map.positions[nearest(p[0], mx) + mx * (nearest(p[1], my) + my * nearest(p[2], mz))];
            }
            if placing.is_flipped {
                row.reverse();
                row.iter_mut().for_each(|position| *position = mirrored[usize::from(*position)]);
            }
        }
    });
    if map.is_cerebrum
        && Random::new(config.seed, &[index, Purpose::Map as u64, 1]).happens(config.erase_fluid_probability)
    {
        out.iter_mut().filter(|position| **position == labels.fluid).for_each(|position| *position = 0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::affine_matrix;

    #[test]
    fn matrices_by_hand() {
        let half = std::f64::consts::FRAC_PI_2;
        let close = |a: [[f64; 3]; 3], b: [[f64; 3]; 3]| {
            a.as_flattened().iter().zip(b.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-12)
        };
        // About x: y goes to z.
        let about_x = affine_matrix([half, 0.0, 0.0], [0.0; 6], [1.0; 3]);
        assert!(close(about_x, [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]));
        let about_z = affine_matrix([0.0, 0.0, half], [0.0; 6], [1.0; 3]);
        assert!(close(about_z, [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]));
        let sheared = affine_matrix([0.0; 3], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [2.0, 1.0, 3.0]);
        assert!(close(sheared, [[2.0, 0.2, 0.4], [0.3, 1.0, 0.4], [1.5, 1.8, 3.0]]));
    }
}
