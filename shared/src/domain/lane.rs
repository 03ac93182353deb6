//! How a poll is spread: voters over logical partitions, partitions over lanes.

use super::{
    ids::{PollId, VoterKey},
    lease::{CLOCK_SKEW_MS, CONFIG_LEASE_MS},
};

/// Logical partitions of a poll's votes, each good for 1,000 writes a second.
pub const PARTITIONS: u16 = 512;
/// The most lanes that count one poll.
pub const LANES_MAX: u8 = 32;
/// What one lane is meant to count: votes a second. A third of its partition's write units.
pub const LANE_VOTES_PER_SECOND: u32 = 8_000;

/// A logical partition of a poll's votes, 0 to 511: the first two bytes of the voter modulo 512.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u16);

impl Partition {
    /// The partition that a voter's vote lies in.
    pub fn of(voter: &VoterKey) -> Self {
        let [first, second, ..] = voter.bytes();
        Self(u16::from_be_bytes([first, second]) % PARTITIONS)
    }

    /// All partitions of a poll.
    pub fn all() -> impl Iterator<Item = Partition> {
        (0..PARTITIONS).map(Partition)
    }

    /// Its number, below 512.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The lane that counts this partition, of a poll with that many lanes (at least 1).
    pub fn lane(self, lanes: u8) -> u8 {
        // Below `lanes`, so it fits.
        (self.0 % u16::from(lanes.max(1))) as u8
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:03x}", self.0)
    }
}

/// The lanes for a poll that expects that many votes a second: the least power of two that gives each lane at
/// most 8,000, at least `lanes_min`, at most 32.
pub fn lanes_for(peak_votes_per_second: u32, lanes_min: u8) -> u8 {
    let needed = peak_votes_per_second.div_ceil(LANE_VOTES_PER_SECOND).max(u32::from(lanes_min)).max(1);
    u8::try_from(needed.next_power_of_two()).unwrap_or(LANES_MAX).min(LANES_MAX)
}

/// For so long after a poll got more lanes votes may still be cast by the fewer ones: a lease and the clocks' skew, in
/// milliseconds.
pub const LANES_FELT_MS: u64 = CONFIG_LEASE_MS + CLOCK_SKEW_MS;

/// One lane of one poll: the unit that has its own tally, and its own group in the queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// The poll.
    pub poll: PollId,
    /// Which of its lanes, below 32.
    pub lane: u8,
}

impl std::fmt::Display for LaneKey {
    /// `<poll_id>#<lane>`: the queue's group id, and the tally's partition key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.poll, self.lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_follow_the_expected_peak() {
        for (peak, lanes) in [(1, 1), (8_000, 1), (8_001, 2), (16_000, 2), (60_000, 8), (128_001, 32), (250_000, 32)] {
            assert_eq!(lanes_for(peak, 1), lanes, "{peak}");
        }
        assert_eq!(lanes_for(1, 4), 4);
        assert_eq!(lanes_for(250_000, 4), 32);
    }

    #[test]
    fn partitions_spread_evenly_over_lanes() {
        for lanes in [1u8, 2, 4, 8, 16, 32] {
            for lane in 0..lanes {
                let held = Partition::all().filter(|partition| partition.lane(lanes) == lane).count();
                assert_eq!(held, 512 / usize::from(lanes));
            }
        }
    }

    #[test]
    fn a_partition_is_three_hex_digits() {
        let mut voter = [0u8; 16];
        voter[..2].copy_from_slice(&[0x03, 0x0a]);
        let partition = Partition::of(&VoterKey::from_bytes(voter));
        assert_eq!((partition.number(), partition.to_string().as_str()), (0x10a, "10a"));
    }

    #[test]
    fn a_lane_is_written_as_its_poll_and_its_number() {
        assert_eq!(LaneKey { poll: PollId::parse("p-1").unwrap(), lane: 31 }.to_string(), "p-1#31");
    }

    #[test]
    fn a_lease_and_the_skew_of_clocks_are_six_seconds() {
        assert_eq!(LANES_FELT_MS, 6_000);
    }
}
