//! When one of many processes renews a shared copy that the others may still use.

use super::reading::CURRENT_MS;

/// A renewal is taken to last at least this long, in milliseconds: it is of no use to others before it is written.
const TOOK_MS_MIN: u64 = 5;
/// A renewal is taken to last at most this long, in milliseconds. If the tables are slow, copies still live for most of their second.
const TOOK_MS_MAX: u64 = 100;

/// Whether a reader of a copy of this age renews it now. `took_ms` says how long the last renewal lasted; `draw` is random,
/// above 0 and at most 1.
///
/// This is XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015) with β = 1:
/// each reader draws how long before the end it renews, by an exponential distribution whose mean is one renewal. So one or two
/// of any number of readers renew a copy, and they start early enough for the others to find the next one.
pub fn is_renewed_early(age_ms: u64, took_ms: u64, draw: f64) -> bool {
    let ahead_ms = took_ms.clamp(TOOK_MS_MIN, TOOK_MS_MAX) as f64 * -draw.ln();
    age_ms as f64 + ahead_ms >= CURRENT_MS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_is_one_renewal_in_the_mean_and_none_for_the_greatest_draw() {
        let one_renewal = (-1.0_f64).exp();
        assert_eq!([979, 981].map(|age_ms| is_renewed_early(age_ms, 20, one_renewal)), [false, true]);
        assert_eq!([999, 1_000].map(|age_ms| is_renewed_early(age_ms, 20, 1.0)), [false, true]);
    }

    #[test]
    fn a_renewal_of_no_time_or_of_seconds_is_bounded() {
        let one_renewal = (-1.0_f64).exp();
        assert_eq!([994, 996].map(|age_ms| is_renewed_early(age_ms, 0, one_renewal)), [false, true]);
        assert_eq!([899, 901].map(|age_ms| is_renewed_early(age_ms, 9_000, one_renewal)), [false, true]);
    }
}
