//! A head made by code, segmented by a network made by code: the labels mean nothing, the way there is the real one.

use volkit_bench::{Grid, HeadPhantom, SeededMeshNet};
use volkit_core::{BoxError, SilentProgress};
use volkit_seg::{MontageOptions, SegmentOptions, montage, open_model};

fn main() -> Result<(), BoxError> {
    let weights = SeededMeshNet::new().with_channels(2).with_classes(4).with_seed(7).generate()?;
    let network = open_model(&weights)?;
    println!("{}", network.info().summary);

    let scan = HeadPhantom::new(Grid::new([64, 76, 60]).with_spacing([3.0; 3])).generate()?.image;
    let segmentation = network.segment(&scan, &SegmentOptions::new(), &SilentProgress)?;
    for volume in &segmentation.volumes {
        let name = network.info().table.name(volume.id);
        println!("{name:<12} {:>8} voxels {:>9.1} mL", volume.voxels, volume.mm3 / 1000.0);
    }

    let options = MontageOptions::new().with_slices(1).with_pixel_mm(4.0);
    let table = &network.info().table;
    let picture = montage(&scan, &segmentation.labels, &segmentation.volumes, table, &options)?;
    for y in (0..picture.height()).step_by(2) {
        let shade = |x: usize| {
            let [r, g, b] = picture.pixel(x, y).unwrap_or_default().map(usize::from);
            [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'][(r + g + b) * 9 / 765]
        };
        println!("{}", (0..picture.width().min(120)).map(shade).collect::<String>());
    }
    Ok(())
}
