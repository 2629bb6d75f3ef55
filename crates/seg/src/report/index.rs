//! The index page of a folder of scans.

use std::fmt::Write as _;

use super::html::{NONE, document, escaped, link, number};
use super::summary::{ReportStatus, ReportSummary};

/// Start of the pictures that an index takes over from pages.
const PNG_URI: &str = "data:image/png;base64,";

/// The index page of a folder: one row a scan, with a link to its page.
///
/// ```
/// use volkit_seg::{ReportIndex, ReportSummary};
/// let mut index = ReportIndex::new("study 7");
/// index.push(ReportSummary::failed("sub-02", "sub-02.nii.gz: truncated"), None);
/// assert!(index.render().contains("sub-02.nii.gz: truncated"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ReportIndex {
    /// Heading of the page.
    pub title: String,
    /// Scans in order, each with the path of its page relative to the index.
    pub rows: Vec<(ReportSummary, Option<String>)>,
    /// Line at the foot of the page, as the program and its version.
    pub note: String,
}

impl ReportIndex {
    /// An index without scans.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// With a line at the foot.
    #[must_use]
    pub fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// Adds a scan; `page` is the path of its page relative to the index, with `/` between folders.
    pub fn push(&mut self, summary: ReportSummary, page: Option<String>) {
        self.rows.push((summary, page));
    }

    /// The page: HTML that needs no other file but the pages it links to.
    #[must_use]
    pub fn render(&self) -> String {
        let columns = self.columns();
        let mut body = format!(
            "<header><h1>{}</h1></header>\n<p>{}</p>\n<p class=\"note\">Volumes in mL, structures both sides \
             together.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th></th><th>Scan</th><th>Status</th>",
            escaped(&self.title),
            self.counts()
        );
        for column in &columns {
            let _ = write!(body, "<th class=\"n\">{}</th>", escaped(column));
        }
        body.push_str("<th class=\"n\">lowest quality</th></tr></thead>\n<tbody>\n");
        for (summary, page) in &self.rows {
            body.push_str(&row(summary, page.as_deref(), &columns));
        }
        body.push_str("</tbody>\n</table></div>\n");
        if !self.note.is_empty() {
            let _ = writeln!(body, "<footer>{}</footer>", escaped(&self.note));
        }
        document(&self.title, "", &body)
    }

    /// Names of volumes that any scan has, in the order in which they first come.
    fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        for (name, _) in self.rows.iter().flat_map(|(summary, _)| &summary.volumes) {
            if !columns.contains(name) {
                columns.push(name.clone());
            }
        }
        columns
    }

    /// `4 scans: 2 ok, 1 flagged, 1 failed`.
    fn counts(&self) -> String {
        let n = self.rows.len();
        let parts = ["ok", "flagged", "failed"].into_iter().filter_map(|wanted| {
            let count = self.rows.iter().filter(|(summary, _)| summary.status.class_and_word().0 == wanted).count();
            (count > 0).then(|| format!("<span class=\"{wanted}\">{count} {wanted}</span>"))
        });
        let parts: Vec<String> = parts.collect();
        format!("{n} scan{}{}{}", if n == 1 { "" } else { "s" }, if n == 0 { "" } else { ": " }, parts.join(", "))
    }
}

fn row(summary: &ReportSummary, page: Option<&str>, columns: &[String]) -> String {
    let picture = match summary.thumbnail.as_deref().filter(|uri| uri.starts_with(PNG_URI)) {
        Some(uri) => format!("<img src=\"{}\" alt=\"\">", escaped(uri)),
        None => "<span></span>".to_owned(),
    };
    let name = escaped(&summary.name);
    let (open, close) = match page {
        Some(page) => (format!("<a href=\"{}\">", escaped(&link(page))), "</a>"),
        None => (String::new(), ""),
    };
    let (class, word) = summary.status.class_and_word();
    let mut html = format!(
        "<tr><td class=\"thumb\">{open}{picture}{close}</td><td class=\"scan\">{open}{name}{close}</td>\
         <td><span class=\"status {class}\">{word}</span></td>"
    );
    if let ReportStatus::Failed { error } = &summary.status {
        let n_columns = columns.len() + 1;
        return html + &format!("<td class=\"why\" colspan=\"{n_columns}\">{}</td></tr>\n", escaped(error));
    }
    for column in columns {
        let mm3 = summary.volumes.iter().find(|(name, _)| name == column).map(|(_, mm3)| *mm3);
        let _ = match mm3 {
            Some(mm3) => {
                write!(html, "<td class=\"n\" title=\"{} mm\u{b3}\">{}</td>", number(mm3, 3), number(mm3 / 1000.0, 1))
            }
            None => write!(html, "<td class=\"n\">{NONE}</td>"),
        };
    }
    let lowest = match &summary.lowest_quality {
        Some((group, score)) => {
            let score = score.map_or(NONE.to_owned(), |score| number(score, 2));
            format!("{score}<br><span class=\"note\">{}</span>", escaped(group))
        }
        None => NONE.to_owned(),
    };
    html + &format!("<td class=\"n\">{lowest}</td></tr>\n")
}
