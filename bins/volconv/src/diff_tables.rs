//! Comparing two tables, column by column.

use std::fmt;

use serde::Serialize;
use volkit_core::BoxError;

use crate::args::DiffArgs;
use crate::diff::Verdict;
use crate::table::Table;

/// How two tables differ.
#[derive(Debug, Serialize)]
pub(crate) struct TableDiff {
    same: bool,
    a: String,
    b: String,
    rows: [usize; 2],
    columns: [usize; 2],
    /// Why the cells can not be compared one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    mismatch: Option<String>,
    cells: Vec<ColumnDiff>,
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
}

pub(crate) fn compare_files(args: &DiffArgs) -> Result<TableDiff, BoxError> {
    let (a, b) = (Table::read(&args.a)?, Table::read(&args.b)?);
    let mismatch = mismatch(&a, &b);
    let cells: Vec<ColumnDiff> = match mismatch {
        None => (0..a.columns.len()).map(|column| compare_column(&a, &b, column, args.tolerance)).collect(),
        Some(_) => Vec::new(),
    };
    let different = cells.iter().map(|column| column.different).sum();
    Ok(TableDiff {
        same: mismatch.is_none() && different <= args.max_different,
        a: args.a.display().to_string(),
        b: args.b.display().to_string(),
        rows: [a.rows.len(), b.rows.len()],
        columns: [a.columns.len(), b.columns.len()],
        mismatch,
        cells,
        different,
        allowed: args.max_different,
        tolerance: args.tolerance,
    })
}

fn mismatch(a: &Table, b: &Table) -> Option<String> {
    if a.columns.len() != b.columns.len() {
        return Some(format!("{} and {} columns", a.columns.len(), b.columns.len()));
    }
    if let Some((left, right)) = a.columns.iter().zip(&b.columns).find(|(left, right)| left != right) {
        return Some(format!("columns are named '{left}' and '{right}'"));
    }
    (a.rows.len() != b.rows.len()).then(|| format!("{} and {} rows", a.rows.len(), b.rows.len()))
}

fn compare_column(a: &Table, b: &Table, column: usize, tolerance: f64) -> ColumnDiff {
    let (mut different, mut max_difference) = (0, None::<f64>);
    for (left, right) in a.rows.iter().zip(&b.rows) {
        let (left, right) = (left[column].trim(), right[column].trim());
        let is_same = match (left.parse::<f64>(), right.parse::<f64>()) {
            (Ok(x), Ok(y)) => {
                let difference = if x == y || (x.is_nan() && y.is_nan()) { 0.0 } else { (x - y).abs() };
                max_difference = Some(max_difference.map_or(difference, |max| max.max(difference)));
                difference <= tolerance
            }
            _ => left == right,
        };
        different += u64::from(!is_same);
    }
    ColumnDiff { column: a.columns[column].clone(), different, max_difference }
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
        if let Some(mismatch) = &self.mismatch {
            return writeln!(f, "the tables do not match: {mismatch}");
        }
        for column in &self.cells {
            let name = if column.column.is_empty() { "(no name)" } else { &column.column };
            write!(f, "{name}: {} differ", column.different)?;
            match column.max_difference {
                Some(max) => writeln!(f, ", largest difference {max}")?,
                None => writeln!(f)?,
            }
        }
        let cells = self.rows[0] * self.columns[0];
        let (different, allowed, tolerance) = (self.different, self.allowed, self.tolerance);
        writeln!(f, "cells that differ: {different} of {cells}, {allowed} allowed, tolerance {tolerance}")
    }
}
