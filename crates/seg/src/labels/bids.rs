//! BIDS `_dseg.tsv`: tab-separated columns by header, `index` and `name` required, `color` as `#RRGGBB`.

use std::fmt::Write as _;

use super::{Label, LabelTable, distinct_colour, number};
use crate::SegError;

pub(super) fn parse(text: &str) -> Result<Vec<(usize, Label)>, SegError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().unwrap_or_default();
    let columns: Vec<&str> = header.split('\t').map(str::trim).collect();
    let column = |name: &str| columns.iter().position(|&column| column == name);
    let required = |name: &'static str| {
        column(name).ok_or_else(|| SegError::Table {
            line: 1,
            field: "header",
            value: format!("'{}'", header.trim()),
            why: if name == "index" { "lacks the column index" } else { "lacks the column name" },
        })
    };
    let (index_column, name_column, colour_column) = (required("index")?, required("name")?, column("color"));
    let mut labels = Vec::new();
    for (index, line) in lines {
        let line_number = index + 1;
        let cells: Vec<&str> = line.split('\t').collect();
        let id: u32 = number(cells.get(index_column).copied(), line_number, "index")?;
        let name = cells.get(name_column).map_or_else(String::new, |name| name.trim().to_owned());
        let colour = match colour_column.and_then(|at| cells.get(at)).map(|cell| cell.trim()) {
            None | Some("" | "n/a") => distinct_colour(id as usize),
            Some(cell) => hex_colour(cell, line_number)?,
        };
        labels.push((line_number, Label::new(id, name, colour)));
    }
    Ok(labels)
}

fn hex_colour(cell: &str, line: usize) -> Result<[u8; 3], SegError> {
    let digits = cell.strip_prefix('#').filter(|digits| digits.len() == 6);
    let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let value = value.ok_or_else(|| SegError::Table {
        line,
        field: "color",
        value: format!("'{cell}'"),
        why: "expected #RRGGBB",
    })?;
    let [_, r, g, b] = value.to_be_bytes();
    Ok([r, g, b])
}

pub(super) fn write(table: &LabelTable) -> String {
    let mut text = String::from("index\tname\tcolor\n");
    for label in table.iter() {
        let [r, g, b] = label.colour;
        let name = label.name.replace(['\t', '\n', '\r'], " ");
        let _ = writeln!(text, "{}\t{name}\t#{r:02X}{g:02X}{b:02X}", label.id);
    }
    text
}
