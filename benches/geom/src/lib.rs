//! Criterion suite of volkit-geom; everything is in `benches/`.
#![forbid(unsafe_code)]
