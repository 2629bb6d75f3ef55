//! The page of one scan.

use std::fmt::Write as _;

use super::html::{document, escaped, number};
use super::pairs::Rows;
use super::summary::{self, ReportSummary};
use super::{ReportPage, figures, sections};
use crate::{SegError, View};

pub(super) fn render(page: &ReportPage<'_>) -> Result<String, SegError> {
    let slices = figures::slices(page)?;
    let summary = summary::of_page(page, &slices)?;
    let rows = Rows::new(&page.volumes, page.table);
    let mut body = header(page, &summary);
    body.push_str(&warnings(&page.warnings));
    let view = match page.slices.view {
        View::Neurological => "Neurological view: the left of an axial or coronal picture is the left of the body.",
        View::Radiological => "Radiological view: the left of an axial or coronal picture is the right of the body.",
    };
    let _ = write!(
        body,
        "<h2>Slices</h2>\n<p class=\"note\">Structures are outlined in the colours of the tables below. {view} \
         Positions are in mm (RAS).</p>\n{}",
        figures::mosaic(&slices)?
    );
    if !page.volumes.is_empty() || page.total_mm3.is_some() || page.tissues.is_some() {
        let asymmetry = if rows.pairs.is_empty() && rows.parcels.is_empty() {
            ""
        } else {
            " Asymmetry is 100 (L \u{2212} R) / (\u{bd} (L + R)): positive where the left is larger."
        };
        let _ = write!(
            body,
            "<h2>Volumes</h2>\n<p class=\"note\">In mL; the pointer shows mm\u{b3}.{asymmetry}</p>\n{}",
            sections::volumes(page, &rows)
        );
    }
    if !page.quality.is_empty() {
        body.push_str(&sections::quality(page));
    }
    body.push_str(&sections::facts(&page.facts));
    body.push_str("<footer>Volumes are results of an automatic segmentation. Look at the outlines before you use them.</footer>\n");
    Ok(document(&page.name, &summary.meta_tag(), &body))
}

fn header(page: &ReportPage<'_>, summary: &ReportSummary) -> String {
    let (class, word) = summary.status.class_and_word();
    let mut html = format!(
        "<header><h1>{}</h1><span class=\"status {class}\">{word}</span></header>\n<dl class=\"tiles\">\n",
        escaped(&page.name)
    );
    let mut tile = |name: &str, value: String, unit: &str| {
        let _ = writeln!(html, "<div><dt>{}</dt><dd>{value} <small>{unit}</small></dd></div>", escaped(name));
    };
    for (name, mm3) in &summary.volumes {
        tile(name, number(mm3 / 1000.0, 1), "mL");
    }
    if let Some(lowest) = page.lowest_quality() {
        tile("lowest quality", number(lowest.score, 4), "");
    }
    html + "</dl>\n"
}

fn warnings(warnings: &[String]) -> String {
    if warnings.is_empty() {
        return String::new();
    }
    let items: String = warnings.iter().map(|warning| format!("<li>{}</li>\n", escaped(warning))).collect();
    format!("<ul class=\"warnings\">\n{items}</ul>\n")
}
