//! `iotime read FILE RUNS [f32]` and `iotime write FILE OUT RUNS LEVEL`: milliseconds of each run, one a line.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use volkit_io::{IoError, ReadOptions, Values, WriteOptions, read_with, write};

const USAGE: &str = "iotime read FILE RUNS [f32] | iotime write FILE OUT RUNS LEVEL";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["read", file, runs] => runs.parse().map(|runs| read_runs(file, runs, Values::Native)),
        ["read", file, runs, "f32"] => runs.parse().map(|runs| read_runs(file, runs, Values::F32)),
        ["write", file, out, runs, level] => {
            runs.parse().and_then(|runs| Ok(write_runs(file, out, runs, level.parse()?)))
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn read_runs(file: &str, runs: u32, values: Values) -> Result<(), IoError> {
    let options = ReadOptions::new().with_values(values);
    for _ in 0..runs {
        let start = Instant::now();
        let image = read_with(file, &options)?;
        println!("{:.3}", start.elapsed().as_secs_f64() * 1e3);
        black_box(image);
    }
    Ok(())
}

fn write_runs(file: &str, out: &str, runs: u32, level: u32) -> Result<(), IoError> {
    let image = read_with(file, &ReadOptions::new().with_values(Values::Stored))?;
    let options = WriteOptions::new().with_gzip_level(level);
    for _ in 0..runs {
        let start = Instant::now();
        write(out, &image, &options)?;
        println!("{:.3}", start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}
