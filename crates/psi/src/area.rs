//! Height maps of fewer pixels.

use crate::PsiError;

/// The means of squares of `factor x factor` pixels of a map `[H, W]`; pixels at the right and lower edge that fill no square
/// are left out. Returns the map and its size.
///
/// It is the height that is averaged: the mean of fringe images is no fringe image of any height, and vanishes where a square
/// holds a whole fringe. Images of the coarse map are simulated anew.
///
/// # Errors
/// [`PsiError::Option`] for a factor of 0, [`PsiError::Length`] for a map of another size.
pub fn area_average(
    height_um: &[f64],
    [height, width]: [usize; 2],
    factor: usize,
) -> Result<(Vec<f64>, [usize; 2]), PsiError> {
    if factor == 0 {
        let why = "expected at least 1".to_owned();
        return Err(PsiError::Option { name: "factor", value: factor.to_string(), why });
    }
    if height_um.len() != height * width {
        return Err(PsiError::Length { what: "height map", got: height_um.len(), wanted: height * width });
    }
    let size = [height / factor, width / factor];
    let area = (factor * factor) as f64;
    let mut coarse = Vec::with_capacity(size[0] * size[1]);
    for y in 0..size[0] {
        for x in 0..size[1] {
            let rows = (0..factor).map(|row| &height_um[(y * factor + row) * width + x * factor..][..factor]);
            coarse.push(rows.flatten().sum::<f64>() / area);
        }
    }
    Ok((coarse, size))
}
