//! Percentiles without sorting.

use rayon::prelude::*;

use crate::{GeomError, Sample};

const OP: &str = "percentile";
/// Bits of the keys that one pass ranks by.
const DIGIT_BITS: u32 = 16;
const BINS: usize = 1 << DIGIT_BITS;
/// Values from which on ranking by histograms beats sorting.
const WORTH_HISTOGRAMS: usize = 1 << 16;
/// Values that one task counts at least: more than the bins it has to clear.
const MIN_COUNT: usize = 1 << 19;

/// What NaN does to a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum NanRule {
    /// One NaN makes every percentile NaN.
    #[default]
    Propagate,
    /// NaN is left out.
    Skip,
}

/// The percentiles `q` (each in 0 to 100) of `values`.
///
/// With the values sorted into `v`, `h = q / 100 * (n - 1)`, `lo = floor(h)`, `t = h - lo`, `a = v[lo]` and
/// `b = v[lo + 1]` (`a` at the end), the result is `a + (b - a) t` for `t < 0.5`, else `b - (b - a) (1 - t)`. Infinite
/// values follow the same arithmetic, so next to one the result may be NaN.
///
/// Nothing is sorted: the order-preserving bit pattern of the values is ranked 16 bits at a time by exact histograms,
/// one pass over 8- and 16-bit types, two over 32-bit, four over 64-bit ones, whatever the number of percentiles.
///
/// # Errors
/// [`GeomError::Empty`] when there is no value (left); [`GeomError::Parameter`] for a `q` that is not in 0 to 100.
pub fn percentiles<T: Sample>(values: &[T], q: &[f64], nan: NanRule) -> Result<Vec<f64>, GeomError> {
    if let Some(wrong) = q.iter().find(|q| !(0.0..=100.0).contains(*q)) {
        let why = "does not lie in 0 to 100";
        return Err(GeomError::Parameter { op: OP, name: "q", value: wrong.to_string(), why });
    }
    let n_nan = count_nan(values);
    if n_nan > 0 && nan == NanRule::Propagate {
        return Ok(vec![f64::NAN; q.len()]);
    }
    let n = values.len() - n_nan;
    if n == 0 {
        return Err(GeomError::Empty { op: OP });
    }
    let places = q.iter().map(|q| {
        let h = q / 100.0 * (n - 1) as f64;
        (h.floor() as usize, h - h.floor())
    });
    let places: Vec<(usize, f64)> = places.collect();
    let mut ranks: Vec<usize> = places.iter().flat_map(|&(lo, _)| [lo, (lo + 1).min(n - 1)]).collect();
    ranks.sort_unstable();
    ranks.dedup();
    let ranked = if n < WORTH_HISTOGRAMS { by_sorting(values, &ranks) } else { by_histograms(values, &ranks) };
    let value_at = |rank: usize| ranked[ranks.partition_point(|&r| r < rank)].to_f64();
    let interpolate = |(lo, t): (usize, f64)| {
        let (a, b) = (value_at(lo), value_at((lo + 1).min(n - 1)));
        if t < 0.5 { a + (b - a) * t } else { b - (b - a) * (1.0 - t) }
    };
    Ok(places.into_iter().map(interpolate).collect())
}

/// One percentile; see [`percentiles`].
///
/// # Errors
/// As [`percentiles`].
pub fn percentile<T: Sample>(values: &[T], q: f64, nan: NanRule) -> Result<f64, GeomError> {
    Ok(percentiles(values, &[q], nan)?[0])
}

fn count_nan<T: Sample>(values: &[T]) -> usize {
    if !T::DTYPE.is_float() {
        return 0;
    }
    values.par_chunks(MIN_COUNT).map(|part| part.iter().filter(|value| value.is_nan_sample()).count()).sum()
}

fn by_sorting<T: Sample>(values: &[T], ranks: &[usize]) -> Vec<T> {
    let mut keys: Vec<u64> =
        values.iter().filter(|value| !value.is_nan_sample()).map(|value| value.rank_key()).collect();
    keys.sort_unstable();
    ranks.iter().map(|&rank| T::from_rank_key(keys[rank])).collect()
}

