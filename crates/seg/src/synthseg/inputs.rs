//! Inputs of the networks, plane by plane.

use volkit_kernels::{BoxError, KernelError, PlaneSource};

/// An image of one channel as input 0, its mirror image along x as any other input.
pub(super) struct ImageSource<'a> {
    image: &'a [f32],
    width: usize,
}

impl<'a> ImageSource<'a> {
    /// Planes of `image`, whose rows have `width` voxels.
    pub(super) fn new(image: &'a [f32], width: usize) -> Self {
        Self { image, width }
    }
}

impl PlaneSource for ImageSource<'_> {
    fn read_plane(&mut self, input: usize, z: usize, plane: &mut [f32]) -> Result<(), BoxError> {
        plane.copy_from_slice(plane_of(self.image, z, plane.len())?);
        if input > 0 {
            plane.chunks_exact_mut(self.width).for_each(<[f32]>::reverse);
        }
        Ok(())
    }
}

/// Labels as one channel a label, 1 where a voxel has it and 0 elsewhere, behind an image where there is one.
///
/// A label from `n_labels` on is 0 in all channels.
pub(super) struct OneHotSource<'a> {
    image: Option<&'a [f32]>,
    labels: &'a [u8],
    n_labels: usize,
}

impl<'a> OneHotSource<'a> {
    /// Channels of `labels` only.
    pub(super) fn new(labels: &'a [u8], n_labels: usize) -> Self {
        Self { image: None, labels, n_labels }
    }

    /// The same behind a channel with the image.
    pub(super) fn behind(image: &'a [f32], labels: &'a [u8], n_labels: usize) -> Self {
        Self { image: Some(image), labels, n_labels }
    }
}

impl PlaneSource for OneHotSource<'_> {
    fn read_plane(&mut self, _input: usize, z: usize, plane: &mut [f32]) -> Result<(), BoxError> {
        let first = usize::from(self.image.is_some());
        let channels = self.n_labels + first;
        let n_voxels = plane.len() / channels;
        plane.fill(0.0);
        if let Some(image) = self.image {
            for (voxel, value) in plane.chunks_exact_mut(channels).zip(plane_of(image, z, n_voxels)?) {
                voxel[0] = *value;
            }
        }
        for (voxel, label) in plane.chunks_exact_mut(channels).zip(plane_of(self.labels, z, n_voxels)?) {
            if let Some(value) = voxel.get_mut(first + usize::from(*label)) {
                *value = 1.0;
            }
        }
        Ok(())
    }
}

fn plane_of<T>(volume: &[T], z: usize, len: usize) -> Result<&[T], KernelError> {
    volume.get(z * len..(z + 1) * len).ok_or_else(|| KernelError::Shape {
        op: "network input",
        wanted: format!("{len} voxels of plane {z}"),
        got: format!("{} voxels in all", volume.len()),
    })
}

#[cfg(test)]
mod tests {
    use volkit_kernels::PlaneSource as _;

    use super::{ImageSource, OneHotSource};

    #[test]
    fn images_come_straight_and_mirrored() {
        let image: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let mut plane = [f32::NAN; 6];
        ImageSource::new(&image, 3).read_plane(0, 1, &mut plane).unwrap();
        assert_eq!(plane, [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        ImageSource::new(&image, 3).read_plane(1, 0, &mut plane).unwrap();
        assert_eq!(plane, [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
        assert!(ImageSource::new(&image, 3).read_plane(0, 2, &mut plane).is_err());
    }

    #[test]
    fn labels_become_channels() {
        let mut plane = [f32::NAN; 6];
        OneHotSource::new(&[0, 1, 2], 2).read_plane(0, 0, &mut plane).unwrap();
        assert_eq!(plane, [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        OneHotSource::behind(&[0.5, 0.25, 7.0, 8.0], &[0, 0, 1, 0], 2).read_plane(0, 1, &mut plane).unwrap();
        assert_eq!(plane, [7.0, 0.0, 1.0, 8.0, 1.0, 0.0]);
    }
}
