//! The montage: three rows of slices and a legend.

use volkit_core::Volume;

use super::canvas::{Picture, TextSize};
use super::legend;
use super::slice::{Plane, Sample, Stack, WorldBox};
use super::{MontageOptions, View};
use crate::{LabelTable, LabelVolume, SegError};

const BACKGROUND: [u8; 3] = [16, 16, 20];
const TEXT: [u8; 3] = [226, 226, 226];
const FAINT: [u8; 3] = [150, 150, 156];
/// Room around the brain, so that the skull shows.
const MARGIN_MM: f64 = 18.0;
/// Pixels between slices and around all.
const GAP: usize = 8;
/// First and last slice, as fractions of the labelled box.
const SPAN: [f64; 2] = [0.24, 0.78];
/// Weight of a label's colour on its outline.
const OUTLINE: f64 = 0.9;
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
    let window = stack.window();
    for (row, plane) in Plane::ALL.into_iter().enumerate() {
        for column in 0..=options.slices {
            let cell = grid.cell(row, column, plane);
            draw_slice(&mut picture, &stack, &cell, table, window, options);
        }
    }
    legend::draw(&mut picture, [grid.width(), grid.top()], &entries, table);
    let note = format!("{}, positions in mm (RAS)", options.view.note());
    picture.text([GAP, grid.height() - GAP - TextSize::Small.height()], &note, TextSize::Small, FAINT);
    Ok(picture)
}

/// Where everything lies.
struct Grid {
    shown: WorldBox,
    slices: usize,
    view: View,
    pixel_mm: f64,
    header: usize,
    cell_width: usize,
    row_heights: [usize; 3],
}

/// One slice of the montage.
struct Cell {
    plane: Plane,
    position_mm: f64,
    labelled: bool,
    /// Top left corner and size, in pixels.
    origin: [usize; 2],
    size: [usize; 2],
    /// World position of the corner pixel's centre.
    corner: [f64; 3],
    /// World step per pixel along the row and down the column.
    steps: [[f64; 3]; 2],
}

impl Grid {
    fn new(stack: &Stack, options: &MontageOptions) -> Result<Self, SegError> {
        let shown = stack.labelled_box(MARGIN_MM);
        let pixels = |axis: usize| (shown.extent(axis) / options.pixel_mm).ceil().max(1.0) as usize;
        let cell_width = pixels(0).max(pixels(1));
        let row_heights = Plane::ALL.map(|plane| pixels(plane.axes()[1]));
        let header = if options.title.is_empty() { GAP } else { 2 * GAP + TextSize::Large.height() };
        let (slices, pixel_mm) = (options.slices, options.pixel_mm);
        let grid = Self { shown, slices, view: options.view, pixel_mm, header, cell_width, row_heights };
        if grid.width().max(grid.height()) > LARGEST {
            return Err(SegError::Option {
                name: "pixel_mm",
                value: pixel_mm.to_string(),
                why: "the picture would have more than 16384 pixels along a side",
            });
        }
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

    fn cell(&self, row: usize, column: usize, plane: Plane) -> Cell {
        let fraction = match column {
            0 => (SPAN[0] + SPAN[1]) / 2.0,
            _ if self.slices == 1 => 0.5,
            _ => SPAN[0] + (SPAN[1] - SPAN[0]) * (column - 1) as f64 / (self.slices - 1) as f64,
        };
        let [across, up] = plane.axes();
        let size = [(self.shown.extent(across) / self.pixel_mm).ceil().max(1.0) as usize, self.row_heights[row]];
        let above: usize = self.row_heights[..row].iter().map(|height| height + GAP).sum();
        let left = GAP + column * (self.cell_width + GAP) + (self.cell_width - size[0]) / 2;
        let mirrored = across == 0 && self.view == View::Radiological;
        let position_mm = self.shown.at(plane.normal(), fraction);
        let mut corner = [position_mm; 3];
        let mut steps = [[0.0; 3]; 2];
        let half = self.pixel_mm / 2.0;
        corner[across] = if mirrored { self.shown.high[across] - half } else { self.shown.low[across] + half };
        corner[up] = self.shown.high[up] - half;
        steps[0][across] = if mirrored { -self.pixel_mm } else { self.pixel_mm };
        steps[1][up] = -self.pixel_mm;
        Cell { plane, position_mm, labelled: column > 0, origin: [left, self.header + above], size, corner, steps }
    }
}

fn draw_slice(
    picture: &mut Picture,
    stack: &Stack,
    cell: &Cell,
    table: &LabelTable,
    [black, white]: [f32; 2],
    options: &MontageOptions,
) {
    let [width, height] = cell.size;
    let samples: Vec<Sample> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x as f64, y as f64)))
        .map(|(x, y)| {
            let [across, down] = cell.steps;
            stack.sample(std::array::from_fn(|a| cell.corner[a] + x * across[a] + y * down[a]))
        })
        .collect();
    for (index, sample) in samples.iter().enumerate().filter(|(_, sample)| sample.inside) {
        let (x, y) = (index % width, index / width);
        let grey = ((sample.value - black) / (white - black)).clamp(0.0, 1.0) * 255.0;
        let mut colour = [grey as u8; 3];
        if cell.labelled && sample.label != 0 {
            let differs = |other: Option<&Sample>| other.is_none_or(|other| other.label != sample.label);
            let outline = x + 1 == width
                || differs(samples.get(index + 1))
                || differs(samples.get(index + width))
                || x == 0
                || samples[index - 1].label == 0
                || index < width
                || samples[index - width].label == 0;
            let weight = if outline { options.opacity.max(OUTLINE * options.opacity.sqrt()) } else { options.opacity };
            let over = table.colour(sample.label);
            colour =
                std::array::from_fn(|c| (f64::from(grey) * (1.0 - weight) + f64::from(over[c]) * weight).round() as u8);
        }
        picture.set(cell.origin[0] + x, cell.origin[1] + y, colour);
    }
    caption(picture, cell, options.view);
}

fn caption(picture: &mut Picture, cell: &Cell, view: View) {
    let [left, top] = cell.origin;
    let [width, height] = cell.size;
    let size = TextSize::Small;
    let position = format!("{} = {:.0}", cell.plane.axis_name(), cell.position_mm);
    picture.text([left + 3, top + height.saturating_sub(size.height())], &position, size, TEXT);
    let [low, high] = cell.plane.sides(view);
    let middle = top + height / 2 - (size.height() / 2).min(height / 2);
    picture.text([left + 2, middle], low, size, FAINT);
    picture.text([left + width.saturating_sub(size.advance() + 1), middle], high, size, FAINT);
}
