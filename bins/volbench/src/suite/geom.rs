//! Resampling and reorientation.

use std::hint::black_box;

use volkit_bench::{FnWorkload, Workload};
use volkit_core::{Affine, AxisMap, BoxError};
use volkit_geom::{Order, Resampling, reorient_slice, resample_map};

use super::{Make, Setting};

pub(super) fn workloads<'a>(setting: &'a Setting<'a>) -> Vec<Make<'a>> {
    let straight = Affine::from_scale([0.97, 1.02, 0.99]).with_translation([0.3, -0.2, 0.4]);
    let (sin, cos) = 0.2f64.sin_cos();
    let oblique = Affine::from_rows([[cos, -sin, 0.03, 2.0], [sin, cos, -0.05, 1.0], [-0.02, 0.06, 1.0, 0.5]]);
    let maps = [
        ("nearest-straight", Order::Nearest, straight),
        ("linear-straight", Order::Linear, straight),
        ("linear-oblique", Order::Linear, oblique),
        ("cubic-straight", Order::Cubic, straight),
    ];
    let mut all: Vec<Make<'a>> = Vec::new();
    for (name, order, map) in maps {
        all.push(Box::new(move || resampled(setting, name, order, map)));
    }
    all.push(Box::new(move || turned(setting)));
    all
}

fn resampled<'a>(
    setting: &'a Setting<'a>,
    name: &str,
    order: Order,
    map: Affine,
) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let (values, how, size) = (setting.head()?.to_real::<f32>()?, Resampling::new(order), [setting.size; 3]);
    let bytes = (2 * size_of_val(&values[..])) as f64;
    let run = move || {
        black_box(resample_map(&values, size, &map, size, &how)?);
        Ok(())
    };
    let name = format!("geom/resample-{name}/{}/f32", setting.shape());
    Ok(Box::new(FnWorkload::new(name, run).with_amount(bytes, "B")))
}

fn turned<'a>(setting: &'a Setting<'a>) -> Result<Box<dyn Workload + 'a>, BoxError> {
    let (values, size) = (setting.head()?.to_real::<f32>()?, [setting.size; 3]);
    let (map, bytes) =
        (AxisMap { source_axis: [2, 1, 0], flipped: [true, false, true] }, (2 * size_of_val(&values[..])) as f64);
    let run = move || {
        black_box(reorient_slice(&values, size, &map)?);
        Ok(())
    };
    let name = format!("geom/reorient/{}/f32", setting.shape());
    Ok(Box::new(FnWorkload::new(name, run).with_amount(bytes, "B")))
}
