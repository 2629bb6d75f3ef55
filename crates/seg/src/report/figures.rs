//! The mosaic: slices in three planes with the structures outlined.

use std::fmt::Write as _;

use super::ReportPage;
use super::html::{data_uri, number};
use crate::SegError;
use crate::picture::{SlicePicture, Slices};

/// The slices of a page.
pub(super) fn slices<'a>(page: &ReportPage<'a>) -> Result<Slices<'a>, SegError> {
    Slices::new(page.scan, page.labels, page.table, &page.slices)
}

/// A strip of slices for each plane.
pub(super) fn mosaic(slices: &Slices<'_>) -> Result<String, SegError> {
    let mut html = String::new();
    for (plane, pictures) in slices.planes() {
        let _ = write!(html, "<h3>{plane}</h3>\n<div class=\"strip\" style=\"--n: {}\">\n", pictures.len());
        for slice in &pictures {
            html.push_str(&figure(plane, slice)?);
        }
        html.push_str("</div>\n");
    }
    Ok(html)
}

fn figure(plane: &str, slice: &SlicePicture) -> Result<String, SegError> {
    let [left, right, above, below] = slice.edges;
    let position = format!("{} = {}", slice.axis, number(slice.position_mm, 0));
    let (width, height) = (slice.picture.width(), slice.picture.height());
    Ok(format!(
        "<figure><img src=\"{}\" width=\"{width}\" height=\"{height}\" alt=\"{plane} slice at {position} mm\">\
         <b>{left}</b><b>{right}</b><b>{above}</b><b>{below}</b><figcaption>{position}</figcaption></figure>\n",
        data_uri(&slice.picture)?
    ))
}
