//! Reading scenes.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use super::header::{Header, Wrong, wrong};
use crate::{Colours, Gaussians, SplatError, sh_coefficients};

/// Vertices that are read at a time: memory follows what the file holds, not what its header says.
const CHUNK: usize = 4096;

/// Reads a scene; properties may stand in any order and further ones are passed over. Without `f_rest_` there is band 0
/// only.
///
/// # Errors
/// [`SplatError::Io`]; [`SplatError::Ply`] with the part of the file that is wrong: another format, a missing property,
/// a number of `f_rest_` that makes no bands, fewer vertices than the header says.
pub fn read_ply(path: impl AsRef<Path>) -> Result<Gaussians, SplatError> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|source| SplatError::Io { path: path.to_owned(), source })?;
    read(BufReader::new(file)).map_err(|(what, why)| SplatError::Ply { path: path.to_owned(), what, why })
}

fn read(mut input: BufReader<File>) -> Result<Gaussians, Wrong> {
    let header = Header::read(&mut input)?;
    let n_rest = header.count_of("f_rest_");
    let degree = (0..=3).find(|degree| 3 * (sh_coefficients(*degree) - 1) == n_rest);
    let degree = degree.ok_or_else(|| wrong("property f_rest_", format!("{n_rest} of them, not 0, 9, 24 or 45")))?;
    // The published order without normals.
    let names: Vec<String> = super::properties(n_rest).into_iter().filter(|name| !name.starts_with('n')).collect();
    let places = names.iter().map(|name| header.require(name)).collect::<Result<Vec<_>, _>>()?;

    let n_coefficients = sh_coefficients(degree);
    let mut scene = Gaussians::empty(degree);
    let mut sh = Vec::new();
    let mut left = header.count;
    let mut bytes = vec![0; header.stride * CHUNK.min(left)];
    while left > 0 {
        let n = left.min(CHUNK);
        let bytes = &mut bytes[..n * header.stride];
        input.read_exact(bytes).map_err(|error| {
            wrong("element vertex", format!("count {}, but the file ends before: {error}", header.count))
        })?;
        for vertex in bytes.chunks_exact(header.stride) {
            let at = |k: usize| places[k].0.read(&vertex[places[k].1..]);
            scene.means.push([at(0), at(1), at(2)]);
            sh.push([at(3), at(4), at(5)]);
            let rest = n_coefficients - 1;
            sh.extend((0..rest).map(|k| [0, 1, 2].map(|c| at(6 + c * rest + k))));
            let behind = 6 + n_rest;
            scene.logit_opacities.push(at(behind));
            scene.log_scales.push([at(behind + 1), at(behind + 2), at(behind + 3)]);
            scene.quats.push([at(behind + 4), at(behind + 5), at(behind + 6), at(behind + 7)]);
        }
        left -= n;
    }
    scene.colours = Colours::Sh { degree, coefficients: sh };
    Ok(scene)
}
