//! The text at the beginning of an NRRD file, up to its first empty line.

use std::path::Path;

use volkit_core::{Affine, DType};

use crate::{Endian, IoError};

pub(super) const MAGIC: &[u8] = b"NRRD000";

/// How the values are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Raw,
    Gzip,
}

/// What the header says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NrrdHeader {
    pub(super) shape: Vec<usize>,
    pub(super) stored: DType,
    pub(super) endian: Endian,
    pub(super) encoding: Encoding,
    pub(super) affine: Affine,
    pub(super) spacing: Vec<f64>,
    /// File with the values; none where they follow the header.
    pub(super) data_file: Option<String>,
    /// Bytes before the values; -1 for values at the end of the file.
    pub(super) byte_skip: i64,
}

/// Fields as they stand, before any is understood.
struct Fields<'a> {
    path: &'a Path,
    fields: Vec<(String, String)>,
}

impl NrrdHeader {
    /// Reads the lines of a header; fields that do not bear on values and their place are left aside.
    pub(super) fn parse(path: &Path, text: &str, warnings: &mut Vec<String>) -> Result<Self, IoError> {
        let fields = Fields::split(path, text)?;
        let dimension = fields.required("dimension")?;
        let n_axes = dimension
            .parse::<usize>()
            .ok()
            .filter(|n| (1..=7).contains(n))
            .ok_or_else(|| IoError::bad_header(path, "dimension", dimension, "must be 1 to 7"))?;
        let sizes = fields.required("sizes")?;
        let shape: Option<Vec<usize>> =
            sizes.split_whitespace().map(|size| size.parse::<usize>().ok().filter(|&n| n > 0)).collect();
        let shape = shape
            .filter(|shape| shape.len() == n_axes)
            .ok_or_else(|| IoError::bad_header(path, "sizes", sizes, format!("must be {n_axes} positive numbers")))?;
        let kind = fields.required("type")?;
        let stored =
            dtype(kind).ok_or_else(|| IoError::bad_header(path, "type", kind, "no element type that is read"))?;
        let endian = match fields.get(&["endian"]).map(str::to_ascii_lowercase).as_deref() {
            Some("little") => Endian::Little,
            Some("big") => Endian::Big,
            None if stored.size() == 1 => Endian::Little,
            other => {
                let value = other.unwrap_or("(none)");
                return Err(IoError::bad_header(path, "endian", value, "must be little or big"));
            }
        };
        let encoding = match fields.required("encoding")?.to_ascii_lowercase().as_str() {
            "raw" => Encoding::Raw,
            "gzip" | "gz" => Encoding::Gzip,
            other => return Err(IoError::bad_header(path, "encoding", other, "only raw and gzip are read")),
        };
        if let Some(skip) = fields.get(&["line skip", "lineskip"]).filter(|skip| *skip != "0") {
            return Err(IoError::bad_header(path, "line skip", skip, "lines before the values are not skipped"));
        }
        let skip = fields.get(&["byte skip", "byteskip"]).unwrap_or("0");
        let byte_skip =
            skip.parse::<i64>().ok().filter(|skip| *skip >= -1 && (*skip >= 0 || encoding == Encoding::Raw));
        let byte_skip = byte_skip
            .ok_or_else(|| IoError::bad_header(path, "byte skip", skip, "must be 0 or more, or -1 for raw values"))?;
        let (affine, spacing) = place(&fields, n_axes, warnings)?;
        let data_file = fields.get(&["data file", "datafile"]).map(str::to_owned);
        Ok(Self { shape, stored, endian, encoding, affine, spacing, data_file, byte_skip })
    }
}

impl<'a> Fields<'a> {
    fn split(path: &'a Path, text: &str) -> Result<Self, IoError> {
        let mut fields = Vec::new();
        for line in text.lines().skip(1) {
            let line = line.trim_end();
            // Comments, and keys of the user's own.
            if line.starts_with('#') || line.contains(":=") {
                continue;
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err(IoError::bad_header(path, "header", line, "is no field: there is no colon"));
            };
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Self { path, fields })
    }

