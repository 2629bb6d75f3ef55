//! Comparing two tables, column by column.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use volkit_core::BoxError;

use crate::args::DiffArgs;
use crate::diff::Verdict;
use crate::table::Table;

/// Names that a line lists before it says how many more there are.
const NAMES_SHOWN: usize = 8;

/// How two tables differ.
#[derive(Debug, Serialize)]
pub(crate) struct TableDiff {
    same: bool,
    a: String,
    b: String,
    rows: [usize; 2],
    columns: [usize; 2],
    /// Columns of one table only, by name.
    only_columns: [Vec<String>; 2],
    /// Whether the columns that both have stand in different orders.
    columns_reordered: bool,
    /// Rows of one table only, by their first cell.
    only_rows: [Vec<String>; 2],
    /// The columns that both have.
    cells: Vec<ColumnDiff>,
    /// Cells that were compared, and those of them that differ.
    compared: u64,
    different: u64,
    allowed: u64,
    tolerance: f64,
}

/// How a column of two tables differs.
#[derive(Debug, Serialize)]
struct ColumnDiff {
    column: String,
    /// Cells that differ: numbers by more than the tolerance, other texts at all.
    different: u64,
    /// Largest difference of two numbers; none in a column without numbers.
    max_difference: Option<f64>,
    /// Largest difference of two numbers, as a fraction of the one that is larger in size.
    max_relative_difference: Option<f64>,
    /// Cells that differ and have no difference: a text, NaN, an infinity or nothing on one side.
    without_difference: u64,
}

pub(crate) fn compare_files(args: &DiffArgs) -> Result<TableDiff, BoxError> {
    let (a, b) = (Table::read(&args.a)?, Table::read(&args.b)?);
    let columns = Matched::new(&keys(a.columns.iter()), &keys(b.columns.iter()));
    let rows = Matched::new(&row_keys(&a), &row_keys(&b));
    let columns_reordered = !columns.pairs.is_sorted_by_key(|pair| pair[1]);
    let column = |&pair: &[usize; 2]| compare_column([&a, &b], pair, &rows.pairs, args.tolerance);
    let cells: Vec<ColumnDiff> = columns.pairs.iter().map(column).collect();
    let different = cells.iter().map(|column| column.different).sum();
    let is_matched = |only: &[Vec<String>; 2]| only.iter().all(Vec::is_empty);
    let same_form = is_matched(&columns.only) && is_matched(&rows.only) && !columns_reordered;
    Ok(TableDiff {
        same: same_form && different <= args.max_different,
        a: args.a.display().to_string(),
        b: args.b.display().to_string(),
        rows: [a.rows.len(), b.rows.len()],
        columns: [a.columns.len(), b.columns.len()],
        only_columns: columns.only,
        columns_reordered,
        only_rows: rows.only,
        compared: (columns.pairs.len() * rows.pairs.len()) as u64,
        cells,
        different,
        allowed: args.max_different,
        tolerance: args.tolerance,
    })
}

/// A name and how many of that name came before it.
type Key<'a> = (&'a str, usize);

fn keys<'a>(names: impl Iterator<Item = &'a String>) -> Vec<Key<'a>> {
    let mut seen = BTreeMap::new();
    let mut key = |name: &'a String| {
        let name = name.trim();
        let count: &mut usize = seen.entry(name).or_default();
        *count += 1;
        (name, *count - 1)
    };
    names.map(&mut key).collect()
}

fn row_keys(table: &Table) -> Vec<Key<'_>> {
    keys(table.rows.iter().filter_map(|row| row.first()))
}

/// Which of two lists belong together.
struct Matched {
    /// Positions on both sides, in the order of the first.
    pairs: Vec<[usize; 2]>,
    /// Names that only one side has.
    only: [Vec<String>; 2],
}

impl Matched {
    fn new(a: &[Key<'_>], b: &[Key<'_>]) -> Self {
        let places = |keys: &[Key<'_>]| -> BTreeMap<(String, usize), usize> {
            keys.iter().enumerate().map(|(at, &(name, count))| ((name.to_owned(), count), at)).collect()
        };
        let (in_a, in_b) = (places(a), places(b));
        let find =
            |places: &BTreeMap<(String, usize), usize>, key: &Key<'_>| places.get(&(key.0.to_owned(), key.1)).copied();
        let pair = |(at, key): (usize, &Key<'_>)| find(&in_b, key).map(|other| [at, other]);
        let only = |keys: &[Key<'_>], other| {
            keys.iter().filter(|key| find(other, key).is_none()).map(|key| key.0.to_owned()).collect()
        };
        Self { pairs: a.iter().enumerate().filter_map(pair).collect(), only: [only(a, &in_b), only(b, &in_a)] }
    }
}

fn compare_column(tables: [&Table; 2], columns: [usize; 2], rows: &[[usize; 2]], tolerance: f64) -> ColumnDiff {
    let mut report = ColumnDiff {
        column: tables[0].columns[columns[0]].clone(),
        different: 0,
        max_difference: None,
        max_relative_difference: None,
        without_difference: 0,
    };
    for row in rows {
        let [left, right] = [0, 1].map(|side| tables[side].rows[row[side]][columns[side]].trim());
        match cell_difference(left, right) {
            CellDifference::Numbers { absolute, relative } => {
                report.different += u64::from(absolute > tolerance);
                report.max_difference = Some(report.max_difference.map_or(absolute, |max| max.max(absolute)));
                report.max_relative_difference =
                    Some(report.max_relative_difference.map_or(relative, |max| max.max(relative)));
            }
            CellDifference::SameText => {}
            CellDifference::OtherText => {
                report.different += 1;
                report.without_difference += 1;
            }
        }
    }
    report
}

enum CellDifference {
    Numbers { absolute: f64, relative: f64 },
    SameText,
    OtherText,
}

fn cell_difference(left: &str, right: &str) -> CellDifference {
    if let (Ok(x), Ok(y)) = (left.parse::<i128>(), right.parse::<i128>()) {
        // Whole numbers are compared as such: f64 would take 2^53 and 2^53 + 1 for the same.
        let largest = x.unsigned_abs().max(y.unsigned_abs()) as f64;
        return numbers(x.abs_diff(y) as f64, largest);
    }
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(x), Ok(y)) if x == y => CellDifference::Numbers { absolute: 0.0, relative: 0.0 },
        (Ok(x), Ok(y)) if x.is_nan() && y.is_nan() => CellDifference::SameText,
        (Ok(x), Ok(y)) if (x - y).is_finite() => numbers((x - y).abs(), x.abs().max(y.abs())),
        _ if left == right => CellDifference::SameText,
        _ => CellDifference::OtherText,
    }
}

