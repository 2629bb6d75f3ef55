//! The JSON colour maps of browser viewers: arrays `R`, `G`, `B`, `A`, `I` (label values) and `labels` (names).

use serde::{Deserialize, Serialize};

use super::{Label, LabelTable, distinct_colour};
use crate::SegError;

#[derive(Deserialize, Serialize)]
struct ColourMap {
    #[serde(rename = "R", default)]
    r: Vec<u8>,
    #[serde(rename = "G", default)]
    g: Vec<u8>,
    #[serde(rename = "B", default)]
    b: Vec<u8>,
    #[serde(rename = "A", default)]
    a: Vec<u8>,
    #[serde(rename = "I", default)]
    i: Vec<u32>,
    labels: Vec<String>,
}

pub(super) fn parse(text: &str) -> Result<Vec<(usize, Label)>, SegError> {
    let map: ColourMap = serde_json::from_str(text).map_err(|error| SegError::Table {
        line: error.line().max(1),
        field: "JSON",
        value: error.to_string(),
        why: "expected arrays R, G, B, A, I and labels",
    })?;
    let count = map.labels.len();
    for (field, len) in
        [("R", map.r.len()), ("G", map.g.len()), ("B", map.b.len()), ("A", map.a.len()), ("I", map.i.len())]
    {
        if len != 0 && len != count {
            return Err(SegError::Table {
                line: 1,
                field,
                value: format!("{len} entries"),
                why: "labels has another count",
            });
        }
    }
    let entry = |k: usize, name: String| {
        let id = map.i.get(k).copied().unwrap_or(k as u32);
        let colour = match (map.r.get(k), map.g.get(k), map.b.get(k)) {
            (Some(&r), Some(&g), Some(&b)) => [r, g, b],
            _ => distinct_colour(k),
        };
        let mut label = Label::new(id, name, colour);
        label.opacity = map.a.get(k).copied().unwrap_or(label.opacity);
        (1, label)
    };
    Ok(map.labels.iter().enumerate().map(|(k, name)| entry(k, name.clone())).collect())
}

pub(super) fn write(table: &LabelTable) -> String {
    let channel = |c: usize| table.iter().map(|label| label.colour[c]).collect();
    let map = ColourMap {
        r: channel(0),
        g: channel(1),
        b: channel(2),
        a: table.iter().map(|label| label.opacity).collect(),
        i: table.iter().map(|label| label.id).collect(),
        labels: table.iter().map(|label| label.name.clone()).collect(),
    };
    serde_json::to_string(&map).expect("invariant: numbers and text are always JSON")
}