    fn get(&self, names: &[&str]) -> Option<&str> {
        self.fields.iter().find(|(name, _)| names.contains(&name.as_str())).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, IoError> {
        self.get(&[name]).ok_or_else(|| IoError::bad_header(self.path, name, "(none)", "must be there"))
    }
}

fn dtype(name: &str) -> Option<DType> {
    Some(match name.to_ascii_lowercase().as_str() {
        "signed char" | "int8" | "int8_t" => DType::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => DType::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => DType::I16,
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => DType::U16,
        "int" | "signed int" | "int32" | "int32_t" => DType::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => DType::U32,
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => DType::I64,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => DType::U64,
        "float" => DType::F32,
        "double" => DType::F64,
        _ => return None,
    })
}

/// Affine to RAS+ and spacing of each axis.
fn place(fields: &Fields<'_>, n_axes: usize, warnings: &mut Vec<String>) -> Result<(Affine, Vec<f64>), IoError> {
    let path = fields.path;
    let signs = match fields.get(&["space"]).map(|space| space.to_ascii_lowercase().replace('_', "-")).as_deref() {
        None => [1.0; 3],
        Some("right-anterior-superior" | "ras") => [1.0; 3],
        Some("left-posterior-superior" | "lps") => [-1.0, -1.0, 1.0],
        Some("left-anterior-superior" | "las") => [-1.0, 1.0, 1.0],
        Some(other) => {
            return Err(IoError::bad_header(path, "space", other, "must be RAS, LPS or LAS, in words or letters"));
        }
    };
    let Some(text) = fields.get(&["space directions"]) else {
        let spacing = spacings(fields, n_axes)?;
        warnings.push("no space directions: the axes of the array are taken for those of the world".to_owned());
        let steps = std::array::from_fn(|axis| spacing.get(axis).copied().unwrap_or(1.0));
        return Ok((Affine::from_scale(steps), spacing));
    };
    let wrong = |why: &str| IoError::bad_header(path, "space directions", text, why);
    let vectors: Vec<Option<[f64; 3]>> = vectors(text).ok_or_else(|| wrong("must be vectors (x,y,z) or none"))?;
    if vectors.len() != n_axes {
        return Err(wrong("must be as many as there are axes"));
    }
    let n_spatial = vectors.iter().take_while(|vector| vector.is_some()).count();
    if vectors[n_spatial..].iter().any(Option::is_some) || n_spatial > 3 {
        return Err(wrong(
            "axes without direction are read only behind those with one, of which there are at most three",
        ));
    }
    let origin = match fields.get(&["space origin"]) {
        None => [0.0; 3],
        Some(text) => self::vectors(text)
            .and_then(|vectors| vectors.first().copied().flatten())
            .ok_or_else(|| IoError::bad_header(path, "space origin", text, "must be a vector (x,y,z)"))?,
    };
    let column = |axis: usize| vectors.get(axis).copied().flatten();
    let rows = std::array::from_fn(|row| {
        let entry = |axis: usize| match column(axis) {
            Some(vector) => signs[row] * vector[row],
            None => f64::from(u8::from(axis == row)),
        };
        [entry(0), entry(1), entry(2), signs[row] * origin[row]]
    });
    let affine = Affine::from_rows(rows);
    if !affine.is_finite() {
        return Err(wrong("must be finite"));
    }
    if let Some(axis) = crate::limits::absurd_spacing(affine.spacing()) {
        return Err(wrong(&crate::limits::spacing_rule(axis)));
    }
    let lengths = affine.spacing();
    let spacing = (0..n_axes).map(|axis| if axis < n_spatial { lengths[axis] } else { 1.0 }).collect();
    Ok((affine, spacing))
}

fn spacings(fields: &Fields<'_>, n_axes: usize) -> Result<Vec<f64>, IoError> {
    let Some(text) = fields.get(&["spacings"]) else { return Ok(vec![1.0; n_axes]) };
    let numbers: Option<Vec<f64>> = text
        .split_whitespace()
        // An axis without spacing has NaN.
        .map(|word| word.parse::<f64>().ok().map(|x| if x.is_nan() { 1.0 } else { x }))
        .collect();
    let fits = |n: &f64| (1e-12..=1e12).contains(&n.abs());
    numbers
        .filter(|numbers| numbers.len() == n_axes && numbers.iter().all(fits))
        .ok_or_else(|| IoError::bad_header(fields.path, "spacings", text, format!("must be {n_axes} numbers")))
}

/// `(1,0,0) (0,1,0) none`; none where it is no such text.
fn vectors(text: &str) -> Option<Vec<Option<[f64; 3]>>> {
    let mut vectors = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("none") {
            vectors.push(None);
            rest = after.trim_start();
            continue;
        }
        let (inside, after) = rest.strip_prefix('(')?.split_once(')')?;
        let numbers = inside.split(',').map(|word| word.trim().parse().ok()).collect::<Option<Vec<f64>>>()?;
        vectors.push(Some(<[f64; 3]>::try_from(numbers).ok()?));
        rest = after.trim_start();
    }
    Some(vectors)
}

