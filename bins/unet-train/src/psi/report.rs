//! What a run prints at its end.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use volkit_bench::RunReport;
use volkit_psi::{HeightErrors, Summary, SurfaceParameters};

use super::args::PsiArgs;

/// Results by name, and lines for a terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Scenes that were made, by split.
    pub(crate) scenes: BTreeMap<&'static str, usize>,
    results: BTreeMap<String, Value>,
    lines: Vec<String>,
}

impl Report {
    /// Adds a line for a terminal.
    pub(crate) fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// Adds a result.
    pub(crate) fn result(&mut self, name: impl Into<String>, value: Value) {
        self.results.insert(name.into(), value);
    }

    /// Adds the errors of a method over scenes, and returns the entry.
    pub(crate) fn errors(&mut self, method: &str, errors: &[HeightErrors]) -> Value {
        let all = |pick: fn(&HeightErrors) -> f64| -> Value {
            let values: Vec<f64> = errors.iter().map(pick).collect();
            Summary::of(&values).map_or(Value::Null, summary)
        };
        let entry = json!({
            "rmse_um": all(|e| e.rmse_um),
            "mae_um": all(|e| e.mae_um),
            "mape_percent": all(|e| e.mape_percent),
            "max_um": all(|e| e.max_um),
            "n_scenes": errors.len(),
        });
        let mean = |field: &str| entry[field]["mean"].as_f64().unwrap_or(f64::NAN);
        let spread = entry["rmse_um"]["std"].as_f64().unwrap_or(f64::NAN);
        self.line(format!(
            "{method}: RMSE {:.3e} um (sd {spread:.1e}), MAE {:.3e} um, MAPE {:.3} %, worst pixel {:.3e} um, {} scenes",
            mean("rmse_um"),
            mean("mae_um"),
            mean("mape_percent"),
            entry["max_um"]["max"].as_f64().unwrap_or(f64::NAN),
            errors.len()
        ));
        self.result(method, entry.clone());
        entry
    }

    /// Prints what was asked for.
    pub(crate) fn print(self, facts: RunReport, args: &PsiArgs) -> Result<()> {
        let mut facts = facts;
        if args.json {
            for (name, value) in self.results {
                facts = facts.with_extra(name, value);
            }
            if !self.scenes.is_empty() {
                facts = facts.with_extra("scenes", json!(self.scenes));
            }
            print!("{}", facts.to_json());
        } else if !args.quiet {
            for line in self.lines {
                println!("{line}");
            }
        }
        Ok(())
    }
}

fn summary(summary: Summary) -> Value {
    json!({ "mean": summary.mean, "std": summary.std, "min": summary.min, "max": summary.max })
}

/// Roughness as JSON.
pub(crate) fn roughness(parameters: &SurfaceParameters) -> Value {
    json!({
        "sa_um": parameters.sa_um,
        "sq_um": parameters.sq_um,
        "pv_um": parameters.pv_um,
        "n_pixels": parameters.n_pixels,
    })
}
