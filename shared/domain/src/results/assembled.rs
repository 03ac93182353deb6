//! What is assembled of a poll's lanes, once for all readers: what its responses need besides the poll itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    answers::Answers,
    blurred::{Blur, Blurred},
    cells::Cells,
};
use crate::{
    entries::{BallotKey, Entries, PerSet},
    method::{self, Lot, Method, Rankings, Summary, Totals},
    poll::hidden::HiddenAnswers,
    poll::{Kind, Rules},
    runs::Dropped,
    tally::{Count, Counters},
    time::Timestamp,
};

/// The document, from which responses are made. Labels, status and the choice of a method are the reader's.
#[derive(Debug, Serialize)]
pub struct Assembled {
    /// Votes that stand.
    pub ballots: i64,
    /// Votes by option: chosen, ranked first, or rated.
    pub votes: Vec<i64>,
    /// `cast_at` of the newest vote counted.
    pub as_of: Option<Timestamp>,
    /// How many options win.
    pub seats: u8,
    /// Of rankings: what does not depend on a method.
    pub summary: Option<Summary>,
    /// Of rankings: the count by each method, by its name.
    pub counts: BTreeMap<&'static str, method::Count>,
    /// Why what whole ballots say is not there: neither counts nor answers nor right ballots.
    pub unavailable: Option<&'static str>,
    /// What is made of cells, and of what people wrote.
    #[serde(flatten)]
    pub further: Further,
}

/// The parts that readers read as the domain wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Further {
    /// The cells. `None`, for a reason, or if the poll has none.
    pub cells: Option<Cells>,
    /// Each dimension as others than the poll's tenant see it.
    #[serde(default)]
    pub blurred: Vec<Blurred>,
    /// Answers, or options that voters wrote.
    pub answers: Option<Answers>,
    /// Of a quiz: ballots that are exactly right.
    pub right: Option<i64>,
    /// The revision of the hidden answers that it was made with. 0 if none were ever hidden.
    #[serde(default)]
    pub hidden_revision: u64,
    /// Whether it is made of the poll's final counts.
    #[serde(default)]
    pub is_final: bool,
}

impl Further {
    /// Parses it from a document.
    pub fn read(document: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(document)
    }

    /// Whether others than the tenant would be shown other rows by now, though nothing was counted.
    pub fn would_move(&self, rules: &Rules, now: Timestamp) -> bool {
        let Some(cells) = &self.cells else { return false };
        let blur = blur(rules, now);
        let of = |(rows, before): (&Vec<_>, &Blurred)| Blurred::of(rows, Some(before), blur) != *before;
        cells.segments.iter().zip(&self.blurred).any(of)
    }
}

fn blur(rules: &Rules, now: Timestamp) -> Blur {
    let is_closed = rules.settings.is_closed_by_every_clock(now);
    Blur { min_cell: rules.settings.spec.min_cell, now, is_closed }
}

/// What a poll's lanes have counted.
pub struct Lanes<'a> {
    /// Each lane's COUNT.
    pub counts: &'a [Count],
    /// The sum of their entries, or why there are none.
    pub entries: PerSet<Result<&'a Entries, Dropped>>,
    /// The totals of the rankings among them.
    pub totals: &'a Totals,
}

/// What else assembling depends on.
pub struct Given<'a, G> {
    /// Now.
    pub now: Timestamp,
    /// What was shown of its dimensions before.
    pub before: &'a [Blurred],
    /// What is hidden.
    pub hidden: &'a HiddenAnswers,
    /// The same for spellings of one answer.
    pub group: G,
}

/// Assembles a poll.
pub fn assemble<G: Fn(&str) -> String>(rules: &Rules, lanes: &Lanes<'_>, given: &Given<'_, G>) -> Assembled {
    let spec = &rules.settings.spec;
    let mut assembled = of_counters(rules, lanes.counts);
    // Also where answers are not there: results are made with a list once, not again and again.
    assembled.further.hidden_revision = given.hidden.revision;
    match lanes.entries.ballots {
        Ok(entries) if spec.kind == Kind::Ranked => add_rankings(&mut assembled, rules, entries, lanes.totals),
        Ok(entries) => add_ballots(&mut assembled, rules, lanes, entries, given),
        Err(dropped) => assembled.unavailable = reason(spec.kind, dropped),
    }
    if let Ok(entries) = lanes.entries.cells
        && spec.has_cells()
    {
        add_cells(&mut assembled, rules, Cells::of(rules, entries), given);
    }
    assembled
}

