//! `cargo xtask ci`: the steps that must hold before a change lands, and the count of the tests they ran.

mod steps;
mod tally;

use std::time::Instant;

use crate::failure::{Failure, Outcome};
use crate::repo::Repo;
use steps::{STEPS, Step};
use tally::Tally;

pub(crate) const HELP: &str = "\
cargo xtask ci [--quick] [--only STEP[,STEP..]]

Runs, in this order, and stops at the first that fails:
  fmt        rustfmt agrees
  tidy       cargo xtask tidy
  clippy     no warnings in any target with no features, the default ones, and all but cuda and metal
  test       unit and integration tests (cargo nextest where installed, else cargo test)
  serial     the kernels' integration tests without the feature rayon
  doctest    the examples in the documentation
  doc        rustdoc without warnings
  examples   every example runs
  package    every publishable crate packs; core and kernels are also built from their archives

  --quick    fmt, tidy, clippy with default features, test
  --only     these steps

The last line is `N passed, N failed`: the tests of test, serial and doctest. Tests that need the golden files look for
them in $VOLKIT_SHARED, then in `shared` beside the repository, and are skipped where there are none.";

pub(crate) fn run(repo: &Repo, args: &[String]) -> Outcome {
    let chosen = choose(args)?;
    println!("golden files: {}", golden_files(repo));
    let start = Instant::now();
    let mut tally = Tally::default();
    let mut result = Ok(());
    for (number, step) in chosen.iter().enumerate() {
        println!("\n== {} ({} of {})", step.name, number + 1, chosen.len());
        let begun = Instant::now();
        let outcome = (step.run)(repo, &mut tally);
        println!(
            "== {}: {}, {:.1} s",
            step.name,
            if outcome.is_ok() { "ok" } else { "FAILED" },
            begun.elapsed().as_secs_f64()
        );
        if let Err(failure) = outcome {
            result = Err(explained(step, failure));
            break;
        }
    }
    println!("\n{} steps, {:.0} s", chosen.len(), start.elapsed().as_secs_f64());
    if let Err(Failure::Failed(message)) = &result {
        println!("{message}");
    }
    println!("{tally}");
    result
}

fn choose(args: &[String]) -> Outcome<Vec<&'static Step>> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => Ok(STEPS.iter().filter(|s| s.in_full).collect()),
        ["--quick"] => Ok(STEPS.iter().filter(|s| s.in_quick).collect()),
        ["--only", list] => list
            .split(',')
            .map(|name| {
                STEPS
                    .iter()
                    .find(|s| s.name == name)
                    .ok_or_else(|| Failure::Usage(format!("ci: no step is called `{name}`")))
            })
            .collect(),
        _ => Err(Failure::Usage(format!("ci: unknown option `{}`", args.join(" ")))),
    }
}

fn explained(step: &Step, failure: Failure) -> Failure {
    match failure {
        Failure::Failed(message) => Failure::Failed(format!(
            "step `{0}` failed: {message}\nrepeat it with: cargo xtask ci --only {0}",
            step.name
        )),
        usage @ Failure::Usage(_) => usage,
    }
}

fn golden_files(repo: &Repo) -> String {
    let by_variable = std::env::var_os("VOLKIT_SHARED").map(std::path::PathBuf::from);
    let folder = by_variable.unwrap_or_else(|| repo.path("../shared"));
    if folder.join("golden").is_dir() {
        format!("found in {}", folder.display())
    } else {
        "none, the tests that need them are skipped".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(args: &[&str]) -> Vec<&'static str> {
        let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
        choose(&args).unwrap().iter().map(|s| s.name).collect()
    }

    #[test]
    fn steps_are_chosen_by_name_and_unknown_ones_refused() {
        assert_eq!(names(&["--only", "test,fmt"]), ["test", "fmt"]);
        assert!(choose(&["--only".into(), "nothing".into()]).is_err());
        assert!(choose(&["--fast".into()]).is_err());
    }

    #[test]
    fn the_help_names_every_step_of_the_full_run() {
        for name in names(&[]) {
            assert!(HELP.contains(&format!("\n  {name} ")), "{name}");
        }
        assert!(names(&["--quick"]).len() < names(&[]).len());
    }
}
