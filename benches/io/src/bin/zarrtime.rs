//! Times reading and writing of a whole Zarr array: `zarrtime STORE OUT RUNS LEVEL` reads the array in STORE and writes it
//! to OUT with the same chunks, zstd of that level without checksum, RUNS times, and prints seconds of each as JSON.

use std::time::Instant;

use volkit_core::{BoxError, Voxels};
use volkit_io::{Limits, ZarrArray, ZarrCodec, ZarrSpec};

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = std::env::args().collect();
    let [_, store, out, runs, level] = args.as_slice() else {
        return Err("zarrtime STORE OUT RUNS LEVEL".into());
    };
    let array = ZarrArray::open(store, &Limits::default())?;
    let origin = vec![0; array.shape().len()];
    let mut values = Voxels::zeros(array.dtype(), array.shape().iter().product())?;
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    let spec = ZarrSpec::new(array.shape(), array.dtype())
        .with_chunk(array.file_chunk())
        .with_codec(ZarrCodec::Zstd { level: level.parse()?, checksum: false });
    for _ in 0..runs.parse()? {
        let start = Instant::now();
        array.read_box(&origin, array.shape(), values.view_mut())?;
        reads.push(start.elapsed().as_secs_f64());
        if std::fs::exists(out)? {
            std::fs::remove_dir_all(out)?;
        }
        let start = Instant::now();
        let written = ZarrArray::create(out, &spec)?;
        written.write_box(&origin, array.shape(), values.view())?;
        writes.push(start.elapsed().as_secs_f64());
    }
    println!("{{\"read\": {reads:?}, \"write\": {writes:?}}}");
    Ok(())
}
