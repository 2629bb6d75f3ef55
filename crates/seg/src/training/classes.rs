//! Labels of `SynthSeg` in the classes of the published MeshNet, which do not tell left from right.

use volkit_core::Volume;

use crate::{SegError, Structures, subcortical};

/// The classes of [`crate::subcortical`] for labels of `SynthSeg`: sides are merged, the fluid around the brain is
/// background.
///
/// # Errors
/// [`SegError::Scan`] for a label that no channel of version 2 has.
pub fn as_subcortical(labels: &Volume) -> Result<Volume, SegError> {
    let class_of: Vec<(u32, i16)> =
        Structures::v2().channels().iter().map(|structure| (structure.label, class_named(&structure.name))).collect();
    let class = |value: &f32| {
        let found = class_of.iter().find(|(label, _)| *label as f32 == *value);
        let why = "is none of SynthSeg's labels";
        found.map(|(_, class)| *class).ok_or_else(|| SegError::Scan { field: "label", value: value.to_string(), why })
    };
    let classes = labels.to_real::<f32>()?.iter().map(class).collect::<Result<Vec<i16>, _>>()?;
    Ok(Volume::new(labels.shape().to_vec(), classes, *labels.affine())?)
}

/// Class of a structure by name: the words that both tables use.
fn class_named(name: &str) -> i16 {
    let plain = |name: &str| {
        let name = name.to_lowercase().replace('-', " ");
        let name = name.trim_start_matches("left ").trim_start_matches("right ").to_owned();
        name.replace("ventral dc", "ventraldc")
    };
    let wanted = plain(name);
    let found = subcortical().iter().find(|label| plain(&label.name) == wanted).map(|label| label.id as i16);
    found.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use volkit_core::{Affine, Volume};

    use super::as_subcortical;
    use crate::Structures;

    #[test]
    fn sides_are_merged() {
        let labels = [0i16, 2, 41, 3, 5, 44, 10, 26, 60, 14, 24, 16];
        let volume = Volume::new([12, 1, 1], labels.to_vec(), Affine::IDENTITY).unwrap();
        let classes = as_subcortical(&volume).unwrap();
        assert_eq!(classes.as_slice::<i16>().unwrap(), [0, 1, 1, 2, 4, 4, 7, 16, 17, 11, 0, 13]);
        let all: Vec<i16> = Structures::v2().channels().iter().map(|structure| structure.label as i16).collect();
        let volume = Volume::new([33, 1, 1], all, Affine::IDENTITY).unwrap();
        let classes = as_subcortical(&volume).unwrap();
        let background = classes.as_slice::<i16>().unwrap().iter().filter(|class| **class == 0).count();
        assert_eq!(background, 2, "all but the background and the fluid have a class");
        let unknown = Volume::new([1, 1, 1], vec![999i16], Affine::IDENTITY).unwrap();
        assert!(as_subcortical(&unknown).unwrap_err().to_string().contains("999"));
    }
}
