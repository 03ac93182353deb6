//! Limits log lines of one kind to one a minute, so that a storm of failures costs little.

use std::hash::Hash;

use landslide_domain::time::Timestamp;

use crate::cache::Cache;

/// How long a line keeps others of its kind out of the log. In milliseconds.
const QUIET_MS: u64 = 60_000;
/// The most kinds that a process remembers.
const KINDS_MAX: usize = 100;

/// What a process has logged recently, by kind.
pub struct LogLimit<K>(Cache<K, u64>);

impl<K: Clone + Eq + Hash> Default for LogLimit<K> {
    fn default() -> Self {
        Self(Cache::new(KINDS_MAX))
    }
}

impl<K: Clone + Eq + Hash> LogLimit<K> {
    /// Returns how many lines of this kind were suppressed since the last one. `None` if this one is to be suppressed
    /// too.
    pub fn admit(&self, kind: &K, now: Timestamp) -> Option<u64> {
        let last = self.0.get(kind);
        let left_out = last.as_ref().map_or(0, |last| last.value);
        match last {
            Some(last) if last.is_younger_than(QUIET_MS, now) => {
                self.0.put(kind, left_out + 1, last.read_at);
                None
            }
            _ => {
                self.0.put(kind, 0, now);
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_logged_once_a_minute_with_the_number_left_out() {
        let limit = LogLimit::default();
        let at = |ms| Timestamp::EPOCH.plus_millis(ms);
        assert_eq!(limit.admit(&"unavailable", at(0)), Some(0));
        assert_eq!(limit.admit(&"unavailable", at(1)), None);
        assert_eq!(limit.admit(&"internal", at(1)), Some(0));
        assert_eq!(limit.admit(&"unavailable", at(QUIET_MS - 1)), None);
        assert_eq!(limit.admit(&"unavailable", at(QUIET_MS)), Some(2));
        assert_eq!(limit.admit(&"unavailable", at(QUIET_MS + 1)), None);
    }
}
