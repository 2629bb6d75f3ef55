//! Units of voxel spacing.

/// Unit of the first three axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SpaceUnit {
    /// Not recorded; counts as millimetres.
    #[default]
    Unknown,
    /// Metres.
    Metre,
    /// Millimetres.
    Millimetre,
    /// Micrometres.
    Micron,
}

impl SpaceUnit {
    /// Millimetres in one unit.
    #[must_use]
    pub const fn millimetres(self) -> f64 {
        match self {
            Self::Metre => 1000.0,
            Self::Millimetre | Self::Unknown => 1.0,
            Self::Micron => 1e-3,
        }
    }
}

/// Unit of the fourth axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// Not recorded.
    #[default]
    Unknown,
    /// Seconds.
    Second,
    /// Milliseconds.
    Millisecond,
    /// Microseconds.
    Microsecond,
    /// Hertz: the axis is a spectrum.
    Hertz,
    /// Parts per million: the axis is a spectrum.
    PartsPerMillion,
    /// Radians per second: the axis is a spectrum.
    RadiansPerSecond,
}

impl TimeUnit {
    /// Seconds in one unit, where it is one of time.
    #[must_use]
    pub const fn seconds(self) -> Option<f64> {
        match self {
            Self::Second => Some(1.0),
            Self::Millisecond => Some(1e-3),
            Self::Microsecond => Some(1e-6),
            _ => None,
        }
    }
}

/// Units of a volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Units {
    /// Of the first three axes.
    pub space: SpaceUnit,
    /// Of the fourth axis.
    pub time: TimeUnit,
}

impl Units {
    /// Millimetres and milliseconds, as MGH files use.
    pub const MGH: Self = Self { space: SpaceUnit::Millimetre, time: TimeUnit::Millisecond };

    /// The units of a NIfTI `xyzt_units` field.
    #[must_use]
    pub const fn from_nifti(xyzt_units: i64) -> Self {
        let space = match xyzt_units & 7 {
            1 => SpaceUnit::Metre,
            2 => SpaceUnit::Millimetre,
            3 => SpaceUnit::Micron,
            _ => SpaceUnit::Unknown,
        };
        let time = match xyzt_units & 56 {
            8 => TimeUnit::Second,
            16 => TimeUnit::Millisecond,
            24 => TimeUnit::Microsecond,
            32 => TimeUnit::Hertz,
            40 => TimeUnit::PartsPerMillion,
            48 => TimeUnit::RadiansPerSecond,
            _ => TimeUnit::Unknown,
        };
        Self { space, time }
    }

    /// The NIfTI `xyzt_units` field of these units.
    #[must_use]
    pub const fn to_nifti(self) -> i64 {
        let space = match self.space {
            SpaceUnit::Unknown => 0,
            SpaceUnit::Metre => 1,
            SpaceUnit::Millimetre => 2,
            SpaceUnit::Micron => 3,
        };
        let time = match self.time {
            TimeUnit::Unknown => 0,
            TimeUnit::Second => 8,
            TimeUnit::Millisecond => 16,
            TimeUnit::Microsecond => 24,
            TimeUnit::Hertz => 32,
            TimeUnit::PartsPerMillion => 40,
            TimeUnit::RadiansPerSecond => 48,
        };
        space | time
    }
}

#[cfg(test)]
mod tests {
    use super::{SpaceUnit, TimeUnit, Units};

    #[test]
    fn every_code_survives() {
        for code in 0..64 {
            let units = Units::from_nifti(code);
            let known = (code & 7) <= 3 && (code & 56) <= 48;
            assert_eq!(units.to_nifti() == code, known, "{code}");
        }
        let units = Units::from_nifti(1 | 24);
        assert_eq!((units.space, units.time), (SpaceUnit::Metre, TimeUnit::Microsecond));
        assert_eq!((units.space.millimetres(), units.time.seconds()), (1000.0, Some(1e-6)));
    }
}
