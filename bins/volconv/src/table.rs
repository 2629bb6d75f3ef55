//! Tables of text: comma or tab separated, cells in quotes where they need them (RFC 4180).

use std::path::Path;

use volkit_core::BoxError;

/// Rows of cells; the first row names the columns.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a file; `.tsv` is tab separated.
    pub(crate) fn read(path: &Path) -> Result<Self, BoxError> {
        let in_file = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let bytes = std::fs::read(path).map_err(|error| in_file(&error))?;
        let text = String::from_utf8(bytes).map_err(|_| in_file(&"not a table: its text is not UTF-8"))?;
        let is_tsv = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("tsv"));
        Self::parse(&text, if is_tsv { '\t' } else { ',' }).map_err(|why| in_file(&why).into())
    }

    /// Every row must have as many cells as the first. Lines end with LF or CRLF; empty lines are left out.
    fn parse(text: &str, separator: char) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rows = split(text, separator)?.into_iter();
        let columns = rows.next().ok_or("the table is empty")?;
        let rows: Vec<_> = rows.collect();
        if let Some(at) = rows.iter().position(|row| row.len() != columns.len()) {
            return Err(format!("row {} has {} cells, the first row has {}", at + 2, rows[at].len(), columns.len()));
        }
        Ok(Self { columns, rows })
    }
}

fn split(text: &str, separator: char) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                cell.push('"');
                characters.next();
            }
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            _ if quoted => cell.push(character),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => end_row(&mut rows, &mut row, &mut cell),
            _ if character == separator => row.push(std::mem::take(&mut cell)),
            _ => cell.push(character),
        }
    }
    if quoted {
        return Err("a quote is never closed".to_owned());
    }
    end_row(&mut rows, &mut row, &mut cell);
    Ok(rows)
}

fn end_row(rows: &mut Vec<Vec<String>>, row: &mut Vec<String>, cell: &mut String) {
    if row.is_empty() && cell.is_empty() {
        return;
    }
    row.push(std::mem::take(cell));
    rows.push(std::mem::take(row));
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn quotes_and_line_ends() {
        let table = Table::parse("a,\"b, c\"\r\n1,\"say \"\"x\"\"\"\r\n\n,2", ',').unwrap();
        assert_eq!(table.columns, ["a", "b, c"]);
        assert_eq!(table.rows, [["1", "say \"x\""], ["", "2"]]);
        let tabs = Table::parse("a\tb\n1,5\t2\n", '\t').unwrap();
        assert_eq!(tabs.rows, [["1,5", "2"]]);
    }

    #[test]
    fn ragged_rows_and_open_quotes_are_errors() {
        assert_eq!(Table::parse("a,b\n1,2\n3\n", ',').unwrap_err(), "row 3 has 1 cells, the first row has 2");
        assert!(Table::parse("a,\"b\n", ',').is_err());
        assert!(Table::parse("", ',').is_err());
    }
}