fn of_counters(rules: &Rules, counts: &[Count]) -> Assembled {
    let mut total = Counters::default();
    counts.iter().for_each(|count| total.merge(&count.counters));
    Assembled {
        ballots: total.ballots().max(0),
        votes: (0..rules.options).map(|id| total.option(id).max(0)).collect(),
        as_of: counts.iter().filter_map(|count| count.as_of).max(),
        seats: rules.settings.spec.seats,
        summary: None,
        counts: BTreeMap::new(),
        unavailable: None,
        further: Further { is_final: rules.is_final_by(counts), ..Further::default() },
    }
}

/// Why whole ballots were not kept, as the API says it.
fn reason(kind: Kind, dropped: Dropped) -> Option<&'static str> {
    match (kind, dropped) {
        // Its entries are cells alone.
        (Kind::Rating, _) => None,
        (Kind::Ranked, Dropped::Lost) => Some("rankings_lost"),
        (Kind::Ranked, Dropped::TooMany) => Some("too_many_rankings"),
        (_, Dropped::Lost) => Some("ballots_lost"),
        (_, Dropped::TooMany) => Some("too_many_ballots"),
    }
}

/// The totals are sums of the rankings, not counters: so they fit the rounds beside them. A ranking whose count is below
/// zero, as votes came out of order, is left out.
fn add_rankings(assembled: &mut Assembled, rules: &Rules, entries: &Entries, totals: &Totals) {
    let rankings = Rankings::of_entries(rules.options, entries);
    let seats = rules.settings.spec.seats;
    let lot = if assembled.further.is_final { rules.final_lot() } else { Lot::Provisional };
    let summary = totals.summary(&lot);
    let count = |method: Method| {
        let count = method::count(&rankings, &summary, seats, method).ok()?;
        Some((method.name(), count))
    };
    assembled.counts = Method::ALL.into_iter().filter_map(count).collect();
    assembled.ballots = whole(summary.ballots);
    assembled.votes = summary.first_choices.iter().copied().map(whole).collect();
    assembled.summary = Some(summary);
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What people wrote, and what a quiz's ballots are worth.
fn add_ballots<G: Fn(&str) -> String>(
    assembled: &mut Assembled,
    rules: &Rules,
    lanes: &Lanes<'_>,
    entries: &Entries,
    given: &Given<'_, G>,
) {
    let spec = &rules.settings.spec;
    if let Some(correct) = &spec.correct {
        let is_right = |key: &[u8]| match BallotKey::read(key) {
            Some(BallotKey::Quiz(choices)) => choices.iter().map(u64::from).eq(correct.0.iter().copied()),
            _ => false,
        };
        let right: i64 = entries.iter().filter(|(key, _)| is_right(key)).map(|(_, count)| count).sum();
        assembled.further.right = Some(right.max(0));
    }
    if spec.has_answers() {
        let missed = lanes.counts.iter().map(|count| count.entries.kept.ballots.missed()).sum();
        let texts = entries.iter().filter_map(|(key, count)| match BallotKey::read(key) {
            Some(BallotKey::Text(text) | BallotKey::WriteIn(text)) => Some((text, count)),
            _ => None,
        });
        let hidden = given.hidden.answers.iter().map(|answer| (given.group)(answer.as_str())).collect();
        let answers = Answers::of(texts, missed, &given.group, &hidden);
        if spec.kind == Kind::Text {
            assembled.ballots = answers.ballots().max(0);
        }
        assembled.further.answers = Some(answers);
    }
}

fn add_cells<G>(assembled: &mut Assembled, rules: &Rules, cells: Cells, given: &Given<'_, G>) {
    let blur = blur(rules, given.now);
    let blurred = |(place, rows): (usize, &Vec<_>)| Blurred::of(rows, given.before.get(place), blur);
    assembled.further.blurred = cells.segments.iter().enumerate().map(blurred).collect();
    assembled.further.cells = Some(cells);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        ballot::{Answer, Ballot, Choices, Content, Ratings, Segments},
        entries::EntriesBuilder,
        testing::{at, poll_asked_for},
    };

    fn rules() -> Rules {
        let body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": "ranked"});
        poll_asked_for(body, at(0)).unwrap().rules
    }

    fn assembled(rules: &Rules, entries: PerSet<Result<&Entries, Dropped>>) -> Assembled {
        let given = Given { now: at(9), before: &[], hidden: &HiddenAnswers::default(), group: str::to_lowercase };
        let totals = entries.ballots.map_or_else(|_| Totals::default(), |it| Totals::of_entries(rules.options, it));
        assemble(rules, &Lanes { counts: &[count()], entries, totals: &totals }, &given)
    }

    fn of_rankings(ballots: Result<&Entries, Dropped>) -> Assembled {
        assembled(&rules(), PerSet { cells: Ok(&Entries::default()), ballots })
    }

    fn entries(rankings: &[(&[u64], i64)]) -> Entries {
        let mut entries = PerSet::<EntriesBuilder>::default();
        rankings.iter().for_each(|(ids, times)| entries.add_ballot(&Ballot::of_ranking(ids).unwrap(), *times));
        entries.build().ballots
    }

    fn count() -> Count {
        let counters = [("ballots", 9), ("o0", 5), ("o1", 4)].map(|(name, count)| (name.to_owned(), count));
        Count { version: 3, as_of: Some(at(7)), counters: Counters::from_entries(counters), ..Count::default() }
    }

    #[test]
    fn a_poll_is_counted_by_each_method_that_its_seats_allow() {
        let entries = entries(&[(&[0], 4), (&[1, 2], 3), (&[2, 1], 2)]);
        let assembled = of_rankings(Ok(&entries));
        assert_eq!((assembled.ballots, &assembled.votes[..], assembled.as_of), (9, &[4, 3, 2][..], Some(at(7))));
        let winners = assembled.counts.iter().map(|(name, count)| (*name, count.outcome.winners.clone()));
        let winners: Vec<_> = winners.collect();
        assert_eq!(winners, [("borda", vec![1]), ("condorcet", vec![1]), ("irv", vec![1]), ("stv", vec![1])]);
    }

    #[test]
    fn a_ranking_below_zero_counts_nowhere() {
        let entries = entries(&[(&[0], 4), (&[1], -1)]);
        let assembled = of_rankings(Ok(&entries));
        assert_eq!((assembled.ballots, &assembled.votes[..]), (4, &[4, 0, 0][..]));
    }

    #[test]
    fn without_rankings_the_counters_and_the_reason_are_shown() {
        let assembled = of_rankings(Err(Dropped::TooMany));
        assert_eq!(
            serde_json::to_value(assembled).unwrap(),
            json!({"ballots": 9, "votes": [5, 4, 0], "as_of": at(7), "seats": 1, "summary": null, "counts": {},
                "unavailable": "too_many_rankings", "cells": null, "blurred": [], "answers": null, "right": null,
                "hidden_revision": 0, "is_final": false})
        );
    }

    /// What ballots of these contents, each this often, add up to.
    fn whole(ballots: &[(Content, i64)]) -> PerSet<Entries> {
        let mut entries = PerSet::<EntriesBuilder>::default();
        ballots.iter().for_each(|(content, times)| entries.add_ballot(&Ballot::of(content.clone()), *times));
        entries.build()
    }

    fn poll_of(settings: serde_json::Value) -> Rules {
        let mut body = json!({"question": "Q"});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        poll_asked_for(body, at(0)).unwrap().rules
    }

    fn both(entries: &PerSet<Entries>) -> PerSet<Result<&Entries, Dropped>> {
        PerSet { cells: Ok(&entries.cells), ballots: Ok(&entries.ballots) }
    }

    #[test]
    fn a_poll_of_texts_has_answers_that_add_up_to_its_ballots() {
        let text = |text| Content::Text(Answer::stored(text).unwrap());
        let entries = whole(&[(text("Yes"), 2), (text("no"), 1), (text("BAD"), 4)]);
        let rules = poll_of(json!({"kind": "text"}));
        let hidden = HiddenAnswers { revision: 3, answers: vec![Answer::stored("Bad").unwrap()] };
        let given = Given { now: at(9), before: &[], hidden: &hidden, group: str::to_lowercase };
        let assembled = assemble(
            &rules,
            &Lanes { counts: &[count()], entries: both(&entries), totals: &Totals::default() },
            &given,
        );
        let answers = assembled.further.answers.unwrap();
        assert_eq!((assembled.ballots, answers.top.len(), answers.hidden, answers.distinct), (7, 2, 4, 3));
        assert_eq!(assembled.further.hidden_revision, 3);
    }

    #[test]
    fn a_quiz_has_its_right_ballots_and_write_ins_their_texts() {
        let quiz = |ids: &[u64]| Content::Quiz(Choices::of_ids(ids).unwrap());
        let entries = whole(&[(quiz(&[0, 1]), 5), (quiz(&[1]), 2), (quiz(&[0, 1, 2]), 1)]);
        let options = json!(["a", "b", "c"]);
        let rules = poll_of(json!({"kind": "multiple", "options": options, "correct": [1, 0]}));
        assert_eq!(assembled(&rules, both(&entries)).further.right, Some(5));
        let other = Content::WriteIn(Choices::of_ids(&[0]), Answer::stored("d").unwrap());
        let rules = poll_of(json!({"kind": "multiple", "options": options, "write_in": true}));
        let assembled = assembled(&rules, both(&whole(&[(other, 3)])));
        assert_eq!(assembled.further.answers.unwrap().top[0].count, 3);
        assert_eq!((assembled.ballots, &assembled.votes[..]), (9, &[5, 4, 0][..]), "from the counters");
    }

    #[test]
    fn rows_move_later_and_once_the_poll_is_closed_though_nothing_is_counted() {
        let region = json!({"name": "region", "values": ["a", "b"], "from": "vote"});
        let rules = poll_of(json!({"options": ["a", "b"], "segments": [region], "closes_at": at(60)}));
        let assembled = |ballots: i64, now: u64, before: &[Blurred]| {
            let (content, places) =
                (Content::Choices(Choices::of_ids(&[0]).unwrap()), Segments::of_places(&[1]).unwrap());
            let mut entries = PerSet::<EntriesBuilder>::default();
            entries.add_ballot(&Ballot::new(content, places, None), ballots);
            let entries = entries.build();
            let given = Given { now: at(now), before, hidden: &HiddenAnswers::default(), group: str::to_lowercase };
            assemble(&rules, &Lanes { counts: &[count()], entries: both(&entries), totals: &Totals::default() }, &given)
                .further
        };
        let first = assembled(10, 1, &[]);
        let later = assembled(15, 5, &first.blurred);
        assert_eq!(later.blurred, first.blurred, "too soon");
        assert_eq!([10, 11, 12].map(|now| later.would_move(&rules, at(now))), [false, true, true]);
        let last = assembled(16, 12, &later.blurred);
        let more = assembled(17, 30, &last.blurred);
        assert_eq!([50, 61].map(|now| more.would_move(&rules, at(now))), [false, true]);
        assert!(!assembled(17, 61, &more.blurred).would_move(&rules, at(99)));
        let document = serde_json::to_string(&more).unwrap();
        assert_eq!(Further::read(&document).unwrap(), more);
    }

    #[test]
    fn a_limit_on_whole_ballots_leaves_the_cells() {
        let ratings = Content::Ratings(Ratings::stored(&[0, 3]).unwrap());
        let entries = whole(&[(ratings, 2)]);
        let rules = poll_of(json!({"kind": "rating", "options": ["a", "b"]}));
        let dropped = PerSet { ballots: Err(Dropped::Lost), ..both(&entries) };
        let found = assembled(&rules, dropped);
        assert_eq!((found.unavailable, found.further.cells.unwrap().levels[2]), (None, 2));
        let dropped = PerSet { cells: Err(Dropped::Lost), ..both(&entries) };
        assert_eq!(assembled(&rules, dropped).further.cells, None);
        let texts = poll_of(json!({"kind": "text"}));
        let dropped = PerSet { ballots: Err(Dropped::TooMany), ..both(&entries) };
        assert_eq!(assembled(&texts, dropped).unavailable, Some("too_many_ballots"));
    }
}
