//! Slices as pictures of their own, for pages that lay them out themselves.

use volkit_core::Volume;

use super::canvas::Picture;
use super::cut::{Cut, fraction};
use super::montage::{MARGIN_MM, check_size};
use super::paint::Brush;
use super::slice::{Plane, Stack, WorldBox};
use super::{LabelStyle, MontageOptions, View};
use crate::{LabelTable, SegError};

const BLACK: [u8; 3] = [0; 3];
/// Height of the small picture of a scan, in pixels.
const THUMBNAIL_PX: f64 = 168.0;

/// One slice with its labels over it.
pub(crate) struct SlicePicture {
    /// World axis that the slice has one position on, and where.
    pub(crate) axis: char,
    pub(crate) position_mm: f64,
    /// Letters of the directions at the left, right, upper and lower edge.
    pub(crate) edges: [&'static str; 4],
    pub(crate) picture: Picture,
}

/// Slices of a scan, ready to be drawn.
pub(crate) struct Slices<'a> {
    stack: Stack,
    shown: WorldBox,
    brush: Brush<'a>,
    count: usize,
    pixel_mm: f64,
    view: View,
}

impl<'a> Slices<'a> {
    /// Of options: slices in each plane, pixel size and view; labels are outlined.
    pub(crate) fn new(
        scan: &Volume,
        labels: &Volume,
        table: &'a LabelTable,
        options: &MontageOptions,
    ) -> Result<Self, SegError> {
        options.validate()?;
        let stack = Stack::new(scan, labels)?;
        let shown = stack.labelled_box(MARGIN_MM);
        let longest_mm = (0..3).map(|axis| shown.extent(axis)).fold(0.0, f64::max);
        check_size((longest_mm / options.pixel_mm).ceil() as usize, options.pixel_mm)?;
        let brush = Brush::new(&stack, table, LabelStyle::Outlines, 1.0);
        Ok(Self { stack, shown, brush, count: options.slices, pixel_mm: options.pixel_mm, view: options.view })
    }

    /// Name of each plane with its slices: axial, coronal, sagittal.
    pub(crate) fn planes(&self) -> [(&'static str, Vec<SlicePicture>); 3] {
        [(Plane::Axial, "Axial"), (Plane::Coronal, "Coronal"), (Plane::Sagittal, "Sagittal")].map(|(plane, name)| {
            let slices = (0..self.count).map(|index| self.slice(plane, fraction(index, self.count), self.pixel_mm));
            (name, slices.collect())
        })
    }

    /// A small axial slice.
    pub(crate) fn thumbnail(&self) -> Picture {
        let pixel_mm = (self.shown.extent(1) / THUMBNAIL_PX).max(self.pixel_mm);
        self.slice(Plane::Axial, 0.5, pixel_mm).picture
    }

    fn slice(&self, plane: Plane, fraction: f64, pixel_mm: f64) -> SlicePicture {
        let cut = Cut::new(&self.shown, plane, fraction, pixel_mm, self.view);
        let mut picture = Picture::filled(cut.size[0], cut.size[1], BLACK);
        self.brush.paint(&mut picture, &self.stack, &cut, [0, 0], true);
        let ([left, right], [above, below]) = (plane.sides(self.view), plane.ends());
        let edges = [left, right, above, below];
        SlicePicture { axis: plane.axis_name(), position_mm: cut.position_mm, edges, picture }
    }
}
