//! Makes a golden folder of its own, runs it, then changes one expected number and runs it again.

use std::error::Error;
use std::path::Path;

use volkit_conformance::{Suite, SuiteOptions, run};

const RIGHT: &str = r#"[
    {"name": "quartiles", "dtype": "int16", "data": [4, 1, 3, 2, 0], "p": [25, 50, 75], "out": [1, 2, 3]},
    {"name": "between", "dtype": "float64", "data": [1.0, 2.0], "p": [10], "out": [1.1]}
]"#;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("volkit-own-folder-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("as it should be:");
    show(&folder, RIGHT)?;
    println!("with 1.1 changed to 1.2:");
    show(&folder, &RIGHT.replace("[1.1]", "[1.2]"))?;
    Ok(std::fs::remove_dir_all(&folder)?)
}

fn show(folder: &Path, index: &str) -> Result<(), Box<dyn Error>> {
    std::fs::write(folder.join("percentile.json"), index)?;
    let report = run(Suite::Geometry, folder, &SuiteOptions::new(), &mut |case| println!("  {case}"))?;
    println!("  {}", report.summary());
    Ok(())
}
