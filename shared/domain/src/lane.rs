//! How a poll is spread: voters over logical partitions, partitions over lanes.

use serde::{Deserialize, Serialize};

use super::{
    ids::{PollId, VoterKey},
    lease::{CLOCK_SKEW_MS, CONFIG_LEASE_MS},
    time::Timestamp,
};

/// The highest announced peak, in votes a second, for which 512 partitions are enough. Above it, a physical partition
/// that holds several of them would get too many votes.
const FEW_PARTITIONS_PEAK_MAX: u32 = 60_000;
/// The most lanes that count one poll.
pub const LANES_MAX: u8 = 32;
/// The votes a second that one lane is meant to count: a third of its partition's write units.
pub const LANE_VOTES_PER_SECOND: u32 = 8_000;

/// How many logical partitions hold a poll's votes, each good for 1,000 writes a second. Fixed when the poll is
/// created: with another number, a vote would be looked up and written in the wrong place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partitions {
    /// 512.
    #[default]
    Few,
    /// 4,096.
    Many,
}

impl Partitions {
    /// The partitions for a new poll with this peak, in votes a second.
    pub fn for_peak(peak_votes_per_second: u32) -> Self {
        if peak_votes_per_second > FEW_PARTITIONS_PEAK_MAX { Self::Many } else { Self::Few }
    }

    /// Returns `None` for a number that no poll has.
    pub fn from_number(number: u16) -> Option<Self> {
        [Self::Few, Self::Many].into_iter().find(|partitions| partitions.number() == number)
    }

    /// How many there are.
    pub fn number(self) -> u16 {
        match self {
            Self::Few => 512,
            Self::Many => 4_096,
        }
    }

    /// The partition that holds a voter's vote.
    pub fn of(self, voter: &VoterKey) -> Partition {
        let [first, second, ..] = voter.bytes();
        Partition(u16::from_be_bytes([first, second]) % self.number())
    }

    /// All of them.
    pub fn all(self) -> impl Iterator<Item = Partition> {
        (0..self.number()).map(Partition)
    }
}

/// How a poll's partitions are split into parts, which are counted one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Into how many parts, at least 1.
    pub parts: u16,
    /// When. What is known of parts of another split does not belong to it.
    pub at: Timestamp,
}

impl Split {
    /// The partitions of a part.
    pub fn partitions(self, part: u16, all: Partitions) -> impl Iterator<Item = Partition> {
        all.all().filter(move |partition| partition.0 % self.parts.max(1) == part)
    }
}

/// A logical partition of a poll's votes: the voter's first two bytes modulo the partition count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u16);

impl Partition {
    /// The partition's number, below 4,096.
    pub fn number(self) -> u16 {
        self.0
    }

    /// The lane that counts this partition in a poll with `lanes` lanes (at least 1). Lane counts are powers of two, at
    /// most 32, so a voter's lane does not depend on the partition count.
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

/// The lanes for a poll that expects this many votes a second: the smallest power of two that gives each lane at most
/// 8,000; at least `lanes_min`, at most 32.
pub fn lanes_for(peak_votes_per_second: u32, lanes_min: u8) -> u8 {
    let needed = peak_votes_per_second.div_ceil(LANE_VOTES_PER_SECOND).max(u32::from(lanes_min)).max(1);
    u8::try_from(needed.next_power_of_two()).unwrap_or(LANES_MAX).min(LANES_MAX)
}

/// After a poll gains lanes, processes may use the old count for this long: one lease plus clock skew, in milliseconds.
pub const LANE_PROPAGATION_MS: u64 = CONFIG_LEASE_MS + CLOCK_SKEW_MS;

/// One lane of one poll: it has its own tally, and its own group in the queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// The poll.
    pub poll: PollId,
    /// The lane's number, below 32.
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

    const LANES: [u8; 6] = [1, 2, 4, 8, 16, 32];

    fn voter(first_bytes: [u8; 2]) -> VoterKey {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&first_bytes);
        VoterKey::from_bytes(bytes)
    }

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
        for (partitions, lanes) in
            [Partitions::Few, Partitions::Many].into_iter().flat_map(|all| LANES.map(|lanes| (all, lanes)))
        {
            for lane in 0..lanes {
                let held = partitions.all().filter(|partition| partition.lane(lanes) == lane).count();
                assert_eq!(held, usize::from(partitions.number()) / usize::from(lanes));
            }
        }
    }

    #[test]
    fn parts_have_all_partitions_once() {
        for (all, parts) in
            [(Partitions::Few, 1), (Partitions::Few, 7), (Partitions::Few, 512), (Partitions::Many, 152)]
        {
            let split = Split { parts, at: Timestamp::EPOCH };
            let mut held: Vec<Partition> = (0..parts).flat_map(|part| split.partitions(part, all)).collect();
            held.sort();
            assert_eq!(held, all.all().collect::<Vec<_>>(), "{parts}");
        }
    }

    #[test]
    fn a_voters_lane_does_not_depend_on_the_number_of_partitions() {
        for first_bytes in 0..=u16::MAX {
            let voter = voter(first_bytes.to_be_bytes());
            for lanes in LANES {
                assert_eq!(Partitions::Few.of(&voter).lane(lanes), Partitions::Many.of(&voter).lane(lanes));
            }
        }
    }

    #[test]
    fn a_poll_has_more_partitions_from_60_001_votes_a_second_on() {
        for (peak, number) in [(1, 512), (60_000, 512), (60_001, 4_096), (250_000, 4_096)] {
            assert_eq!(Partitions::for_peak(peak).number(), number, "{peak}");
        }
        let known = [0, 511, 512, 1_024, 4_096].map(Partitions::from_number);
        assert_eq!(known, [None, None, Some(Partitions::Few), None, Some(Partitions::Many)]);
    }

    #[test]
    fn a_partition_is_three_hex_digits() {
        for (partitions, number, digits) in [(Partitions::Few, 0x10a, "10a"), (Partitions::Many, 0xf0a, "f0a")] {
            let partition = partitions.of(&voter([0xff, 0x0a]));
            assert_eq!((partition.number(), partition.to_string().as_str()), (number, digits));
        }
        assert_eq!(Partitions::Many.all().last().map(|partition| partition.to_string()).as_deref(), Some("fff"));
    }

    #[test]
    fn a_lane_is_written_as_its_poll_and_its_number() {
        assert_eq!(LaneKey { poll: PollId::parse("p-1").unwrap(), lane: 31 }.to_string(), "p-1#31");
    }

    #[test]
    fn a_lease_and_the_skew_of_clocks_are_six_seconds() {
        assert_eq!(LANE_PROPAGATION_MS, 6_000);
    }
}
