//! Pictures of a segmentation: slices of the scan with the labels over it.

mod canvas;
mod cut;
mod legend;
mod montage;
mod paint;
#[cfg(feature = "report")]
mod png;
mod slice;
#[cfg(feature = "report")]
mod slices;

pub use canvas::Picture;
pub use montage::montage;
#[cfg(feature = "report")]
pub(crate) use paint::line_colour;
#[cfg(feature = "report")]
pub(crate) use slices::{SlicePicture, Slices};

/// Which way a slice is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// From above and behind: the left of the picture is the left of the body.
    #[default]
    Neurological,
    /// From below and in front: the left of the picture is the right of the body.
    Radiological,
}

impl View {
    fn note(self) -> &'static str {
        match self {
            Self::Neurological => "neurological view: left of the picture = left of the body",
            Self::Radiological => "radiological view: left of the picture = right of the body",
        }
    }
}

/// How labels are drawn over the scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelStyle {
    /// Areas of colour that let the scan through, with a stronger edge.
    #[default]
    Filled,
    /// One line where two labels meet, in the colour of one of them: a colour wins over a grey, and the smaller
    /// structure over the larger. Nothing else of the scan is hidden.
    Outlines,
}

/// How [`montage`] draws.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MontageOptions {
    /// Line of text above the slices. Default: empty.
    pub title: String,
    /// Slices with labels in each plane, beside one without. Default: 4.
    pub slices: usize,
    /// Size of a pixel in mm, the same along both axes whatever the voxels are. Default: 0.8.
    pub pixel_mm: f64,
    /// How labels are drawn. Default: filled.
    pub style: LabelStyle,
    /// Weight of a label's colour inside its outline, from 0 to 1, where labels are filled. Default: 0.45.
    pub opacity: f64,
    /// Most labels that the legend lists, the largest first. Default: 17.
    pub legend: usize,
    /// Which way slices are seen. Default: neurological.
    pub view: View,
}

impl MontageOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            title: String::new(),
            slices: 4,
            pixel_mm: 0.8,
            style: LabelStyle::Filled,
            opacity: 0.45,
            legend: 17,
            view: View::Neurological,
        }
    }

    /// With a line of text above.
    #[must_use]
    pub fn with_title(self, title: impl Into<String>) -> Self {
        Self { title: title.into(), ..self }
    }

    /// With another number of slices in each plane.
    #[must_use]
    pub fn with_slices(self, slices: usize) -> Self {
        Self { slices, ..self }
    }

    /// With pixels of another size.
    #[must_use]
    pub fn with_pixel_mm(self, pixel_mm: f64) -> Self {
        Self { pixel_mm, ..self }
    }

    /// With labels drawn another way.
    #[must_use]
    pub fn with_style(self, style: LabelStyle) -> Self {
        Self { style, ..self }
    }

    /// Seen the other way.
    #[must_use]
    pub fn with_view(self, view: View) -> Self {
        Self { view, ..self }
    }

    /// Checks the ranges: 1 to 20 slices, pixels of 0.05 to 20 mm, an opacity from 0 to 1.
    ///
    /// # Errors
    /// [`crate::SegError::Option`].
    pub fn validate(&self) -> Result<(), crate::SegError> {
        let wrong = |name, value: String, why| Err(crate::SegError::Option { name, value, why });
        if !(1..=20).contains(&self.slices) {
            return wrong("slices", self.slices.to_string(), "expected 1 to 20");
        }
        if !(0.05..=20.0).contains(&self.pixel_mm) {
            return wrong("pixel_mm", self.pixel_mm.to_string(), "expected 0.05 to 20 mm");
        }
        if !(0.0..=1.0).contains(&self.opacity) {
            return wrong("opacity", self.opacity.to_string(), "expected 0 to 1");
        }
        Ok(())
    }
}

impl Default for MontageOptions {
    fn default() -> Self {
        Self::new()
    }
}
