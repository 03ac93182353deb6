//! What is stored of a poll: a head of digits, by which the server can compare, then a digest and the packed items.

use landslide_domain::{
    lease::CLOCK_SKEW_MS,
    results::reading::{CURRENT_MS, Version},
    time::Timestamp,
};
use landslide_service::results::SharedCounts;

/// The format, which is in each key: releases with other formats don't see each other's entries.
pub const FORMAT: &str = "1";
/// How many digits the numbers of the head have: counts' version, poll's revision, time, duration.
const DIGITS: [usize; 4] = [20, 20, 15, 5];
/// The head's bytes by which entries are in order: all but the duration.
pub const ORDER_BYTES: usize = 55;
/// Bytes of the digest of the poll's own items.
const DIGEST_BYTES: usize = 16;

/// Why an entry is left alone.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Lie {
    /// It is not what this format is.
    #[error("it is no entry of format {FORMAT}")]
    Unreadable,
    /// It ends never, or too late.
    #[error("it is to live for {0} ms, and no entry lives longer than a second")]
    Lifetime(i64),
    /// It was read later than any clock may say.
    #[error("it was read {0} ms from now")]
    Future(u64),
}

/// The entry's bytes.
pub fn encode(counts: &SharedCounts) -> Vec<u8> {
    let SharedCounts { read_at, took_ms, version, poll, items } = counts;
    let (read_at, took_ms) = (read_at.as_millis(), (*took_ms).min(CURRENT_MS));
    let head = format!("{:020}{:020}{read_at:015}{took_ms:05}", version.counts, version.poll);
    [head.as_bytes(), poll, items].concat()
}

/// Parses what the server returned at `now`, with what it says is left of the entry's life. `None` if its second is over.
///
/// Its age is the greater one of two: by this machine's clock since the read, which the clock of another machine has timed; and
/// by the server's clock since the write. So neither a clock that differs nor a write that lands late makes it younger.
pub fn decode(entry: &[u8], left_ms: i64, now: Timestamp) -> Result<Option<SharedCounts>, Lie> {
    let lived_ms = match u64::try_from(left_ms) {
        Ok(left_ms @ 0..=CURRENT_MS) => CURRENT_MS - left_ms,
        _ => return Err(Lie::Lifetime(left_ms)),
    };
    let counts = parse(entry).ok_or(Lie::Unreadable)?;
    let ahead_ms = counts.read_at.millis_since(now);
    if ahead_ms > CLOCK_SKEW_MS {
        return Err(Lie::Future(ahead_ms));
    }
    let age_ms = now.millis_since(counts.read_at).max(lived_ms);
    let read_at = Timestamp::from_millis(now.as_millis().saturating_sub(age_ms)).ok_or(Lie::Unreadable)?;
    Ok((age_ms < CURRENT_MS).then_some(SharedCounts { read_at, ..counts }))
}

fn parse(entry: &[u8]) -> Option<SharedCounts> {
    let mut rest = entry;
    let mut numbers = [0_u64; 4];
    for (number, digits) in numbers.iter_mut().zip(DIGITS) {
        let (taken, after) = rest.split_at_checked(digits)?;
        let is_number = taken.iter().all(u8::is_ascii_digit);
        *number = std::str::from_utf8(taken).ok().filter(|_| is_number)?.parse().ok()?;
        rest = after;
    }
    let [counts, poll, read_at, took_ms] = numbers;
    let (digest, items) = rest.split_first_chunk::<DIGEST_BYTES>()?;
    Some(SharedCounts {
        read_at: Timestamp::from_millis(read_at)?,
        took_ms,
        version: Version { poll, counts },
        poll: *digest,
        items: items.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use landslide_domain::testing::at;

    use super::*;

    fn counts() -> SharedCounts {
        let version = Version { poll: 3, counts: u64::MAX };
        SharedCounts { read_at: at(100), took_ms: 7, version, poll: [255; 16], items: vec![0, 1, 2] }
    }

    fn read(left_ms: i64, now_ms: u64) -> Result<Option<u64>, Lie> {
        let found = decode(&encode(&counts()), left_ms, at(0).plus_millis(now_ms))?;
        Ok(found.map(|found| found.read_at.millis_since(at(0))))
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        assert_eq!(decode(&encode(&counts()), 1_000, at(100)), Ok(Some(counts())));
        let empty = SharedCounts { items: Vec::new(), ..counts() };
        assert_eq!(decode(&encode(&empty), 1_000, at(100)), Ok(Some(empty)));
    }

    #[test]
    fn its_age_is_the_greater_one_of_two_clocks() {
        assert_eq!(read(700, 100_300), Ok(Some(100_000)), "both say 300 ms");
        assert_eq!(read(700, 100_100), Ok(Some(99_800)), "this clock is behind");
        assert_eq!(read(999, 100_900), Ok(Some(100_000)), "the write landed late");
        assert_eq!(read(700, 99_700), Ok(Some(99_400)), "this clock is behind the read");
    }

    #[test]
    fn an_entry_of_a_second_is_over() {
        assert_eq!([read(1, 100_999), read(1_000, 101_000), read(0, 100_000)], [Ok(Some(100_000)), Ok(None), Ok(None)]);
    }

    #[test]
    fn what_can_not_be_is_a_lie() {
        assert_eq!(read(-1, 100_000), Err(Lie::Lifetime(-1)), "no end");
        assert_eq!(read(1_001, 100_000), Err(Lie::Lifetime(1_001)));
        assert_eq!(read(500, 98_999), Err(Lie::Future(1_001)));
        let entry = encode(&counts());
        for cut in [0, 1, 20, 59, 60, 75] {
            assert_eq!(decode(&entry[..cut], 500, at(100)), Err(Lie::Unreadable), "{cut}");
        }
        for sign in [b'+', b' ', b'x'] {
            let mut entry = entry.clone();
            entry[20] = sign;
            assert_eq!(decode(&entry, 500, at(100)), Err(Lie::Unreadable), "{sign}");
        }
    }

    #[test]
    fn entries_are_in_order_of_counts_then_polls_then_times() {
        let order = |counts: SharedCounts| encode(&counts)[..ORDER_BYTES].to_vec();
        let of = |counts, poll, seconds| {
            order(SharedCounts { read_at: at(seconds), version: Version { poll, counts }, ..self::counts() })
        };
        let sorted = [of(9, 9, 9), of(10, 1, 1), of(10, 1, 2), of(10, 2, 1)];
        assert!(sorted.is_sorted());
    }
}
