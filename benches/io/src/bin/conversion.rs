//! What converting a stack of images costs: `conversion make FILE.h5 IMAGES` writes images of 1152 x 1024 x 3 bytes in chunks
//! of 4 x 288 x 256 x 3 (gzip); `conversion run FILE.h5 STORE.zarr` makes a Zarr store of them, an image a chunk, blosc with
//! LZ4, and prints bytes, seconds, CPU seconds and the largest resident memory as JSON.

use std::time::Instant;

use volkit_bench::{cpu_secs, peak_bytes};
use volkit_core::{BoxError, DType, SilentProgress, Voxels};
use volkit_io::{ChunkRule, ConvertOptions, Hdf5Backend, Hdf5Layout, WriteOptions, convert_hdf5, create_hdf5};

const IMAGE: [usize; 3] = [1152, 1024, 3];
const CHUNK: [usize; 4] = [4, 288, 256, 3];

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", path, n_images] => make(path, n_images.parse()?),
        ["run", path, store] => run(path, store),
        _ => Err("conversion make FILE.h5 IMAGES | conversion run FILE.h5 STORE.zarr".into()),
    }
}

/// Images of a smooth pattern with three bits of noise, which gzip makes about half as long.
fn make(path: &str, n_images: usize) -> Result<(), BoxError> {
    let [height, width, channels] = IMAGE;
    let file = create_hdf5(path, Hdf5Backend::Pure, &WriteOptions::default())?;
    let shape = [n_images, height, width, channels];
    let layout = Hdf5Layout::for_array(&shape, DType::U8).with_chunk(Some(CHUNK.to_vec())).with_deflate(Some(1));
    file.create_data_set("images", &shape, DType::U8, &layout)?;
    let mut state = 1u32;
    for first in (0..n_images).step_by(CHUNK[0]) {
        let n = CHUNK[0].min(n_images - first);
        let pixel = |at: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = (at / channels % width, at / channels / width % height);
            ((x + y + at % channels * 40) / 8 % 192) as u8 + (state >> 29) as u8
        };
        let values: Vec<u8> = (0..n * height * width * channels).map(pixel).collect();
        let values = Voxels::from(values);
        file.write_box("images", &[first, 0, 0, 0], &[n, height, width, channels], values.view())?;
    }
    Ok(file.finish()?)
}

fn run(path: &str, store: &str) -> Result<(), BoxError> {
    let start = Instant::now();
    let options = ConvertOptions::new().with_chunks(ChunkRule::Frame);
    let report = convert_hdf5(path, store, &options, &SilentProgress)?;
    let bytes: u64 = report.arrays.iter().map(|array| array.shape.iter().product::<usize>() as u64).sum();
    let secs = start.elapsed().as_secs_f64();
    let [cpu, peak] = [cpu_secs(), peak_bytes().map(|bytes| bytes as f64)].map(|value| value.unwrap_or(f64::NAN));
    println!("{{\"bytes\": {bytes}, \"secs\": {secs:.2}, \"cpu_secs\": {cpu:.2}, \"peak_bytes\": {peak}}}");
    Ok(())
}
