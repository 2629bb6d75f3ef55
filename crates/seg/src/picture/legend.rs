//! The legend: largest labels with colour, name and volume.

use super::canvas::{Picture, TextSize};
use crate::{LabelTable, LabelVolume};

const SIZE: TextSize = TextSize::Normal;
const TEXT: [u8; 3] = [226, 226, 226];
const FAINT: [u8; 3] = [170, 170, 176];
const SWATCH: usize = 14;
const LINE: usize = 22;
const GAP: usize = 10;
/// Longest name that is written out.
const NAME_CHARS: usize = 30;
/// Columns of `1234.5 mL`.
const VOLUME_CHARS: usize = 10;

/// The labels to list, the largest first; the background and labels that do not occur are left out.
pub(super) fn entries(volumes: &[LabelVolume], count: usize) -> Vec<LabelVolume> {
    let mut entries: Vec<_> = volumes.iter().copied().filter(|volume| volume.id != 0 && volume.voxels > 0).collect();
    entries.sort_by(|a, b| b.mm3.total_cmp(&a.mm3).then(a.id.cmp(&b.id)));
    entries.truncate(count);
    entries
}

/// Pixels that the legend is wide.
pub(super) fn width(entries: &[LabelVolume], table: &LabelTable) -> usize {
    let longest = entries.iter().map(|entry| name(entry, table).chars().count()).max();
    longest.map_or(0, |chars| 2 * GAP + SWATCH + (chars + VOLUME_CHARS) * SIZE.advance())
}

pub(super) fn draw(
    picture: &mut Picture,
    [left, top]: [usize; 2],
    entries: &[LabelVolume],
    table: &LabelTable,
    colour: impl Fn(u32) -> [u8; 3],
) {
    let volume_end = left + width(entries, table) - usize::from(!entries.is_empty()) * GAP;
    for (line, entry) in entries.iter().enumerate() {
        let y = top + line * LINE;
        if y + LINE > picture.height() {
            break;
        }
        picture.fill([left, y], [SWATCH, SWATCH], colour(entry.id));
        let text_y = y + (SWATCH.saturating_sub(SIZE.height())) / 2;
        picture.text([left + SWATCH + GAP, text_y], &name(entry, table), SIZE, TEXT);
        let volume = format!("{:.1} mL", entry.mm3 / 1000.0);
        let start = volume_end.saturating_sub(volume.len() * SIZE.advance());
        picture.text([start, text_y], &volume, SIZE, FAINT);
    }
}

fn name(entry: &LabelVolume, table: &LabelTable) -> String {
    table.name(entry.id).chars().take(NAME_CHARS).collect()
}
