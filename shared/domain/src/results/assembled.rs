//! What is assembled of a ranked poll's lanes, once for all readers: its counts by every method that its seats allow.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    entries::Entries,
    method::{self, Lot, Method, Rankings, Summary},
    poll::Rules,
    runs::Dropped,
    tally::{Count, Counters},
    time::Timestamp,
};

/// The document, from which responses are made. Labels, status and the choice of a method are the reader's.
#[derive(Debug, Serialize)]
pub struct Assembled {
    /// Votes that stand.
    pub ballots: i64,
    /// First choices, by option id.
    pub votes: Vec<i64>,
    /// `cast_at` of the newest vote counted.
    pub as_of: Option<Timestamp>,
    /// How many options win.
    pub seats: u8,
    /// What does not depend on a method.
    pub summary: Option<Summary>,
    /// The count by each method, by its name.
    pub counts: BTreeMap<&'static str, method::Count>,
    /// Why there are no counts.
    pub unavailable: Option<&'static str>,
}

/// Assembles a poll from its lanes' counts and the sum of their entries, or why there are none.
pub fn assemble(rules: &Rules, counts: &[Count], entries: Result<&Entries, Dropped>) -> Assembled {
    match entries {
        Ok(entries) => with_rankings(rules, counts, entries),
        Err(dropped) => without_rankings(rules, counts, reason(dropped)),
    }
}

/// Why rankings were not kept, as the API says it.
fn reason(dropped: Dropped) -> &'static str {
    match dropped {
        Dropped::Lost => "rankings_lost",
        Dropped::TooMany => "too_many_rankings",
    }
}

/// The totals are sums of the rankings, not counters: so they fit the rounds beside them. A ranking whose count is below
/// zero, as votes came out of order, is left out.
fn with_rankings(rules: &Rules, counts: &[Count], entries: &Entries) -> Assembled {
    let rankings = |(ids, count): (_, i64)| Some((ids, u64::try_from(count).ok().filter(|count| *count > 0)?));
    let rankings: Vec<(&[u8], u64)> = entries.rankings().filter_map(rankings).collect();
    let rankings = Rankings::new(rules.options, &rankings);
    let seats = rules.settings.spec.seats;
    let summary = Summary::of(&rankings, &Lot::Provisional);
    let count = |method: Method| {
        let count = method::count(&rankings, &summary, seats, method).ok()?;
        Some((method.name(), count))
    };
    let counted = Method::ALL.into_iter().filter_map(count).collect();
    let whole = |number: &u64| i64::try_from(*number).unwrap_or(i64::MAX);
    Assembled {
        ballots: whole(&summary.ballots),
        votes: summary.first_choices.iter().map(whole).collect(),
        as_of: as_of(counts),
        seats,
        summary: Some(summary),
        counts: counted,
        unavailable: None,
    }
}

fn without_rankings(rules: &Rules, counts: &[Count], reason: &'static str) -> Assembled {
    let mut total = Counters::default();
    counts.iter().for_each(|count| total.merge(&count.counters));
    Assembled {
        ballots: total.ballots().max(0),
        votes: (0..rules.options).map(|id| total.option(id).max(0)).collect(),
        as_of: as_of(counts),
        seats: rules.settings.spec.seats,
        summary: None,
        counts: BTreeMap::new(),
        unavailable: Some(reason),
    }
}

fn as_of(counts: &[Count]) -> Option<Timestamp> {
    counts.iter().filter_map(|count| count.as_of).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        ballot::Ballot,
        entries::PerSet,
        testing::{at, poll_asked_for},
    };

    fn rules() -> Rules {
        let body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": "ranked"});
        poll_asked_for(body, at(0)).unwrap().rules
    }

    fn entries(rankings: &[(&[u64], i64)]) -> Entries {
        let mut entries = PerSet::default();
        rankings.iter().for_each(|(ids, times)| entries.add_ballot(&Ballot::of_ranking(ids).unwrap(), *times));
        entries.ballots
    }

    fn count() -> Count {
        let counters = [("ballots", 9), ("o0", 5), ("o1", 4)].map(|(name, count)| (name.to_owned(), count));
        Count { version: 3, as_of: Some(at(7)), counters: Counters::from_entries(counters), ..Count::default() }
    }

    #[test]
    fn a_poll_is_counted_by_each_method_that_its_seats_allow() {
        let entries = entries(&[(&[0], 4), (&[1, 2], 3), (&[2, 1], 2)]);
        let assembled = assemble(&rules(), &[count()], Ok(&entries));
        assert_eq!((assembled.ballots, &assembled.votes[..], assembled.as_of), (9, &[4, 3, 2][..], Some(at(7))));
        let winners = assembled.counts.iter().map(|(name, count)| (*name, count.outcome.winners.clone()));
        let winners: Vec<_> = winners.collect();
        assert_eq!(winners, [("borda", vec![1]), ("condorcet", vec![1]), ("irv", vec![1]), ("stv", vec![1])]);
    }

    #[test]
    fn a_ranking_below_zero_counts_nowhere() {
        let entries = entries(&[(&[0], 4), (&[1], -1)]);
        let assembled = assemble(&rules(), &[count()], Ok(&entries));
        assert_eq!((assembled.ballots, &assembled.votes[..]), (4, &[4, 0, 0][..]));
    }

    #[test]
    fn without_rankings_the_counters_and_the_reason_are_shown() {
        let assembled = assemble(&rules(), &[count()], Err(Dropped::TooMany));
        assert_eq!(
            serde_json::to_value(assembled).unwrap(),
            json!({"ballots": 9, "votes": [5, 4, 0], "as_of": at(7), "seats": 1, "summary": null, "counts": {},
                "unavailable": "too_many_rankings"})
        );
    }
}
