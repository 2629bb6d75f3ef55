//! Names of arrays, made from the names of layers and weights.

use std::collections::BTreeSet;

/// Names of the arrays of a layer, one for each of its weights.
///
/// Weights are named `<scope>/kernel:0`, where the scope is nearly always the layer but may carry a suffix. What counts
/// is the layer that lists them, so the scope is left out, unless two weights of the layer differ by nothing else.
pub(super) fn array_names(layer: &str, weights: &[String]) -> Vec<String> {
    let last: Vec<&str> = weights.iter().map(|weight| weight.rsplit('/').next().unwrap_or(weight)).collect();
    if last.iter().collect::<BTreeSet<_>>().len() == weights.len() {
        return last.iter().map(|last| format!("{layer}/{last}")).collect();
    }
    let own_scope = format!("{layer}/");
    let inner = |weight: &String| weight.strip_prefix(&own_scope).unwrap_or(weight).to_owned();
    weights.iter().map(|weight| format!("{layer}/{}", inner(weight))).collect()
}

#[cfg(test)]
mod tests {
    use super::array_names;

    fn names(layer: &str, weights: &[&str]) -> Vec<String> {
        array_names(layer, &weights.iter().map(|&weight| weight.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_layer_counts_and_not_the_scope() {
        assert_eq!(names("conv", &["conv/kernel:0", "conv/bias:0"]), ["conv/kernel:0", "conv/bias:0"]);
        assert_eq!(names("conv", &["conv_3/kernel:0", "conv_3/bias:0"]), ["conv/kernel:0", "conv/bias:0"]);
        assert_eq!(names("conv", &["kernel:0"]), ["conv/kernel:0"]);
        assert!(names("conv", &[]).is_empty());
    }

    #[test]
    fn scopes_stay_where_they_tell_weights_apart() {
        let weights = ["att/query/kernel:0", "att/key/kernel:0", "other/scale:0"];
        assert_eq!(names("att", &weights), ["att/query/kernel:0", "att/key/kernel:0", "att/other/scale:0"]);
    }
}
