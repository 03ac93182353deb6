//! Times as the database's client knows them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use landslide_domain::time::Timestamp;

pub(crate) fn to_sql(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.as_millis())
}

/// A time before 1970 is its first millisecond, one after 9999 its last: no vote has such.
pub(crate) fn from_sql(at: SystemTime) -> Timestamp {
    let millis = at.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    Timestamp::EPOCH.plus_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_database() {
        for at in [Timestamp::EPOCH, Timestamp::EPOCH.plus_millis(1_732_000_000_123), Timestamp::LATEST] {
            assert_eq!(from_sql(to_sql(at)), at);
        }
    }
}
