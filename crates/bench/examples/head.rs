//! Makes a head, shows its middle slice as text, and says what that took.

use volkit_bench::{Grid, HeadPhantom, StageClock};
use volkit_core::{BoxError, Progress as _};

fn main() -> Result<(), BoxError> {
    let clock = StageClock::new();
    clock.begin("phantom", 1);
    let grid = Grid::new([64, 64, 32]).with_spacing([3.0, 3.0, 6.0]);
    let head = HeadPhantom::new(grid).with_seed(1).generate()?;

    clock.begin("picture", 1);
    let values = head.image.as_slice::<i16>().ok_or("the image holds 16-bit integers")?;
    let brightest = f32::from(values.iter().copied().max().unwrap_or(1));
    let shades: Vec<char> = " .:-=+*#%@".chars().collect();
    // Characters are twice as high as wide, so every second row is left out; the front of the head is up.
    for j in (0..64).rev().step_by(2) {
        let row = (0..64).map(|i| {
            let value = f32::from(values[head.image.offset([i, j, 18])]);
            shades[((value / brightest * 9.99) as usize).min(9)]
        });
        println!("{}", row.collect::<String>().trim_end());
    }
    print!("{}", clock.report("head", env!("CARGO_PKG_VERSION")));
    Ok(())
}
