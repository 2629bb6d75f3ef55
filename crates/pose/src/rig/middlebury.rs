//! Calibrations of the Middlebury multi-view pictures.

use super::{Rig, RigCamera};
use crate::PoseError;

impl Rig {
    /// From the contents of a `*_par.txt`: the number of pictures, then a line a picture with its name, K, R (both by rows)
    /// and t, for pixels `K (R X + t)`. Gives the names of the pictures too, in the order of the cameras.
    ///
    /// # Errors
    /// [`PoseError::Input`] for a line of another form, and for another number of lines than the first says.
    pub fn from_middlebury(text: &str, what: &str) -> Result<(Vec<String>, Self), PoseError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or_default();
        let refuse = |line: &str, why| PoseError::input(what, "line", line, why);
        let n: usize = first.parse().map_err(|_| refuse(first, "the number of pictures"))?;
        let (mut names, mut cameras) = (Vec::new(), Vec::new());
        for line in lines {
            let why = "name, 9 numbers of K, 9 of R, 3 of t";
            let (name, numbers) = line.split_once(char::is_whitespace).ok_or_else(|| refuse(line, why))?;
            let numbers: Option<Vec<f64>> = numbers.split_whitespace().map(|word| word.parse().ok()).collect();
            let numbers = numbers.filter(|numbers| numbers.len() == 21).ok_or_else(|| refuse(line, why))?;
            let matrix = |at: usize| std::array::from_fn(|r| std::array::from_fn(|c| numbers[at + 3 * r + c]));
            names.push(name.to_owned());
            cameras.push(RigCamera {
                rotation: matrix(9),
                translation: [numbers[18], numbers[19], numbers[20]],
                intrinsic: matrix(0),
                distortion: None,
            });
        }
        if cameras.len() != n {
            return Err(PoseError::input(what, "pictures", cameras.len(), "as many lines as the first line says"));
        }
        Ok((names, Self::new(cameras, what)?))
    }
}
