//! Pages.

use std::fmt::Write as _;

use volkit_pose::MetricsTable;

use crate::project::Project;

const STYLE: &str = "body{font-family:sans-serif;margin:2em auto;max-width:72em;color:#222}table{border-collapse:collapse}\
td,th{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:right}img{max-width:100%;image-rendering:pixelated}";

/// A table whose cells are HTML.
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        let heads: String = heads.iter().map(|head| format!("<th>{head}</th>")).collect();
        Self { text: format!("<table><tr>{heads}</tr>") }
    }

    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.text.push_str("<tr>");
        self.text.extend(cells.into_iter().map(|cell| format!("<td>{cell}</td>")));
        self.text.push_str("</tr>");
    }

    pub(crate) fn html(&self) -> String {
        format!("{}</table>", self.text)
    }
}

/// A page of its own.
pub(crate) fn document(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1>{body}</html>\n"
    )
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

/// Table of measures, and pictures of test frames: truth above, rendering below.
pub(crate) fn html(project: &Project, table: &MetricsTable, pictures: &[(usize, String)]) -> String {
    let heads = ["camera", "", "PSNR (dB)", "PSNR of the animal", "SSIM", "IoU", "L1 per mask area"];
    let mut rows = Table::new(&heads);
    for (camera, held_out, m) in &table.rows {
        let kind = if *held_out { "held out" } else { "observed" };
        let decibel = [m.psnr, m.psnr_foreground].map(|x| format!("{x:.2}"));
        let shares = [m.ssim, m.iou, m.l1].map(|x| format!("{x:.4}"));
        rows.push([camera.to_string(), kind.to_owned()].into_iter().chain(decibel).chain(shares));
    }
    let mut figures = String::new();
    for (frame, path) in pictures {
        // Writing to a text can not fail.
        let _ = write!(figures, "<h3>frame {frame}</h3><img src=\"{}\" alt=\"frame {frame}\">", escaped(path));
    }
    let body = format!(
        "<h2>Last third of the recording</h2>{}<h2>What the cameras saw, and what the model renders</h2>{figures}",
        rows.html()
    );
    document(&project.config.project_directory, &body)
}
