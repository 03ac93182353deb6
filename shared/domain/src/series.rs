//! A poll's series: its votes by the time at which they were cast, in slots of one width.

use serde::{Deserialize, Serialize};

use crate::time::{DAY_MS, Timestamp};

/// The most slots in a series. What is cast later counts in the last.
pub const SLOTS_MAX: u16 = 1_500;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// The longest poll that is counted by minutes.
const MINUTES_FOR_MS: u64 = 24 * HOUR_MS;
/// The longest poll that is counted by hours.
const HOURS_FOR_MS: u64 = 60 * DAY_MS;

/// How long a slot is. It follows from how long the poll is declared to be open, and never changes once it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotWidth {
    /// For polls of at most 24 hours.
    Minute,
    /// For polls of at most 60 days.
    Hour,
    /// For all others, and those without an end.
    Day,
}

impl SlotWidth {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The width for a poll that is open for this long. `None`: without an end.
    pub fn for_duration(millis: Option<u64>) -> Self {
        match millis {
            Some(millis) if millis <= MINUTES_FOR_MS => Self::Minute,
            Some(millis) if millis <= HOURS_FOR_MS => Self::Hour,
            _ => Self::Day,
        }
    }

    /// Its length in milliseconds.
    pub fn millis(self) -> u64 {
        match self {
            Self::Minute => MINUTE_MS,
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }

    /// Its name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// When a slot begins, of a series that began at `start`.
    pub fn start_of(self, slot: u16, start: Timestamp) -> Timestamp {
        start.plus_millis(u64::from(slot) * self.millis())
    }

    /// How many slots a poll of this length has. `None`: without an end.
    pub fn slots(self, millis: Option<u64>) -> u16 {
        let slots = millis.map_or(u64::from(SLOTS_MAX), |millis| millis.div_ceil(self.millis()).max(1));
        slots.min(u64::from(SLOTS_MAX)) as u16
    }
}

/// A slot by its number: 0 begins when the poll opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Slot(u16);

impl Slot {
    /// A slot below `SLOTS_MAX`.
    pub fn of_number(number: i64) -> Option<Self> {
        u16::try_from(number).ok().filter(|number| *number < SLOTS_MAX).map(Self)
    }

    /// The slot of a series that began at `start`; before that, the first.
    pub fn of(cast_at: Timestamp, start: Timestamp, width: SlotWidth) -> Self {
        let passed = cast_at.as_millis().saturating_sub(start.as_millis()) / width.millis();
        Self(passed.min(u64::from(SLOTS_MAX - 1)) as u16)
    }

    /// Its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn the_width_follows_from_the_declared_duration() {
        for (millis, width, slots) in [
            (Some(1), SlotWidth::Minute, 1),
            (Some(HOUR_MS + 1), SlotWidth::Minute, 61),
            (Some(24 * HOUR_MS), SlotWidth::Minute, 1_440),
            (Some(24 * HOUR_MS + 1), SlotWidth::Hour, 25),
            (Some(60 * DAY_MS), SlotWidth::Hour, 1_440),
            (Some(60 * DAY_MS + 1), SlotWidth::Day, 61),
            (Some(5_000 * DAY_MS), SlotWidth::Day, 1_500),
            (None, SlotWidth::Day, 1_500),
        ] {
            let of_duration = SlotWidth::for_duration(millis);
            assert_eq!((of_duration, of_duration.slots(millis)), (width, slots), "{millis:?}");
        }
    }

    #[test]
    fn what_is_cast_later_counts_in_the_last_slot_and_what_is_earlier_in_the_first() {
        let slot = |seconds| Slot::of(at(seconds), at(100), SlotWidth::Minute).number();
        let seconds = [0, 100, 159, 160, 100 + 60 * 1_499, 100 + 60 * 1_500];
        assert_eq!(seconds.map(slot), [0, 0, 0, 1, 1_499, 1_499]);
        assert_eq!(SlotWidth::Minute.start_of(2, at(100)), at(220));
        assert_eq!([-1, 0, 1_499, 1_500].map(|number| Slot::of_number(number).is_some()), [false, true, true, false]);
    }
}
