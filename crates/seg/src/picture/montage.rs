//! The montage: three rows of slices and a legend.

use volkit_core::Volume;

use super::MontageOptions;
use super::canvas::{Picture, TextSize};
use super::cut::{Cut, fraction, middle_fraction, pixels};
use super::legend;
use super::paint::{Brush, caption};
use super::slice::{Plane, Stack, WorldBox};
use crate::{LabelTable, LabelVolume, SegError};

const BACKGROUND: [u8; 3] = [16, 16, 20];
const TEXT: [u8; 3] = [226, 226, 226];
const FAINT: [u8; 3] = [150, 150, 156];
/// Room around the brain, so that the skull shows.
pub(super) const MARGIN_MM: f64 = 18.0;
/// Pixels between slices and around all.
const GAP: usize = 8;
/// Widest and tallest montage, in pixels: a scan of metres must not ask for the machine's memory.
const LARGEST: usize = 16_384;

/// Draws slices of a scan in the three planes with its labels over them, and a legend of the largest labels.
///
/// Slices are cut in world space (RAS mm): the head stands upright whatever the scan's orientation, obliquity and
/// voxel size. The first column shows the middle slice without labels. `labels` lies on the grid of the scan's first
/// three axes.
///
/// # Errors
/// [`SegError::Option`] for options out of range or labels on another grid, [`SegError::Core`] for a scan of complex
/// numbers or colours.
pub fn montage(
    scan: &Volume,
    labels: &Volume,
    volumes: &[LabelVolume],
    table: &LabelTable,
    options: &MontageOptions,
) -> Result<Picture, SegError> {
    options.validate()?;
    let stack = Stack::new(scan, labels)?;
    let grid = Grid::new(&stack, options)?;
    let entries = legend::entries(volumes, options.legend);
    let legend_width = legend::width(&entries, table);
    let mut picture = Picture::filled(grid.width() + legend_width + GAP, grid.height(), BACKGROUND);
    if !options.title.is_empty() {
        picture.text([GAP, GAP], &options.title, TextSize::Large, TEXT);
    }
    let brush = Brush::new(&stack, table, options.style, options.opacity);
    for (row, plane) in Plane::ALL.into_iter().enumerate() {
        for column in 0..=options.slices {
            let fraction = match column {
                0 => middle_fraction(),
                _ => fraction(column - 1, options.slices),
            };
            let cut = Cut::new(&grid.shown, plane, fraction, options.pixel_mm, options.view);
            let origin = grid.origin(row, column, &cut);
            brush.paint(&mut picture, &stack, &cut, origin, column > 0);
            caption(&mut picture, &cut, origin);
        }
    }
    legend::draw(&mut picture, [grid.width(), grid.top()], &entries, table, |label| brush.colour(label));
    let note = format!("{}, positions in mm (RAS)", options.view.note());
    picture.text([GAP, grid.height() - GAP - TextSize::Small.height()], &note, TextSize::Small, FAINT);
    Ok(picture)
}

/// Where everything lies.
struct Grid {
    shown: WorldBox,
    slices: usize,
    header: usize,
    cell_width: usize,
    row_heights: [usize; 3],
}

impl Grid {
    fn new(stack: &Stack, options: &MontageOptions) -> Result<Self, SegError> {
        let shown = stack.labelled_box(MARGIN_MM);
        let pixels = |axis: usize| pixels(&shown, axis, options.pixel_mm);
        let cell_width = pixels(0).max(pixels(1));
        let row_heights = Plane::ALL.map(|plane| pixels(plane.axes()[1]));
        let header = if options.title.is_empty() { GAP } else { 2 * GAP + TextSize::Large.height() };
        let grid = Self { shown, slices: options.slices, header, cell_width, row_heights };
        check_size(grid.width().max(grid.height()), options.pixel_mm)?;
        Ok(grid)
    }

    fn top(&self) -> usize {
        self.header
    }

    fn width(&self) -> usize {
        GAP + (self.slices + 1) * (self.cell_width + GAP)
    }

    fn height(&self) -> usize {
        let rows: usize = self.row_heights.iter().map(|height| height + GAP).sum();
        self.header + rows + TextSize::Small.height() + GAP
    }

    /// Top left corner of a slice, in the middle of its column.
    fn origin(&self, row: usize, column: usize, cut: &Cut) -> [usize; 2] {
        let above: usize = self.row_heights[..row].iter().map(|height| height + GAP).sum();
        let left = GAP + column * (self.cell_width + GAP) + (self.cell_width - cut.size[0]) / 2;
        [left, self.header + above]
    }
}

/// Refuses pictures that are too large to make.
pub(super) fn check_size(longest_side: usize, pixel_mm: f64) -> Result<(), SegError> {
    if longest_side <= LARGEST {
        return Ok(());
    }
    Err(SegError::Option {
        name: "pixel_mm",
        value: pixel_mm.to_string(),
        why: "the picture would have more than 16384 pixels along a side",
    })
}
