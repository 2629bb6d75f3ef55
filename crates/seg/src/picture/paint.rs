//! Painting a slice: the scan in grey, labels over it, letters at its edges.

use std::collections::BTreeMap;

use super::LabelStyle;
use super::canvas::{Picture, TextSize};
use super::cut::Cut;
use super::slice::{Sample, Stack};
use crate::{LabelTable, luminance};

const TEXT: [u8; 3] = [226, 226, 226];
const FAINT: [u8; 3] = [176, 176, 182];
const BLACK: [u8; 3] = [0; 3];
/// Weight of a label's colour on its edge where labels are filled.
const EDGE: f64 = 0.9;
/// Weight of the colour on the second pixel of a line: lines are one and a half pixels wide, inside their structure.
const SECOND_PIXEL: f64 = 0.5;
/// Least luminance of a line: darker ones would be lost on a dark scan.
const LINE_LUMINANCE: f64 = 96.0;
/// Colours whose channels lie closer together than this count as grey.
const GREY_SPREAD: u8 = 24;

/// How the labels of a picture are painted.
pub(super) struct Brush<'a> {
    table: &'a LabelTable,
    style: LabelStyle,
    opacity: f64,
    /// Who wins where two labels meet, by label; the background has no entry.
    ranks: BTreeMap<u32, usize>,
    /// Values of the scan that black and white stand for.
    window: [f32; 2],
}

/// Colour in which a label is outlined: that of the table, brightened where it would be lost on a dark scan.
pub(crate) fn line_colour(colour: [u8; 3]) -> [u8; 3] {
    let bright = luminance(colour);
    if bright >= LINE_LUMINANCE {
        return colour;
    }
    // Towards white: the hue stays, also that of black.
    let towards = (LINE_LUMINANCE - bright) / (255.0 - bright);
    colour.map(|c| (f64::from(c) + towards * (255.0 - f64::from(c))).round() as u8)
}

impl<'a> Brush<'a> {
    pub(super) fn new(stack: &Stack, table: &'a LabelTable, style: LabelStyle, opacity: f64) -> Self {
        let ranks = if style == LabelStyle::Outlines { ranks(&stack.label_counts(), table) } else { BTreeMap::new() };
        Self { table, style, opacity, ranks, window: stack.window() }
    }

    /// Paints a slice with its top left corner at `origin`.
    pub(super) fn paint(
        &self,
        picture: &mut Picture,
        stack: &Stack,
        cut: &Cut,
        [left, top]: [usize; 2],
        labelled: bool,
    ) {
        let samples = cut.samples(stack, self.style == LabelStyle::Outlines);
        let width = cut.size[0];
        for (index, sample) in samples.iter().enumerate().filter(|(_, sample)| sample.inside) {
            let grey = self.grey(sample.value);
            let weight = if labelled { self.weight(&samples, index, width) } else { 0.0 };
            let over = self.colour(sample.label);
            let mix = |c: usize| (grey * (1.0 - weight) + f64::from(over[c]) * weight).round() as u8;
            let colour = if weight > 0.0 { std::array::from_fn(mix) } else { [grey as u8; 3] };
            picture.set(left + index % width, top + index / width, colour);
        }
    }

    fn grey(&self, value: f32) -> f64 {
        let [black, white] = self.window;
        f64::from(((value - black) / (white - black)).clamp(0.0, 1.0) * 255.0)
    }

    /// Colour in which a label is drawn.
    pub(super) fn colour(&self, label: u32) -> [u8; 3] {
        let colour = self.table.colour(label);
        if self.style == LabelStyle::Outlines { line_colour(colour) } else { colour }
    }

    /// Weight of the label's colour on a pixel.
    fn weight(&self, samples: &[Sample], index: usize, width: usize) -> f64 {
        let sample = &samples[index];
        if sample.label == 0 {
            return 0.0;
        }
        match self.style {
            LabelStyle::Filled if is_edge(samples, index, width) => self.opacity.max(EDGE * self.opacity.sqrt()),
            LabelStyle::Filled => self.opacity,
            LabelStyle::Outlines if self.wins(samples, index, width, 1) => 1.0,
            LabelStyle::Outlines if self.wins(samples, index, width, 2) => SECOND_PIXEL,
            LabelStyle::Outlines => 0.0,
        }
    }

