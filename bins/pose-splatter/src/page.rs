//! The page of a project.

use std::fmt::Write as _;

use volkit_pose::MetricsTable;

use crate::project::Project;

const STYLE: &str = "body{font-family:sans-serif;margin:2em auto;max-width:72em;color:#222}table{border-collapse:collapse}\
td,th{padding:.3em .8em;border-bottom:1px solid #ddd;text-align:right}img{max-width:100%;image-rendering:pixelated}";

/// Table of measures, and pictures of test frames: truth above, rendering below.
pub(crate) fn html(project: &Project, table: &MetricsTable, pictures: &[(usize, String)]) -> String {
    let mut rows = String::new();
    for (camera, held_out, m) in &table.rows {
        let kind = if *held_out { "held out" } else { "observed" };
        // Writing to a text can not fail.
        let _ = write!(
            rows,
            "<tr><td>{camera}</td><td>{kind}</td><td>{:.2}</td><td>{:.2}</td><td>{:.4}</td><td>{:.4}</td><td>{:.4}</td></tr>",
            m.psnr, m.psnr_foreground, m.ssim, m.iou, m.l1
        );
    }
    let mut figures = String::new();
    for (frame, path) in pictures {
        let _ = write!(figures, "<h3>frame {frame}</h3><img src=\"{}\" alt=\"frame {frame}\">", escaped(path));
    }
    let name = escaped(&project.config.project_directory);
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title><style>{STYLE}</style>\
         <h1>{name}</h1><h2>Last third of the recording</h2><table><tr><th>camera</th><th></th><th>PSNR (dB)</th>\
         <th>PSNR of the animal</th><th>SSIM</th><th>IoU</th><th>L1 per mask area</th></tr>{rows}</table>\
         <h2>What the cameras saw, and what the model renders</h2>{figures}</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