/// A value of which the leading bits are known: it is the one of `rank` among those with the same `prefix`.
#[derive(Clone, Copy)]
struct Target {
    prefix: u64,
    rank: usize,
}

fn by_histograms<T: Sample>(values: &[T], ranks: &[usize]) -> Vec<T> {
    let mut targets: Vec<Target> = ranks.iter().map(|&rank| Target { prefix: 0, rank }).collect();
    let mut shift = T::KEY_BITS;
    while shift > 0 {
        let digit_bits = shift.min(DIGIT_BITS);
        shift -= digit_bits;
        let mut prefixes: Vec<u64> = targets.iter().map(|target| target.prefix).collect();
        prefixes.dedup();
        let histograms = count_digits(values, &prefixes, shift, digit_bits);
        for target in &mut targets {
            let which = prefixes.partition_point(|&prefix| prefix < target.prefix);
            let mut digit = 0u64;
            for &count in &histograms[which << digit_bits..(which + 1) << digit_bits] {
                if target.rank < count as usize {
                    break;
                }
                target.rank -= count as usize;
                digit += 1;
            }
            target.prefix = target.prefix << digit_bits | digit;
        }
    }
    targets.into_iter().map(|target| T::from_rank_key(target.prefix)).collect()
}

/// For each of the ascending `prefixes`, how often each digit follows it.
fn count_digits<T: Sample>(values: &[T], prefixes: &[u64], shift: u32, digit_bits: u32) -> Vec<u64> {
    let n_bins = prefixes.len() << digit_bits;
    let mask = (1u64 << digit_bits) - 1;
    let is_first = shift + digit_bits == T::KEY_BITS;
    // The leading 16 bits tell most values apart; only those of a wanted prefix are looked up.
    let lead_shift = T::KEY_BITS.saturating_sub(DIGIT_BITS);
    let mut wanted = vec![false; if is_first { 0 } else { BINS }];
    if !is_first {
        let known = T::KEY_BITS - shift - digit_bits;
        for prefix in prefixes {
            wanted[(prefix >> (known - DIGIT_BITS)) as usize] = true;
        }
    }
    let count = |part: &[T]| {
        let mut bins = vec![0u64; n_bins];
        for value in part.iter().filter(|value| !value.is_nan_sample()) {
            let key = value.rank_key();
            if is_first {
                bins[(key >> shift) as usize] += 1;
            } else if wanted[(key >> lead_shift) as usize & (BINS - 1)]
                && let Ok(which) = prefixes.binary_search(&(key >> shift >> digit_bits))
            {
                bins[which << digit_bits | ((key >> shift) & mask) as usize] += 1;
            }
        }
        bins
    };
    let n_tasks = (values.len() / MIN_COUNT.max(n_bins)).clamp(1, rayon::current_num_threads());
    let parts = values.par_chunks(values.len().div_ceil(n_tasks).max(1)).map(count);
    parts
        .reduce_with(|mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{by_histograms, by_sorting};

    #[test]
    fn histograms_find_what_sorting_finds() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as i32 - (1 << 30)
        };
        let values: Vec<f64> = (0..5000).map(|_| f64::from(next() % 700) * 0.37).collect();
        let ranks = [0, 1, 17, 2500, 2501, 4998, 4999];
        assert_eq!(by_histograms(&values, &ranks), by_sorting(&values, &ranks));
        let values: Vec<f32> = values.iter().map(|&x| x as f32).collect();
        assert_eq!(by_histograms(&values, &ranks), by_sorting(&values, &ranks));
        let values: Vec<i16> = values.iter().map(|&x| x as i16).collect();
        assert_eq!(by_histograms(&values, &ranks), by_sorting(&values, &ranks));
        let values: Vec<i8> = values.iter().map(|&x| x as i8).collect();
        assert_eq!(by_histograms(&values, &ranks), by_sorting(&values, &ranks));
        let values: Vec<u64> = values.iter().map(|&x| (x as u64) << 7).collect();
        assert_eq!(by_histograms(&values, &ranks), by_sorting(&values, &ranks));
    }
}
