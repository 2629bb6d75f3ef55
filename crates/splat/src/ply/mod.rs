//! Scenes in PLY files, as the programs of 3D Gaussian splatting exchange them.
//!
//! One element `vertex`, `binary_little_endian`, with the properties `x y z`, `nx ny nz` (zeros), `f_dc_0..2`,
//! `f_rest_0..` (channel-major: all coefficients of red behind band 0, then green, then blue), `opacity` (logit),
//! `scale_0..2` (logarithms) and `rot_0..3` (`w, x, y, z`).

mod header;
mod read;
mod write;

pub use read::read_ply;
pub use write::write_ply;

/// Names of the properties of a scene whose coefficients behind band 0 are `n_rest` numbers, in the published order.
fn properties(n_rest: usize) -> Vec<String> {
    let mut names: Vec<String> = ["x", "y", "z", "nx", "ny", "nz"].map(str::to_owned).to_vec();
    names.extend((0..3).map(|c| format!("f_dc_{c}")));
    names.extend((0..n_rest).map(|k| format!("f_rest_{k}")));
    names.push("opacity".to_owned());
    names.extend((0..3).map(|k| format!("scale_{k}")));
    names.extend((0..4).map(|k| format!("rot_{k}")));
    names
}
