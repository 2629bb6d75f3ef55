//! Writing scenes.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use crate::{ColourSlices, GaussianSlices, SH_C0, SplatError, sh_coefficients};

/// Writes a scene; plain colours become band 0. Gaussians with a number that is not finite are left out, and their
/// number is returned. The file appears under its name once it is complete.
///
/// # Errors
/// [`SplatError::Io`]; those of [`GaussianSlices::validate`].
pub fn write_ply(path: impl AsRef<Path>, scene: &GaussianSlices<'_>) -> Result<usize, SplatError> {
    scene.validate()?;
    crate::atomic::write_whole(path.as_ref(), |file| write(file, scene))
}

fn write(file: &File, scene: &GaussianSlices<'_>) -> std::io::Result<usize> {
    let n_rest = match scene.colours {
        ColourSlices::Rgb(_) => 0,
        ColourSlices::Sh { degree, .. } => 3 * (sh_coefficients(degree) - 1),
    };
    let rows: Vec<Vec<f32>> = (0..scene.len()).map(|i| row(scene, i)).collect();
    let kept: Vec<_> = rows.iter().filter(|row| row.iter().all(|x| x.is_finite())).collect();
    let mut out = BufWriter::new(file);
    writeln!(out, "ply\nformat binary_little_endian 1.0\nelement vertex {}", kept.len())?;
    for name in super::properties(n_rest) {
        writeln!(out, "property float {name}")?;
    }
    writeln!(out, "end_header")?;
    for x in kept.iter().copied().flatten() {
        out.write_all(&x.to_le_bytes())?;
    }
    out.flush()?;
    Ok(rows.len() - kept.len())
}

/// The numbers of Gaussian `i`, in the order of the properties.
fn row(scene: &GaussianSlices<'_>, i: usize) -> Vec<f32> {
    let mut row = scene.means[i].to_vec();
    row.extend([0.0; 3]);
    match scene.colours {
        ColourSlices::Rgb(rgb) => row.extend(rgb[i].map(|c| (c - 0.5) / SH_C0)),
        ColourSlices::Sh { degree, coefficients } => {
            let n = sh_coefficients(degree);
            let sh = &coefficients[i * n..(i + 1) * n];
            row.extend(sh[0]);
            row.extend((0..3).flat_map(|c| sh[1..].iter().map(move |sh| sh[c])));
        }
    }
    row.push(scene.logit_opacities[i]);
    row.extend(scene.log_scales[i]);
    row.extend(scene.quats[i]);
    row
}
