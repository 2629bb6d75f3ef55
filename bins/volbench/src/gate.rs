//! `volbench gate` and `volbench report`.

use std::path::Path;
use std::process::ExitCode;

use volkit_bench::BenchReport;
use volkit_core::BoxError;

use crate::bench_args::{GateArgs, ReportArgs};
use crate::json_out::{is_alone, write_json};

pub(crate) fn run(args: &GateArgs) -> Result<ExitCode, BoxError> {
    let now = read(&args.now)?;
    let base = if args.base.is_dir() {
        read(&args.base.join(now.machine.kind()).with_extension("json"))?
    } else {
        read(&args.base)?
    };
    let gate = volkit_bench::gate(&base, &now)?;
    if !is_alone(args.json.as_deref()) {
        print!("{gate}");
    }
    if let Some(path) = &args.json {
        write_json(path, &gate)?;
    }
    Ok(if gate.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn report(args: &ReportArgs) -> Result<ExitCode, BoxError> {
    let table = read(&args.now)?.to_markdown();
    let Some(page) = &args.into else {
        print!("{table}");
        return Ok(ExitCode::SUCCESS);
    };
    let in_page = |error: &dyn std::error::Error| format!("{}: {error}", page.display());
    let text = std::fs::read_to_string(page).map_err(|error| in_page(&error))?;
    let with_table =
        between(&text, &table).ok_or_else(|| format!("{}: has no `{BEGIN}` and `{END}`", page.display()))?;
    volkit_io::write_atomically(page, |out| out.write_all(with_table.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}

/// The lines of a page between which tables of measurements stand.
const BEGIN: &str = "<!-- report:begin -->\n";
const END: &str = "<!-- report:end -->";

/// The page with another table between its marks; nothing where it has none.
fn between(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

fn read(path: &Path) -> Result<BenchReport, BoxError> {
    let in_file = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| in_file(&error))?;
    Ok(BenchReport::from_json(&text).map_err(|error| in_file(&error))?)
}

#[cfg(test)]
mod tests {
    use super::between;

    #[test]
    fn a_table_takes_the_place_of_the_last_one() {
        let page = "# Title\n<!-- report:begin -->\nold\n<!-- report:end -->\nend\n";
        let wanted = "# Title\n<!-- report:begin -->\n\n| new |\n\n<!-- report:end -->\nend\n";
        assert_eq!(between(page, "| new |\n").as_deref(), Some(wanted));
        assert_eq!(between(wanted, "| new |\n").as_deref(), Some(wanted));
        assert_eq!(between("<!-- report:end -->\n<!-- report:begin -->\n", "x"), None);
    }
}
