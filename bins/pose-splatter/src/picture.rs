//! Pictures side by side.

use std::path::Path;

use volkit_core::BoxError;
use volkit_splat::{Rendering, write_png};

/// Pictures `[rows, columns, 3]` of one size, 0 to 1, laid out in rows of a sheet.
pub(crate) struct Sheet {
    size: [usize; 2],
    rows: Vec<Vec<Vec<f32>>>,
}

impl Sheet {
    /// A sheet for pictures of `size` columns and rows.
    pub(crate) fn new(size: [usize; 2]) -> Self {
        Self { size, rows: Vec::new() }
    }

    /// Adds a row of pictures.
    pub(crate) fn push(&mut self, row: Vec<Vec<f32>>) {
        self.rows.push(row);
    }

    /// Writes the sheet as a PNG.
    pub(crate) fn write(&self, path: &Path) -> Result<(), BoxError> {
        let [width, height] = self.size;
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut sheet = Rendering { width: columns * width, height: self.rows.len() * height, ..Rendering::default() };
        sheet.colour = vec![1.0; 3 * sheet.width * sheet.height];
        for (r, row) in self.rows.iter().enumerate() {
            for (c, picture) in row.iter().enumerate() {
                for (y, line) in picture.chunks_exact(3 * width).enumerate() {
                    let start = 3 * ((r * height + y) * sheet.width + c * width);
                    sheet.colour[start..start + line.len()].copy_from_slice(line);
                }
            }
        }
        Ok(write_png(path, &sheet)?)
    }
}
