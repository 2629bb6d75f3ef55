//! The tables of a page: volumes, quality, facts of the run.

use std::fmt::Write as _;

use volkit_core::duration_text;

use super::ReportPage;
use super::facts::RunFacts;
use super::html::{NONE, bytes, escaped, number, signed, volume_cell};
use super::pairs::{Row, Rows};
use crate::picture::line_colour;
use crate::{LabelTable, Tissues};

/// Asymmetry, in percent, at which the bar beside it is full.
const FULL_BAR_PERCENT: f64 = 25.0;

/// Volumes of structures, parcels and tissues.
pub(super) fn volumes(page: &ReportPage<'_>, rows: &Rows) -> String {
    let tissues = tissue_table(page).unwrap_or_default();
    let mut html = if rows.pairs.is_empty() {
        in_two_columns("Structures", &rows.single, page.table, single_table) + &tissues
    } else {
        let pairs = pair_table("Left and right", &rows.pairs, page.table);
        let middle = single_table("In the middle", &rows.single, page.table);
        format!("<div class=\"split\"><div>{pairs}</div><div>{tissues}{middle}</div></div>\n")
    };
    if !rows.parcels.is_empty() {
        html.push_str(&in_two_columns("Parcels of the cortex", &rows.parcels, page.table, pair_table));
    }
    html
}

/// A long table beside its second half; the first is as long or one row longer.
fn in_two_columns(
    title: &str,
    rows: &[Row],
    labels: &LabelTable,
    table: impl Fn(&str, &[Row], &LabelTable) -> String,
) -> String {
    let (first, second) = rows.split_at(rows.len().div_ceil(2));
    let (first, second) = (table(title, first, labels), table("\u{a0}", second, labels));
    format!("<div class=\"split even\"><div>{first}</div><div>{second}</div></div>\n")
}

fn pair_table(title: &str, rows: &[Row], table: &LabelTable) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<h3>{title}</h3>\n<div class=\"scroll\"><table>\n<thead><tr><th>Structure</th><th class=\"n\">Left mL</th>\
         <th class=\"n\">Right mL</th><th class=\"n\">Asymmetry %</th><th></th></tr></thead>\n<tbody>\n"
    );
    for row in rows {
        let asymmetry = row.asymmetry_percent();
        let _ = writeln!(
            html,
            "<tr><td>{}{}</td>{}{}<td class=\"n\">{}</td><td>{}</td></tr>",
            swatches(row, table),
            escaped(&row.name),
            volume_cell(row.mm3[0]),
            volume_cell(row.mm3[1]),
            asymmetry.map_or(NONE.to_owned(), |percent| signed(percent, 1)),
            asymmetry.map_or(String::new(), sided_bar),
        );
    }
    html + "</tbody>\n</table></div>\n"
}

/// A bar that grows from its middle to the larger side.
fn sided_bar(percent: f64) -> String {
    let side = if percent >= 0.0 { "left" } else { "right" };
    let width = 50.0 * (percent.abs() / FULL_BAR_PERCENT).min(1.0);
    format!("<span class=\"sided\"><i class=\"{side}\" style=\"width: {width:.1}%\"></i></span>")
}

fn single_table(title: &str, rows: &[Row], table: &LabelTable) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut html = format!(
        "<h3>{title}</h3>\n<table>\n<thead><tr><th>Structure</th><th class=\"n\">mL</th></tr></thead>\n<tbody>\n"
    );
    for row in rows {
        let (swatch, name) = (swatches(row, table), escaped(&row.name));
        let _ = writeln!(html, "<tr><td>{swatch}{name}</td>{}</tr>", volume_cell(row.mm3[0]));
    }
    html + "</tbody>\n</table>\n"
}

/// The colours of a row's labels as they are drawn; one where both sides have the same.
fn swatches(row: &Row, table: &LabelTable) -> String {
    let mut colours: Vec<_> = row.labels.iter().flatten().map(|&label| line_colour(table.colour(label))).collect();
    // Tables tell the sides apart by a digit at most, which nobody sees.
    colours.dedup_by(|a, b| a.iter().zip(b.iter()).all(|(a, b)| a.abs_diff(*b) <= 2));
    colours.iter().fold(String::new(), |html, [r, g, b]| {
        html + &format!("<span class=\"swatch\" style=\"background: #{r:02x}{g:02x}{b:02x}\"></span>")
    })
}