#[cfg(test)]
mod tests {
    use super::{Encoding, NrrdHeader, vectors};
    use std::path::Path;

    const GOOD: &str = "NRRD0004\n# made by hand\ntype: short\ndimension: 4\nspace: left-posterior-superior\n\
        sizes: 4 3 2 5\nspace directions: (2,0,0) (0,0,3) (0,1.5,0) none\nkinds: domain domain domain list\n\
        endian: big\nencoding: gzip\nspace origin: (10,20,30)\nkey:=value: with colon\n";

    fn parse(text: &str) -> Result<NrrdHeader, String> {
        NrrdHeader::parse(Path::new("a.nrrd"), text, &mut Vec::new()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_header_by_hand() {
        let header = parse(GOOD).unwrap();
        assert_eq!((header.shape.as_slice(), header.encoding), (&[4, 3, 2, 5][..], Encoding::Gzip));
        // LPS to RAS: the first two rows change sign.
        let rows = [[-2.0, 0.0, 0.0, -10.0], [0.0, 0.0, -1.5, -20.0], [0.0, 3.0, 0.0, 30.0]];
        assert_eq!(*header.affine.rows(), rows);
        assert_eq!(header.spacing, [2.0, 3.0, 1.5, 1.0]);
    }

    #[test]
    fn fields_that_are_wrong_are_named() {
        for (good, bad, told) in [
            ("dimension: 4", "dimension: 9", "dimension = 9: must be 1 to 7"),
            ("sizes: 4 3 2 5", "sizes: 4 3 2", "sizes = 4 3 2: must be 4 positive numbers"),
            ("sizes: 4 3 2 5", "sizes: 4 3 0 5", "sizes = 4 3 0 5"),
            ("type: short", "type: block", "type = block"),
            ("type: short\n", "", "type = (none): must be there"),
            ("endian: big", "endian: middle", "endian = middle"),
            ("endian: big\n", "", "endian = (none)"),
            ("encoding: gzip", "encoding: bzip2", "encoding = bzip2: only raw and gzip"),
            ("left-posterior-superior", "scanner-xyz", "space = scanner-xyz"),
            ("(0,1.5,0) none", "none (0,1.5,0)", "space directions"),
            ("(2,0,0)", "(nan,0,0)", "space directions"),
            ("(10,20,30)", "(10,20)", "space origin"),
            ("encoding: gzip", "encoding: gzip\nbyte skip: -1", "byte skip = -1"),
            ("encoding: gzip", "encoding: gzip\nline skip: 2", "line skip = 2"),
            ("encoding: gzip", "encoding: gzip\nno field", "header = no field"),
        ] {
            let error = parse(&GOOD.replace(good, bad)).unwrap_err();
            assert!(error.starts_with("a.nrrd: ") && error.contains(told), "{error}");
        }
    }

    #[test]
    fn texts_of_vectors() {
        assert_eq!(vectors("none (1, 2,3)none"), Some(vec![None, Some([1.0, 2.0, 3.0]), None]));
        for bad in ["(1,2,3", "1,2,3", "(1,2)", "(a,b,c)"] {
            assert_eq!(vectors(bad), None, "{bad}");
        }
    }
}
