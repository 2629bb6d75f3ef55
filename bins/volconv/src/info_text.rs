//! `volconv info` as lines of text.

use std::fmt;

use crate::info::{Info, NiftiInfo, ValueStatistics};

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let compressed = if self.compressed { ", compressed" } else { "" };
        line(f, "file", format_args!("{} ({} bytes)", self.file, self.file_bytes))?;
        line(f, "format", format_args!("{}, {}{compressed}", self.format, self.byte_order))?;
        line(f, "shape", list(&self.shape, " x "))?;
        line(f, "stored type", &self.stored_type)?;
        if (self.slope, self.intercept) == (1.0, 0.0) {
            line(f, "scaling", "none")?;
        } else {
            let (slope, intercept) = (self.slope, self.intercept);
            line(f, "scaling", format_args!("value = stored * {slope} + {intercept}, as {}", self.value_type))?;
        }
        line(
            f,
            "spacing",
            format_args!("{} (units: {} and {})", list(&self.spacing, " x "), self.space_unit, self.time_unit),
        )?;
        line(f, "orientation", &self.orientation)?;
        matrix(f, "affine", &self.affine)?;
        if let Some(nifti) = &self.nifti {
            write!(f, "{nifti}")?;
        }
        for warning in &self.warnings {
            line(f, "warning", warning)?;
        }
        if let Some(statistics) = &self.statistics {
            write!(f, "{statistics}")?;
        }
        Ok(())
    }
}

impl fmt::Display for NiftiInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "sform", format_args!("code {} ({})", self.sform_code, self.sform_meaning))?;
        if self.sform_code > 0 {
            matrix(f, "", &self.sform)?;
        }
        line(f, "qform", format_args!("code {} ({})", self.qform_code, self.qform_meaning))?;
        match &self.qform {
            Some(qform) if self.qform_code > 0 => matrix(f, "", qform)?,
            None => line(f, "", "its quaternion is none")?,
            Some(_) => {}
        }
        let intent = self.intent.unwrap_or("not in the standard");
        line(f, "intent", format_args!("{} ({intent}) {}", self.intent_code, self.intent_name))?;
        if self.intent_parameters != [0.0; 3] {
            line(f, "", format_args!("parameters {}", list(&self.intent_parameters, ", ")))?;
        }
        line(f, "description", &self.description)?;
        if !self.auxiliary_file.is_empty() {
            line(f, "auxiliary", &self.auxiliary_file)?;
        }
        if self.display_range != [0.0; 2] {
            line(f, "display", format_args!("{} to {}", self.display_range[0], self.display_range[1]))?;
        }
        for extension in &self.extensions {
            let text = extension.text.as_deref().map(|text| format!(": {}", text.escape_debug())).unwrap_or_default();
            line(f, "extension", format_args!("code {}, {} bytes{text}", extension.code, extension.bytes))?;
        }
        Ok(())
    }
}

impl fmt::Display for ValueStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, "voxels", format_args!("{}, of them {} NaN, {} infinite", self.voxels, self.nan, self.infinite))?;
        if let (Some(low), Some(high), Some(mean), Some(sd)) =
            (self.minimum, self.maximum, self.mean, self.standard_deviation)
        {
            line(f, "range", format_args!("{low} to {high}"))?;
            line(f, "mean", format_args!("{mean} (standard deviation {sd})"))?;
        }
        for (percentile, value) in &self.percentiles {
            line(f, &format!("{percentile} %"), value)?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: impl fmt::Display) -> fmt::Result {
    let line = format!("{name:12} {value}");
    writeln!(f, "{}", line.trim_end())
}

fn matrix(f: &mut fmt::Formatter<'_>, name: &str, rows: &[[f64; 4]; 4]) -> fmt::Result {
    for (index, row) in rows.iter().take(3).enumerate() {
        let numbers: Vec<String> = row.iter().map(|x| format!("{x:12.6}")).collect();
        line(f, if index == 0 { name } else { "" }, numbers.join(" "))?;
    }
    Ok(())
}

fn list<T: fmt::Display>(values: &[T], separator: &str) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(separator)
}
