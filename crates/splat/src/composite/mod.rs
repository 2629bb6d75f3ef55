//! Rasterizing by operations of candle alone, on any device it has. (Feature `candle`.)

mod blend;
mod rasterizer;
mod scan;
mod tiles;

pub use rasterizer::CompositeRasterizer;