fn numbers(absolute: f64, largest: f64) -> CellDifference {
    CellDifference::Numbers { absolute, relative: if absolute == 0.0 { 0.0 } else { absolute / largest } }
}

impl Verdict for TableDiff {
    fn is_same(&self) -> bool {
        self.same
    }
}

impl fmt::Display for TableDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, file, side) in [("a", &self.a, 0), ("b", &self.b, 1)] {
            writeln!(f, "{name}: {file} {} rows, {} columns", self.rows[side], self.columns[side])?;
        }
        for (what, only) in [("columns", &self.only_columns), ("rows", &self.only_rows)] {
            for (side, names) in ["a", "b"].into_iter().zip(only).filter(|(_, names)| !names.is_empty()) {
                writeln!(f, "{what} of {side} only: {}", listed(names))?;
            }
        }
        if self.columns_reordered {
            writeln!(f, "the columns stand in different orders")?;
        }
        for column in &self.cells {
            let name = if column.column.is_empty() { "(no name)" } else { &column.column };
            write!(f, "{name}: {} differ", column.different)?;
            if let (Some(max), Some(relative)) = (column.max_difference, column.max_relative_difference) {
                write!(f, ", largest difference {max}, relative {relative:.3e}")?;
            }
            if column.without_difference > 0 {
                write!(f, ", {} of them texts or no numbers", column.without_difference)?;
            }
            writeln!(f)?;
        }
        let (different, cells, allowed, tolerance) = (self.different, self.compared, self.allowed, self.tolerance);
        writeln!(f, "cells that differ: {different} of {cells}, {allowed} allowed, tolerance {tolerance}")
    }
}

fn listed(names: &[String]) -> String {
    let mut text: Vec<String> = names.iter().take(NAMES_SHOWN).map(|name| shown(name)).collect();
    if names.len() > NAMES_SHOWN {
        text.push(format!("and {} more", names.len() - NAMES_SHOWN));
    }
    text.join(", ")
}

fn shown(name: &str) -> String {
    if name.is_empty() { "(no name)".to_owned() } else { format!("'{name}'") }
}

#[cfg(test)]
mod tests {
    use super::{CellDifference, Matched, cell_difference, keys};

    fn difference(left: &str, right: &str) -> Option<(f64, f64)> {
        match cell_difference(left, right) {
            CellDifference::Numbers { absolute, relative } => Some((absolute, relative)),
            CellDifference::SameText => Some((0.0, 0.0)),
            CellDifference::OtherText => None,
        }
    }

    #[test]
    fn cells_are_numbers_or_texts() {
        assert_eq!(difference("1.5", "1.50"), Some((0.0, 0.0)));
        assert_eq!(difference("-2", "2.0"), Some((4.0, 2.0)));
        assert_eq!(difference("0", "0.0"), Some((0.0, 0.0)));
        assert_eq!(difference("9007199254740993", "9007199254740992").map(|d| d.0), Some(1.0));
        assert_eq!(difference("nan", "NaN"), Some((0.0, 0.0)));
        assert_eq!(difference("inf", "inf"), Some((0.0, 0.0)));
        for (left, right) in [("nan", "1"), ("inf", "1"), ("inf", "-inf"), ("", "0"), ("a", "b"), ("1", "1 mL")] {
            assert_eq!(difference(left, right), None, "{left} {right}");
        }
    }

    #[test]
    fn names_are_matched_in_order_of_their_occurrence() {
        let names = |text: &[&str]| text.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (a, b) = (names(&["x", "y", "x"]), names(&["x", "z", "x", "x"]));
        let matched = Matched::new(&keys(a.iter()), &keys(b.iter()));
        assert_eq!(matched.pairs, [[0, 0], [2, 2]]);
        assert_eq!(matched.only, [vec!["y".to_owned()], vec!["z".to_owned(), "x".to_owned()]]);
    }
}
