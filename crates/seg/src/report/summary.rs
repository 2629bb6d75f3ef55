//! What an index page tells of one scan.

use serde::{Deserialize, Serialize};

use super::ReportPage;
use super::html::{data_uri, escaped};
use super::pairs::{Row, Rows};
use crate::SegError;
use crate::picture::Slices;

/// Name of the element of a page that holds its summary.
const META: &str = "volkit-report";
/// Structures that an index shows beside the tissues, both sides together.
const KEY_STRUCTURES: [&str; 2] = ["hippocampus", "lateral ventricle"];

/// How a scan went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ReportStatus {
    /// Segmented, no score below the threshold.
    Ok,
    /// Segmented, with a score below the threshold.
    Flagged,
    /// Not segmented.
    Failed {
        /// Why, in one line.
        error: String,
    },
}

impl ReportStatus {
    pub(super) fn class_and_word(&self) -> (&'static str, &'static str) {
        match self {
            Self::Ok => ("ok", "ok"),
            Self::Flagged => ("flagged", "flagged"),
            Self::Failed { .. } => ("failed", "failed"),
        }
    }
}

/// One scan on an index page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReportSummary {
    /// Name of the scan.
    pub name: String,
    /// How it went.
    pub status: ReportStatus,
    /// Key volumes: name and mm3.
    pub volumes: Vec<(String, f64)>,
    /// Group of lowest predicted quality, and its score; none where the score is not a number.
    pub lowest_quality: Option<(String, Option<f64>)>,
    /// A small slice as `data:image/png;base64,..`.
    pub thumbnail: Option<String>,
}

impl ReportSummary {
    /// A scan that was not segmented, and why.
    #[must_use]
    pub fn failed(name: impl Into<String>, error: impl Into<String>) -> Self {
        let status = ReportStatus::Failed { error: error.into() };
        Self { name: name.into(), status, volumes: Vec::new(), lowest_quality: None, thumbnail: None }
    }

    /// The summary inside a page that [`ReportPage::render`] made, so that an index can list scans of earlier runs; none
    /// for any other text.
    #[must_use]
    pub fn of_page(html: &str) -> Option<Self> {
        let start = format!("<meta name=\"{META}\" content=\"");
        let content = &html[html.find(&start)? + start.len()..];
        serde_json::from_str(&unescaped(&content[..content.find('"')?])).ok()
    }

    /// The element that [`ReportSummary::of_page`] reads.
    pub(super) fn meta_tag(&self) -> String {
        // Strings and finite numbers always serialise.
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("<meta name=\"{META}\" content=\"{}\">\n", escaped(&json))
    }
}

pub(super) fn of_page(page: &ReportPage<'_>, slices: &Slices<'_>) -> Result<ReportSummary, SegError> {
    let is_flagged = page.quality.iter().any(|score| page.is_flagged(score.score));
    let lowest = page.lowest_quality();
    Ok(ReportSummary {
        name: page.name.clone(),
        status: if is_flagged { ReportStatus::Flagged } else { ReportStatus::Ok },
        volumes: key_volumes(page),
        lowest_quality: lowest.map(|lowest| (lowest.group.clone(), Some(lowest.score).filter(|s| s.is_finite()))),
        thumbnail: Some(data_uri(&slices.thumbnail())?),
    })
}

/// Total, tissues (else all structures) and a few structures; only finite numbers.
fn key_volumes(page: &ReportPage<'_>) -> Vec<(String, f64)> {
    let mut volumes: Vec<(String, f64)> =
        page.total_mm3.map(|mm3| ("intracranial".to_owned(), mm3)).into_iter().collect();
    if let Some(tissues) = &page.tissues {
        let named = [
            ("brain", tissues.brain),
            ("grey matter", tissues.grey),
            ("white matter", tissues.white),
            ("CSF", tissues.csf),
        ];
        volumes.extend(named.map(|(name, mm3)| (name.to_owned(), mm3)));
    } else if !page.volumes.is_empty() {
        volumes.push(("all structures".to_owned(), page.volumes.iter().map(|volume| volume.mm3).sum()));
    }
    let rows = Rows::new(&page.volumes, page.table);
    for key in KEY_STRUCTURES {
        let is_key = |row: &&Row| row.name.replace(['-', '_'], " ").eq_ignore_ascii_case(key);
        let row = rows.pairs.iter().chain(&rows.single).find(is_key);
        volumes.extend(row.map(|row| (key.to_owned(), row.sum_mm3())));
    }
    volumes.retain(|(_, mm3)| mm3.is_finite());
    volumes
}

/// What [`escaped`] made, back.
fn unescaped(html: &str) -> String {
    // `&amp;` last: its result must not be read as the start of another.
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(html.to_owned(), |text, (from, to)| text.replace(from, to))
}
