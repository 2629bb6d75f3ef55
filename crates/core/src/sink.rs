//! Writing volumes by regions.

use crate::{BoxError, Region, VolumeMeta, VoxelsRef};

/// Something that voxels can be written to, box by box.
///
/// # Protocol
/// Boxes may come in any order and from any number of threads; boxes that overlap must not be written at the same
/// time. Voxels that are never written hold the fill value of the sink (0 unless it says otherwise). Nothing is visible
/// under the final name until `finish` has returned; a sink that is dropped without it leaves nothing behind, or what
/// its documentation says can be resumed.
pub trait VolumeSink: Send + Sync {
    /// Shape, element type and place of the volume.
    fn meta(&self) -> &VolumeMeta;

    /// Writes the box `region` from `values`, first axis fastest, converted to the element type of the sink.
    ///
    /// # Errors
    /// When the region does not lie inside, `values` has another length, there is no conversion, or writing fails.
    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError>;

    /// Makes what has been written so far survive a loss of power, where the sink can; by default nothing.
    ///
    /// # Errors
    /// When that fails.
    fn sync(&self) -> Result<(), BoxError> {
        Ok(())
    }

    /// Completes the volume: flushes and gives it its final name.
    ///
    /// # Errors
    /// When that fails; then nothing stands under the final name that did not stand there before.
    fn finish(self: Box<Self>) -> Result<(), BoxError>;
}