fn tissue_table(page: &ReportPage<'_>) -> Option<String> {
    let figures = page.tissues.iter().flat_map(|tissues| Tissues::NAMES.into_iter().zip(tissues.figures()));
    let mut rows: Vec<(&str, f64)> = figures.collect();
    rows.extend(page.total_mm3.map(|total| ("total intracranial", total)));
    let share_of = page.total_mm3.filter(|total| *total > 0.0);
    if rows.is_empty() {
        return None;
    }
    let mut html = "<h3>Tissues</h3>\n<table>\n<thead><tr><th>Tissue</th><th class=\"n\">mL</th>".to_owned();
    html.push_str(if share_of.is_some() { "<th class=\"n\">% of total</th>" } else { "" });
    html.push_str("</tr></thead>\n<tbody>\n");
    for (name, mm3) in rows {
        let share =
            share_of.map_or(String::new(), |total| format!("<td class=\"n\">{}</td>", number(100.0 * mm3 / total, 1)));
        let _ = writeln!(html, "<tr><td>{name}</td>{}{share}</tr>", volume_cell(Some(mm3)));
    }
    Some(html + "</tbody>\n</table>\n")
}

/// Scores against the threshold.
pub(super) fn quality(page: &ReportPage<'_>) -> String {
    let threshold = page.quality_threshold;
    let mut html = format!(
        "<h2>Predicted quality</h2>\n<p class=\"note\">Dice coefficient that the quality network expects of each group, \
         from 0 to 1. Below {threshold} (the mark on the bars) a group is flagged: look at it before you use its \
         volumes.</p>\n<table>\n<thead><tr><th>Group</th><th class=\"n\">Score</th><th></th><th></th></tr></thead>\n<tbody>\n"
    );
    for score in &page.quality {
        let is_low = page.is_flagged(score.score);
        let (class, verdict) = if is_low {
            ("bar low", format!("<span class=\"flagged\">below {threshold}</span>"))
        } else {
            ("bar", "<span class=\"ok\">ok</span>".to_owned())
        };
        let percent = |value: f64| 100.0 * value.clamp(0.0, 1.0);
        let fill = if score.score.is_nan() { 0.0 } else { percent(score.score) };
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td class=\"n\">{}</td><td style=\"width: 55%\"><span class=\"{class}\">\
             <i style=\"width: {fill:.2}%\"></i><u style=\"left: calc({:.2}% - 1px)\"></u></span></td><td>{verdict}</td></tr>",
            escaped(&score.group),
            number(score.score, 4),
            percent(threshold),
        );
    }
    html + "</tbody>\n</table>\n"
}

/// What was run, and how long its stages took.
pub(super) fn facts(facts: &RunFacts) -> String {
    let mut list = String::new();
    let mut fact = |name: &str, text: &str| {
        let _ = writeln!(list, "<dt>{}</dt><dd>{text}</dd>", escaped(name));
    };
    if !facts.software.is_empty() {
        fact("Software", &escaped(&facts.software));
    }
    for model in &facts.models {
        let sum = format!("<br><code>sha256 {}</code>", escaped(&model.sha256));
        let sum = if model.sha256.is_empty() { String::new() } else { sum };
        fact("Weights", &(escaped(&model.name) + &sum));
    }
    for (name, text) in [("Mode", &facts.mode), ("Path", &facts.path), ("Device", &facts.device)] {
        text.iter().for_each(|text| fact(name, &escaped(text)));
    }
    facts.threads.iter().for_each(|threads| fact("Threads", &threads.to_string()));
    facts.cpu_secs.iter().for_each(|&secs| fact("CPU time", &duration_text(secs)));
    facts.peak_bytes.iter().for_each(|&peak| fact("Peak memory", &bytes(peak)));
    facts.others.iter().for_each(|(name, text)| fact(name, &escaped(text)));
    if list.is_empty() && facts.stages.is_empty() {
        return String::new();
    }
    let stages = if facts.stages.is_empty() { String::new() } else { stage_table(facts) };
    format!(
        "<h2>Run</h2>\n<div class=\"split\"><div><dl class=\"facts\">\n{list}</dl></div>\n<div>{stages}</div></div>\n"
    )
}

fn stage_table(facts: &RunFacts) -> String {
    let total: f64 = facts.stages.iter().map(|stage| stage.wall_secs).filter(|secs| secs.is_finite()).sum();
    let mut html =
        "<table>\n<thead><tr><th>Stage</th><th class=\"n\">Time</th><th></th></tr></thead>\n<tbody>\n".to_owned();
    for stage in &facts.stages {
        let share = if total > 0.0 { (100.0 * stage.wall_secs / total).clamp(0.0, 100.0) } else { 0.0 };
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td class=\"n\">{}</td><td><span class=\"bar\"><i style=\"width: {share:.1}%\"></i></span></td></tr>",
            escaped(&stage.name),
            duration_text(stage.wall_secs),
        );
    }
    let _ = writeln!(
        html,
        "<tr class=\"sum\"><td>All stages</td><td class=\"n\">{}</td><td></td></tr>",
        duration_text(total)
    );
    html + "</tbody>\n</table>\n"
}
