//! Steps of training in f32, in bf16, in parts and with segments run twice, as a table: seconds, memory, loss; below it the
//! published program's figures (20 steps, batch 4, images of 256 x 256) with ours beside them. Each kind runs in a process of
//! its own, so that none finds memory of another.
//!
//! `RAYON_NUM_THREADS` sets the threads.
#![forbid(unsafe_code)]

use std::process::Command;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::Parser;
use volkit_bench::{FnWorkload, Workload as _, anonymous_bytes};
use volkit_benches_train::{SimpleStep, StepKind};

/// Keeps the memory of tensors between steps; the system's allocator gives it back, and pages are cleared anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Args {
    /// Steps that are timed together.
    #[arg(long, default_value_t = 20)]
    steps: u64,
    /// Images of the batch.
    #[arg(long, default_value_t = 4)]
    batch: usize,
    /// Length of their edges in pixels.
    #[arg(long, default_value_t = 256)]
    size: usize,
    /// Takes the steps of this kind alone, and prints seconds, CPU seconds, bytes and loss.
    #[arg(long)]
    only: Option<String>,
}

/// What steps of one kind took.
#[derive(Clone, Copy)]
struct Row {
    wall_secs: f64,
    cpu_secs: f64,
    /// Peak above what the process had before its first step.
    bytes: f64,
    loss: f64,
}

fn measure(kind: StepKind, args: &Args) -> Result<Row> {
    let wrong = |error| anyhow!("{error}");
    let mut step = SimpleStep::new(kind, args.batch, args.size).map_err(wrong)?;
    let before = anonymous_bytes().unwrap_or(0);
    // Once before the clock runs: pages are there, threads are awake.
    step.train(1).map_err(wrong)?;
    let mut loss = f64::NAN;
    let mut work = FnWorkload::new("steps", || step.train(args.steps).map(|last| loss = last));
    let sample = work.sample().map_err(|error| anyhow!("{error}"))?;
    drop(work);
    let bytes = sample.peak_bytes.map_or(f64::NAN, |peak| peak.saturating_sub(before) as f64);
    Ok(Row { wall_secs: sample.wall_secs, cpu_secs: sample.cpu_secs.unwrap_or(f64::NAN), bytes, loss })
}

/// The same, measured by a process of its own.
fn measure_apart(name: &str, args: &Args) -> Result<Row> {
    let numbers = [args.steps.to_string(), args.batch.to_string(), args.size.to_string()];
    let mut command = Command::new(std::env::current_exe()?);
    for (flag, number) in ["--steps", "--batch", "--size"].into_iter().zip(numbers) {
        command.args([flag, &number]);
    }
    let output = command.args(["--only", name]).output()?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [wall_secs, cpu_secs, bytes, loss] = numbers[..].try_into().with_context(|| format!("{name}: {text}"))?;
    Ok(Row { wall_secs, cpu_secs, bytes, loss })
}

fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(name) = &args.only {
        let kind = StepKind::ALL.into_iter().find(|(_, other)| other == name);
        let Row { wall_secs, cpu_secs, bytes, loss } =
            measure(kind.with_context(|| format!("no kind '{name}'"))?.0, &args)?;
        println!("{wall_secs} {cpu_secs} {bytes} {loss}");
        return Ok(());
    }
    println!("| step | {0} steps, wall | {0} steps, CPU | memory | last loss |\n|---|---|---|---|---|", args.steps);
    let mut rows = Vec::new();
    for (kind, name) in StepKind::ALL {
        let row = measure_apart(name, &args)?;
        let Row { wall_secs, cpu_secs, bytes, loss } = row;
        println!("| {name} | {wall_secs:.3} s | {cpu_secs:.3} s | {:.0} MB | {loss:.5} |", bytes * 1e-6);
        rows.push((kind, row));
    }
    compare(&rows);
    Ok(())
}

/// Ratios of the rows, and the published figures.
fn compare(rows: &[(StepKind, Row)]) {
    let of = |wanted| rows.iter().find(|(kind, _)| *kind == wanted).map(|(_, row)| *row);
    let gain = |a: Row, b: Row| (a.wall_secs / b.wall_secs, 100.0 * (b.bytes / a.bytes - 1.0));
    println!();
    for (name, a, b) in [
        ("bf16 to f32", StepKind::Plain, StepKind::Bf16),
        ("image by image to the batch", StepKind::Plain, StepKind::Accumulated),
        ("segments of 5 of 24 convolutions to all kept", StepKind::Deep, StepKind::DeepCheckpointed),
    ] {
        if let (Some(a), Some(b)) = (of(a), of(b)) {
            let ((gain, memory), loss) = (gain(a, b), 100.0 * (b.loss / a.loss - 1.0));
            println!("{name}: {:.2} x the time, memory {memory:+.0} %, loss {loss:+.2} %", 1.0 / gain);
        }
    }
    if let (Some(plain), Some(low)) = (of(StepKind::Plain), of(StepKind::Bf16)) {
        println!("\n| program | f32 | mixed | gain |\n|---|---|---|---|");
        println!("| published, RTX 4060 Ti, f16 | 0.569 s, 312 MB | 0.422 s, 174 MB | 1.35 x, -44 % |");
        let cell = |row: Row| format!("{:.3} s, {:.0} MB", row.wall_secs, row.bytes * 1e-6);
        let (time, memory) = gain(plain, low);
        println!("| volkit, this CPU, bf16 | {} | {} | {time:.2} x, {memory:+.0} % |", cell(plain), cell(low));
    }
}
