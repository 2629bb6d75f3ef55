//! Lists of the splats of each tile, nearest first, in groups of tiles of like length.

use volkit_kernels::{RasterOptions, Splat};

/// Side of a tile in pixels.
pub(super) const TILE: usize = 16;
/// Pixels of a tile.
pub(super) const TILE_PIXELS: usize = TILE * TILE;
/// By how much a box is widened, in parts and in pixels: rounding must not take the last pixel away.
const SLACK: [f32; 2] = [1e-3, 0.01];

/// A tile and its splats, nearest first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tile {
    /// First pixel: column and row.
    pub(super) corner: [usize; 2],
    pub(super) splats: Vec<u32>,
}

/// Whether a splat can be drawn at all; every comparison fails for NaN.
fn is_drawable(splat: &Splat, options: &RasterOptions) -> bool {
    let numbers = [&splat.mean[..], &splat.conic, &splat.features, &splat.extent, &[splat.opacity]];
    let is_finite = numbers.into_iter().flatten().all(|x| x.is_finite());
    let is_placed = splat.features[3] > 0.0 && splat.extent[0] > 0.0 && splat.extent[1] > 0.0;
    is_finite && is_placed && splat.opacity >= options.alpha_min
}

/// Tiles of an image of `size` rows and columns that have a splat, longest list first.
pub(super) fn tiles(splats: &[Splat], size: [usize; 2], options: &RasterOptions) -> Vec<Tile> {
    let [rows, columns] = size.map(|n| n.div_ceil(TILE));
    let mut order: Vec<u32> = (0..splats.len() as u32).collect();
    order.retain(|&i| is_drawable(&splats[i as usize], options));
    // Stable: splats of one depth keep their order.
    order.sort_by(|&a, &b| splats[a as usize].features[3].total_cmp(&splats[b as usize].features[3]));
    let corner = |number: usize| [number % columns.max(1) * TILE, number / columns.max(1) * TILE];
    let mut tiles: Vec<Tile> =
        (0..rows * columns).map(|number| Tile { corner: corner(number), splats: Vec::new() }).collect();
    for i in order {
        let splat = &splats[i as usize];
        // First and one past the last tile along an axis.
        let range = |axis: usize, n_tiles: usize| {
            let half = splat.extent[axis] * (1.0 + SLACK[0]) + SLACK[1];
            // Negative numbers become 0, large ones the largest.
            let first = ((splat.mean[axis] - half) / TILE as f32).floor() as usize;
            let end = ((splat.mean[axis] + half) / TILE as f32).floor();
            let end = if end < 0.0 { 0 } else { (end as usize).saturating_add(1) };
            first.min(n_tiles)..end.min(n_tiles)
        };
        for row in range(1, rows) {
            for column in range(0, columns) {
                tiles[row * columns + column].splats.push(i);
            }
        }
    }
    tiles.retain(|tile| !tile.splats.is_empty());
    tiles.sort_by_key(|tile| std::cmp::Reverse(tile.splats.len()));
    tiles
}

/// Cuts tiles, longest first, into groups of at most `most_pairs` pairs of splat and pixel, lists filled up to the
/// longest of a group; a group has at least one tile.
pub(super) fn groups(tiles: &[Tile], most_pairs: usize) -> Vec<&[Tile]> {
    let mut groups = Vec::new();
    let mut rest = tiles;
    while let Some(longest) = rest.first() {
        let n = (most_pairs / (longest.splats.len() * TILE_PIXELS)).clamp(1, rest.len());
        let (group, others) = rest.split_at(n);
        groups.push(group);
        rest = others;
    }
    groups
}

#[cfg(test)]
mod tests {
    use volkit_kernels::{RasterOptions, Splat};

    use super::{Tile, groups, tiles};

    fn splat(mean: [f32; 2], extent: f32, depth: f32) -> Splat {
        Splat { mean, conic: [1.0, 0.0, 1.0], opacity: 0.5, features: [0.0, 0.0, 0.0, depth], extent: [extent; 2] }
    }

    fn lists(splats: &[Splat], size: [usize; 2]) -> Vec<([usize; 2], Vec<u32>)> {
        let tiles = tiles(splats, size, &RasterOptions::default());
        tiles.into_iter().map(|tile| (tile.corner, tile.splats)).collect()
    }

    #[test]
    fn a_tile_lists_what_reaches_it_nearest_first() {
        let splats = [splat([8.0, 8.0], 3.0, 5.0), splat([16.0, 8.0], 3.0, 2.0), splat([40.0, 8.0], 3.0, 1.0)];
        assert_eq!(lists(&splats, [16, 36]), [([0, 0], vec![1, 0]), ([16, 0], vec![1]), ([32, 0], vec![2])]);
        // Of one depth: in their order.
        let same = [splat([8.0, 8.0], 3.0, 5.0), splat([9.0, 8.0], 3.0, 5.0)];
        assert_eq!(lists(&same, [16, 16]), [([0, 0], vec![0, 1])]);
    }

    #[test]
    fn what_can_not_be_seen_is_in_no_list() {
        let good = splat([8.0, 8.0], 3.0, 5.0);
        let hidden = [
            splat([-100.0, 8.0], 3.0, 5.0),
            splat([8.0, 1e9], 3.0, 5.0),
            splat([8.0, 8.0], 0.0, 5.0),
            splat([8.0, 8.0], 3.0, 0.0),
            splat([f32::NAN, 8.0], 3.0, 5.0),
            Splat { opacity: 1e-3, ..good },
            Splat { opacity: f32::NAN, ..good },
        ];
        assert_eq!(lists(&hidden, [16, 16]), []);
        assert_eq!(lists(&[], [16, 16]), []);
        assert_eq!(lists(&[good], [0, 0]), []);
        // Wider than any image.
        assert_eq!(lists(&[splat([8.0, 8.0], 1e30, 5.0)], [20, 20]).len(), 4);
    }

    #[test]
    fn groups_stay_below_their_bound() {
        let tile = |n: usize| Tile { corner: [0, 0], splats: vec![0; n] };
        let tiles = [tile(9), tile(4), tile(4), tile(1), tile(1)];
        let sizes: Vec<usize> = groups(&tiles, 8 * 256).into_iter().map(<[_]>::len).collect();
        assert_eq!(sizes, [1, 2, 2]);
        assert!(groups(&[], 1).is_empty());
    }
}
