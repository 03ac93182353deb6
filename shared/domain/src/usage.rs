//! What a tenant has used in a month.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use crate::time::Timestamp;

/// What AWS charges for a million votes by its list prices, in cents: votes of a viral poll, from tokens that are known.
/// `make costs` computes it, and fails if it is another.
pub const CENTS_PER_MILLION_VOTES: u64 = 462;

/// What a tenant's usage leaves out, for who reads it.
const NOTES: [&str; 3] = [
    "Reads and refused votes are not attributed to a tenant, and are not in it.",
    "The ballots are those that the month's polls hold now, whenever they were cast.",
    "The list price is what AWS charges for votes of a viral poll; votes that come one by one cost about twice that.",
];

/// A month of UTC, such as `2026-11`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    first: Timestamp,
}

impl Month {
    /// The month that a time is in.
    pub fn of(at: Timestamp) -> Self {
        let day = at.day();
        let month = day.rsplit_once('-').and_then(|(month, _)| month.parse().ok());
        month.unwrap_or(Self { first: Timestamp::EPOCH })
    }

    /// When it begins.
    pub fn begins(self) -> Timestamp {
        self.first
    }

    /// When the next one begins.
    pub fn ends(self) -> Timestamp {
        /// Longer than any month, and shorter than any two.
        const DAYS: u64 = 32;
        Self::of(self.first.plus_millis(DAYS * crate::time::DAY_MS)).first
    }
}

/// The text is not a month's.
#[derive(Debug, PartialEq, Eq)]
pub struct NoMonth;

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Self, NoMonth> {
        let first = Timestamp::parse(&format!("{text}-01T00:00:00Z")).ok_or(NoMonth)?;
        Ok(Self { first })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.first.day().rsplit_once('-').map_or("", |(month, _)| month))
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a tenant has used in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The month.
    pub month: Month,
    /// The tenant's polls that were created in it.
    pub polls: u64,
    /// The ballots that these polls hold now.
    pub ballots: u64,
    /// Management requests that were not refused.
    pub requests: u64,
    /// Whether all polls are in it. If not, `polls` and `ballots` are those of the month's first polls.
    pub is_complete: bool,
}

/// A tenant's usage as the API shows it.
#[derive(Debug, Serialize)]
pub struct UsageView {
    month: Month,
    polls: u64,
    ballots: u64,
    requests: u64,
    list_price_usd: f64,
    complete: bool,
    notes: [&'static str; 3],
}

impl Usage {
    /// The usage as the API shows it.
    pub fn view(&self) -> UsageView {
        let Self { month, polls, ballots, requests, is_complete: complete } = *self;
        UsageView { month, polls, ballots, requests, list_price_usd: list_price_usd(ballots), complete, notes: NOTES }
    }
}

/// The list price of votes in dollars, to the nearest cent.
fn list_price_usd(votes: u64) -> f64 {
    let cents = (u128::from(votes) * u128::from(CENTS_PER_MILLION_VOTES) + 500_000) / 1_000_000;
    cents as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn a_month_begins_and_ends_at_midnight_of_utc() {
        for (text, begins, ends) in [
            ("2026-11", "2026-11-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z"),
            ("2026-12", "2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
            ("2028-02", "2028-02-01T00:00:00.000Z", "2028-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(month(text).to_string(), text);
            assert_eq!(
                (month(text).begins().to_string(), month(text).ends().to_string()),
                (begins.into(), ends.into())
            );
        }
        let last = Timestamp::parse("2026-11-30T23:59:59.999Z").unwrap();
        assert_eq!([last, last.plus_millis(1)].map(Month::of), ["2026-11", "2026-12"].map(month));
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in ["", "2026", "2026-13", "2026-1", "2026-11-01", "1969-12", "2026-11 ", "november"] {
            assert_eq!(text.parse::<Month>(), Err(NoMonth), "{text:?}");
        }
    }

    #[test]
    fn a_price_is_to_the_nearest_cent() {
        let votes = [0, 1_082, 1_083, 1_000_000, 60_000_000];
        assert_eq!(votes.map(list_price_usd), [0.0, 0.0, 0.01, 4.62, 277.2]);
    }

    #[test]
    fn usage_is_shown_with_what_it_leaves_out() {
        let used =
            Usage { month: month("2026-11"), polls: 2, ballots: 1_000_000, requests: 7, is_complete: true }.view();
        let shown = serde_json::to_value(used).unwrap();
        assert_eq!(
            shown,
            json!({"month": "2026-11", "polls": 2, "ballots": 1_000_000, "requests": 7, "list_price_usd": 4.62,
                "complete": true, "notes": NOTES})
        );
        assert!(NOTES[0].contains("not attributed"));
    }
}
