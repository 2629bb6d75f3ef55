//! FreeSurfer's colour tables: lines `id name R G B A`, `#` comments, A is transparency.

use std::fmt::Write as _;

use super::{Label, LabelTable, number};
use crate::SegError;

pub(super) fn parse(text: &str) -> Result<Vec<(usize, Label)>, SegError> {
    let mut labels = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let content = line.split('#').next().unwrap_or_default();
        let cells: Vec<&str> = content.split_whitespace().collect();
        if cells.is_empty() {
            continue;
        }
        let id = number(cells.first().copied(), line_number, "id")?;
        let Some(name_end) = cells.len().checked_sub(4).filter(|&end| end >= 2) else {
            return Err(SegError::Table {
                line: line_number,
                field: "cells",
                value: cells.len().to_string(),
                why: "expected id name R G B A",
            });
        };
        let channel = |at: usize, field| number::<u8>(cells.get(name_end + at).copied(), line_number, field);
        let colour = [channel(0, "R")?, channel(1, "G")?, channel(2, "B")?];
        let opacity = 255 - channel(3, "A")?;
        // Names have no blanks in this format; hand-made tables do.
        labels.push((line_number, Label { id, name: cells[1..name_end].join(" "), colour, opacity }));
    }
    Ok(labels)
}

pub(super) fn write(table: &LabelTable) -> String {
    let mut text = String::from("#No.   Label Name                                R    G    B    A\n");
    for label in table.iter() {
        let name: String = label.name.split_whitespace().collect::<Vec<_>>().join("-");
        let [r, g, b] = label.colour;
        // The background keeps transparency 0 there as every table of this kind has it.
        let transparency = if label.id == 0 { 0 } else { 255 - label.opacity };
        let _ = writeln!(text, "{:<6} {name:<40} {r:>4} {g:>4} {b:>4} {transparency:>4}", label.id);
    }
    text
}
