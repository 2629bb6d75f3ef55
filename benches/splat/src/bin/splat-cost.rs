//! What a forward and backward pass costs by Gaussians and by pixels: a table on standard output, and a chart on request.
//!
//! `splat-cost [--threads N] [--svg FILE]`: plain colours; the median of some passes; bytes that the rasterizer keeps.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser;
use volkit_benches_splat::Case;
use volkit_splat::{Isa, Threads};

/// Gaussians at a fixed picture of `SIDE` x `SIDE`, and sides of the picture at a fixed number of Gaussians.
const GAUSSIANS: [usize; 7] = [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
const SIDES: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
const SIDE: usize = 256;
const COUNT: usize = 10_000;
/// Passes that the median is of.
const PASSES: usize = 7;
/// Width and height of a chart, and the space around it, in pixels.
const CHART: [f64; 2] = [420.0, 300.0];
const MARGIN: f64 = 50.0;

#[derive(Debug, Parser)]
struct Args {
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Where to draw the two charts.
    #[arg(long)]
    svg: Option<PathBuf>,
}

/// One line of the table.
struct Point {
    n: usize,
    side: usize,
    millis: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let threads = Arc::new(Threads::new(args.threads));
    println!("| Gaussians | pixels | forward and backward | nanoseconds a Gaussian | bytes kept a Gaussian |");
    println!("|---|---|---|---|---|");
    let by_gaussians = series(GAUSSIANS.map(|n| (n, SIDE)), &threads)?;
    let by_pixels = series(SIDES.map(|side| (COUNT, side)), &threads)?;
    if let Some(path) = args.svg {
        let by_gaussians: Vec<_> = by_gaussians.iter().map(|p| (p.n as f64, p.millis)).collect();
        let by_pixels: Vec<_> = by_pixels.iter().map(|p| ((p.side * p.side) as f64, p.millis)).collect();
        let charts = [
            chart("Gaussians at 256 x 256", 0.0, &by_gaussians),
            chart("pixels, 10 000 Gaussians", CHART[0], &by_pixels),
        ];
        let size = format!("width=\"{}\" height=\"{}\"", 2.0 * CHART[0], CHART[1]);
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" {size} font-family=\"sans-serif\" font-size=\"11\">\n\
             <rect {size} fill=\"white\"/>\n{}</svg>\n",
            charts.concat()
        );
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn series(cases: impl IntoIterator<Item = (usize, usize)>, threads: &Arc<Threads>) -> Result<Vec<Point>> {
    cases.into_iter().map(|(n, side)| measure(n, side, threads)).collect()
}

fn measure(n: usize, side: usize, threads: &Arc<Threads>) -> Result<Point> {
    let mut case = Case::new(n, side, None, Isa::detect(), Arc::clone(threads))?;
    let mut seconds = Vec::new();
    for pass in 0..=PASSES {
        let begun = Instant::now();
        case.forward()?;
        case.backward()?;
        // The first one asks for memory.
        if pass > 0 {
            seconds.push(begun.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let millis = 1e3 * seconds[PASSES / 2];
    let bytes_each = case.rasterizer().scratch_bytes() as f64 / n as f64;
    println!("| {n} | {side} x {side} | {millis:.2} ms | {:.0} | {bytes_each:.0} |", 1e6 * millis / n as f64);
    Ok(Point { n, side, millis })
}

/// A chart with logarithmic axes, and a grey line along which cost grows as the count does.
fn chart(title: &str, left: f64, points: &[(f64, f64)]) -> String {
    let bounds = |values: Vec<f64>| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min).log10().floor();
        let high = values.iter().copied().fold(0.0, f64::max).log10().ceil();
        [low, high.max(low + 1.0)]
    };
    let x_bounds = bounds(points.iter().map(|p| p.0).collect());
    let y_bounds = bounds(points.iter().map(|p| p.1).collect());
    let along =
        |value: f64, [low, high]: [f64; 2], length: f64| (value.log10() - low) / (high - low) * (length - 2.0 * MARGIN);
    let place = |x: f64, y: f64| {
        [left + MARGIN + along(x, x_bounds, CHART[0]), CHART[1] - MARGIN - along(y, y_bounds, CHART[1])]
    };
    let mut out = format!("<text x=\"{}\" y=\"20\">ms a pass by {title}</text>\n", left + MARGIN);
    let mut line = |from: [f64; 2], to: [f64; 2], colour: &str| {
        let [[x1, y1], [x2, y2]] = [from, to].map(|p| p.map(f64::round));
        let _ = writeln!(out, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{colour}\"/>");
    };
    let corners = [x_bounds, y_bounds].map(|bounds| bounds.map(|b| 10f64.powf(b)));
    let [[x0, x1], [y0, y1]] = corners;
    line(place(x0, y0), place(x1, y0), "black");
    line(place(x0, y0), place(x0, y1), "black");
    if let Some(&(x, y)) = points.last() {
        // Down to the edge of the chart, at most.
        let factor = (x / x0).min(y / y0);
        line(place(x / factor, y / factor), place(x, y), "silver");
    }
    for pair in points.windows(2) {
        line(place(pair[0].0, pair[0].1), place(pair[1].0, pair[1].1), "steelblue");
    }
    for (bounds, is_x) in [(x_bounds, true), (y_bounds, false)] {
        for exponent in bounds[0] as i32..=bounds[1] as i32 {
            let value = 10f64.powi(exponent);
            let [x, y] = if is_x { place(value, y0) } else { place(x0, value) };
            let (x, y, anchor) = if is_x { (x, y + 16.0, "middle") } else { (x - 6.0, y + 4.0, "end") };
            let _ = writeln!(out, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"{anchor}\">{value}</text>");
        }
    }
    out
}
