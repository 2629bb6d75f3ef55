//! ITK-SNAP's label descriptions: lines `id R G B A VIS MESH "name"`, A from 0 to 1.

use std::fmt::Write as _;

use super::{Label, LabelTable, number};
use crate::SegError;

pub(super) fn parse(text: &str) -> Result<Vec<(usize, Label)>, SegError> {
    let mut labels = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let (numbers, quoted) = line.split_once('"').ok_or_else(|| SegError::Table {
            line: line_number,
            field: "name",
            value: "nothing".into(),
            why: "expected a quoted name",
        })?;
        let mut cells = numbers.split_whitespace();
        let id = number(cells.next(), line_number, "id")?;
        let mut colour = [0u8; 3];
        for (channel, field) in colour.iter_mut().zip(["R", "G", "B"]) {
            *channel = number(cells.next(), line_number, field)?;
        }
        let alpha: f64 = number(cells.next(), line_number, "A")?;
        let opacity = (alpha.clamp(0.0, 1.0) * 255.0).round() as u8;
        let name = quoted.rsplit_once('"').map_or(quoted, |(name, _)| name).to_owned();
        labels.push((line_number, Label { id, name, colour, opacity }));
    }
    Ok(labels)
}

pub(super) fn write(table: &LabelTable) -> String {
    let mut text = String::from("# id   R   G   B  A      visible mesh name\n");
    for label in table.iter() {
        let [r, g, b] = label.colour;
        let alpha = f64::from(label.opacity) / 255.0;
        let shown = u8::from(label.opacity > 0);
        let name = label.name.replace('"', "'");
        let _ = writeln!(text, "{:>4} {r:>3} {g:>3} {b:>3} {alpha:<6.4} {shown} {shown} \"{name}\"", label.id);
    }
    text
}