    /// Whether the label of a pixel wins over that of a pixel `reach` away along a row or a column.
    fn wins(&self, samples: &[Sample], index: usize, width: usize, reach: usize) -> bool {
        let rank = |sample: &Sample| self.ranks.get(&sample.label).copied();
        let own = rank(&samples[index]);
        let (x, n) = (index % width, samples.len());
        let around = [
            (x >= reach).then(|| index - reach),
            (x + reach < width).then_some(index + reach),
            index.checked_sub(reach * width),
            Some(index + reach * width).filter(|&below| below < n),
        ];
        around.into_iter().flatten().any(|at| own > rank(&samples[at]))
    }
}

/// Ranks of the labels that occur: greys below colours, then the larger structure below the smaller.
fn ranks(counts: &BTreeMap<u32, u64>, table: &LabelTable) -> BTreeMap<u32, usize> {
    let mut labels: Vec<(bool, u64, u32)> = counts
        .iter()
        .map(|(&label, &count)| {
            let colour = table.colour(label);
            let spread = colour.iter().max().zip(colour.iter().min()).map_or(0, |(most, least)| most - least);
            (spread >= GREY_SPREAD, u64::MAX - count, label)
        })
        .collect();
    labels.sort_unstable();
    labels.into_iter().enumerate().map(|(rank, (_, _, label))| (label, rank)).collect()
}

/// Whether a pixel with a label is the last of its area: one line on each border of two labels.
fn is_edge(samples: &[Sample], index: usize, width: usize) -> bool {
    let sample = &samples[index];
    let x = index % width;
    let differs = |other: Option<&Sample>| other.is_none_or(|other| other.label != sample.label);
    x + 1 == width
        || differs(samples.get(index + 1))
        || differs(samples.get(index + width))
        || x == 0
        || samples[index - 1].label == 0
        || index < width
        || samples[index - width].label == 0
}

/// Writes the position of a slice and the directions at its edges.
pub(super) fn caption(picture: &mut Picture, cut: &Cut, [left, top]: [usize; 2]) {
    let [width, height] = cut.size;
    let size = TextSize::Small;
    let position = format!("{} = {:.0}", cut.plane.axis_name(), cut.position_mm);
    let bottom = top + height.saturating_sub(size.height());
    plate(picture, [left + 3, bottom], &position, TEXT);
    let [low, high] = cut.plane.sides(cut.view);
    let [above, below] = cut.plane.ends();
    let row = top + height / 2 - (size.height() / 2).min(height / 2);
    let column = left + (width / 2).saturating_sub(size.advance() / 2);
    plate(picture, [left + 2, row], low, FAINT);
    plate(picture, [left + width.saturating_sub(size.advance() + 1), row], high, FAINT);
    plate(picture, [column, top + 1], above, FAINT);
    plate(picture, [column, bottom], below, FAINT);
}

/// Text on black, so that it is read over bright tissue too.
fn plate(picture: &mut Picture, [left, top]: [usize; 2], text: &str, colour: [u8; 3]) {
    let size = TextSize::Small;
    picture.fill([left.saturating_sub(1), top], [text.len() * size.advance() + 1, size.height()], BLACK);
    picture.text([left, top], text, size, colour);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{LINE_LUMINANCE, line_colour, ranks};
    use crate::{Label, LabelTable, luminance};

    #[test]
    fn dark_lines_are_brightened_and_keep_their_hue() {
        assert_eq!(line_colour([220, 216, 20]), [220, 216, 20]);
        let grey = line_colour([60, 60, 60]);
        assert!(grey[0] == grey[1] && grey[1] == grey[2] && (luminance(grey) - LINE_LUMINANCE).abs() < 1.0);
        let blue = line_colour([12, 48, 255]);
        assert!(luminance(blue) >= LINE_LUMINANCE - 1.0 && blue[2] > blue[1] && blue[1] > blue[0]);
        assert!((luminance(line_colour([0, 0, 0])) - LINE_LUMINANCE).abs() < 1.0);
    }

    #[test]
    fn colours_win_over_greys_and_small_over_large() {
        let table = LabelTable::new([
            Label::new(2, "white matter", [245, 245, 245]),
            Label::new(3, "cortex", [205, 62, 78]),
            Label::new(17, "hippocampus", [220, 216, 20]),
        ]);
        let ranks = ranks(&BTreeMap::from([(2, 10), (3, 900), (17, 30)]), &table);
        assert_eq!(ranks, BTreeMap::from([(2, 0), (3, 1), (17, 2)]));
    }
}
