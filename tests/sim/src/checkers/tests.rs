use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use landslide_counting::tallies::reading::ReadError;
use landslide_domain::{
    ballot::{Ballot, Choices, Content, Segments},
    entries::{Entries, PerSet},
    error::Error,
    ids::PollId,
    lane::LaneKey,
    runs::Dropped,
    series::Slot,
    tally::{Count, Counters},
};

use super::{Verdict, check};
use crate::{
    entries::RunName,
    events::{Drained, Event, OwnerTold, Shown},
    facts::{Revision, Times},
    item::Item,
    ledger::Ledger,
};

const POLL: &str = "poll-1";
const VOTER: u128 = 7;
const LANE: &str = "poll-1#0";

/// The verdict over what happens, one after the other.
fn verdict(events: &[Event<'_>]) -> Verdict {
    let (mut ledger, mut breaches) = (Ledger::default(), Vec::new());
    for event in events {
        check(&ledger, event, &mut breaches);
        ledger.note(event);
    }
    Verdict::of(&ledger, &breaches)
}

fn broken(events: &[Event<'_>]) -> Vec<&'static str> {
    let mut promises: Vec<_> = verdict(events).breaches.into_iter().map(|breach| breach.promise).collect();
    promises.dedup();
    promises
}

fn item(texts: &[(&str, &str)], numbers: &[(&str, u64)]) -> Item {
    let texts = texts.iter().map(|(name, text)| ((*name).to_owned(), AttributeValue::S((*text).to_owned())));
    let numbers = numbers.iter().map(|(name, number)| ((*name).to_owned(), AttributeValue::N(number.to_string())));
    texts.chain(numbers).collect()
}

/// RULES of a poll whose votes can't change.
fn rules(revision: u64, closes_at: u64) -> Item {
    let texts = [("poll_id", POLL), ("item", "RULES"), ("vote_change", "never")];
    item(&texts, &[("revision", revision), ("lanes", 1), ("closes_at", closes_at)])
}

fn rules_written(rules: &Item, at: u64, by: u64) -> Event<'_> {
    Event::RulesWritten { poll: POLL, rules, times: Times::of(rules, at), by }
}

/// A vote for option 0, which is cast at 50,000 and stored then.
fn vote_written(number: u64) -> Event<'static> {
    let revision = Revision { number, ballot: Ballot::of_bits(1), cast_at: 50_000, lane: 0, stored_at: 50_000 };
    Event::VoteWritten { poll: POLL, voter: VOTER, revision: revision.clone() }
}

/// The voter's first vote, with this ballot.
fn vote_of(ballot: Option<Ballot>) -> impl Fn() -> Event<'static> {
    let revision = Revision { number: 1, ballot, cast_at: 50_000, lane: 0, stored_at: 50_000 };
    move || Event::VoteWritten { poll: POLL, voter: VOTER, revision: revision.clone() }
}

/// HEAD or COUNT of the poll's lane. All its votes are for option 0.
fn tally(kind: &str, votes: u64, as_of: u64) -> Item {
    let numbers = [("version", 1), ("as_of", as_of), ("ballots", votes), ("o0", votes)];
    item(&[("poll_lane", LANE), ("item", kind)], &numbers)
}

/// RULES of a poll whose votes are rankings.
fn ranked_rules() -> Item {
    let mut rules = rules(1, 100_000);
    rules.extend(item(&[("kind", "ranked")], &[]));
    rules
}

/// The run of two votes for option 0 alone, of level 0.
const RUN: RunName = (1, 7);
const RUN_ENTRIES: &[u8] = b"\x02r\x00\x04";

/// HEAD or COUNT with these runs of a level, and with no entries near.
fn tally_with_runs(kind: &str, votes: u64, level: u8, runs: &[RunName]) -> Item {
    let named = |(version, attempt): &RunName| {
        let numbers = [version.to_be_bytes(), attempt.to_be_bytes()].concat();
        [&numbers[..], &[level, 0, 1, 0, 0, 0, RUN_ENTRIES.len() as u8]].concat()
    };
    let runs: Vec<u8> = runs.iter().flat_map(named).collect();
    let mut entries = item(&[], &[("sweeps", 0), ("replaced", 0)]);
    entries.extend([("near", Vec::new()), ("runs", runs)].map(|(name, bytes)| (name.to_owned(), blob(bytes))));
    let mut tally = tally(kind, votes, 50_000);
    tally.extend([
        ("entries".to_owned(), AttributeValue::M(entries)),
        ("recent".to_owned(), AttributeValue::M([].into())),
    ]);
    tally
}

fn blob(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// HEAD of two votes that has dropped its entries.
fn dropped(reason: &str) -> Item {
    let mut head = tally_with_runs("HEAD", 2, 0, &[]);
    let AttributeValue::M(entries) = head.get_mut("entries").unwrap() else { unreachable!() };
    entries.extend(item(&[("dropped", reason)], &[]));
    head
}

fn run_written(run: RunName) -> Event<'static> {
    Event::RunRowWritten { lane: LANE, row: (run, 0), entries: RUN_ENTRIES }
}

fn head_written<'a>(former: Option<&'a Item>, head: &'a Item) -> Event<'a> {
    Event::HeadWritten { former, head }
}

/// HEAD with the voter's first revision.
fn head() -> Item {
    let ids = [1u32.to_be_bytes().as_slice(), &1u32.to_be_bytes(), &VOTER.to_be_bytes()].concat();
    let recent = [("m1".to_owned(), AttributeValue::B(Blob::new(ids)))].into();
    let mut head = tally("HEAD", 1, 50_000);
    head.insert("recent".to_owned(), AttributeValue::M(recent));
    head
}

/// The end of a run in which the votes of the poll's lane are expected to be those of `events`.
fn drained<'a>(events: &[Event<'_>], lanes: Vec<(&'a Item, Option<&'a Item>)>) -> Event<'a> {
    let mut ledger = Ledger::default();
    events.iter().for_each(|event| ledger.note(event));
    let expected = ledger.recount();
    Event::Drained(Drained { lanes, expected, is_put_aside: &|_| false, is_queue_empty: true })
}

#[test]
fn a_vote_that_is_counted_once_and_in_time_breaks_no_promise() {
    let (rules, head, count) = (rules(1, 100_000), head(), tally("COUNT", 1, 50_000));
    let mut events = vec![rules_written(&rules, 1, 1), vote_written(1)];
    events.push(Event::HeadWritten { former: None, head: &head });
    events.push(Event::CountWritten { former: None, count: &count });
    events.push(drained(&events, vec![(&head, Some(&count))]));
    assert_eq!(verdict(&events), Verdict::default());
}

#[test]
fn a_second_vote_where_votes_do_not_change_breaks_c1() {
    let rules = rules(1, 100_000);
    assert_eq!(broken(&[rules_written(&rules, 1, 1), vote_written(1), vote_written(2)]), ["C1"]);
}

#[test]
fn a_vote_whose_id_no_head_has_is_lost_and_breaks_c2() {
    let (rules, mut head, count) = (rules(1, 100_000), head(), tally("COUNT", 1, 50_000));
    head.insert("recent".to_owned(), AttributeValue::M([].into()));
    let mut events = vec![rules_written(&rules, 1, 1), vote_written(1)];
    events.push(Event::HeadWritten { former: None, head: &head });
    events.push(drained(&events, vec![(&head, Some(&count))]));
    assert_eq!((broken(&events), verdict(&events).lost), (vec!["C2"], 1));
}

#[test]
fn a_vote_that_comes_to_head_twice_is_double_and_breaks_c3() {
    let (rules, head, count) = (rules(1, 100_000), head(), tally("COUNT", 1, 50_000));
    let mut events = vec![rules_written(&rules, 1, 1), vote_written(1)];
    events.extend([1, 2].map(|_| Event::HeadWritten { former: None, head: &head }));
    events.push(drained(&events, vec![(&head, Some(&count))]));
    assert_eq!((broken(&events), verdict(&events).double), (vec!["C3"], 1));
}

#[test]
fn a_count_that_differs_from_a_recount_breaks_c3() {
    let (rules, head, count) = (rules(1, 100_000), head(), tally("COUNT", 2, 50_000));
    let mut events = vec![rules_written(&rules, 1, 1), vote_written(1)];
    events.push(Event::HeadWritten { former: None, head: &head });
    events.push(drained(&events, vec![(&head, Some(&count))]));
    assert_eq!(broken(&events), ["C3"]);
}

#[test]
fn results_as_of_an_earlier_time_than_before_break_c4() {
    let (former, count) = (tally("COUNT", 1, 50_000), tally("COUNT", 1, 49_999));
    assert_eq!(broken(&[Event::CountWritten { former: Some(&former), count: &count }]), ["C4"]);
}

#[test]
fn counts_that_go_down_break_c5_unless_someone_has_changed_them_by_hand() {
    let (rules, former, count) = (rules(1, 100_000), tally("COUNT", 2, 50_000), tally("COUNT", 1, 50_000));
    let goes_down = || Event::CountWritten { former: Some(&former), count: &count };
    assert_eq!(broken(&[rules_written(&rules, 1, 1), goes_down()]), ["C5"]);
    let tampered = Event::Tampered { lane: LANE };
    assert_eq!(broken(&[rules_written(&rules, 1, 1), tampered, goes_down()]), [] as [&str; 0]);
}

#[test]
fn a_closed_poll_that_opens_again_and_a_vote_after_the_closing_break_c6() {
    let (before, after) = (rules(1, 20_000), rules(2, 90_000));
    assert_eq!(broken(&[rules_written(&before, 1, 1), rules_written(&after, 21_000, 2)]), ["C6"]);
    let mut events = vec![rules_written(&before, 1, 1), vote_written(1)];
    events.push(drained(&[], Vec::new()));
    assert!(broken(&events).contains(&"C6"), "the vote is of 50,000, the closing of 20,000");
}

#[test]
fn an_owner_who_was_refused_and_has_changed_the_poll_breaks_c7() {
    let (before, after) = (rules(1, 100_000), rules(2, 200_000));
    let refused = |by| Event::OwnerRefused { poll: POLL, by, refusal: &Error::RevisionMismatch };
    let changed = || vec![rules_written(&before, 1, 1), rules_written(&after, 2, 2)];
    for (by, promises) in [(2, vec!["C7"]), (3, vec![])] {
        let mut events = changed();
        events.extend([refused(by), drained(&[], Vec::new())]);
        assert_eq!(broken(&events), promises, "invocation {by}");
    }
}

/// The same RULES, paused from then on, or resumed.
fn paused(rules: &Item, paused_from: Option<u64>, action: &str) -> Item {
    let mut paused = rules.clone();
    paused.remove("paused_from");
    paused.extend(item(&[("stamp", action)], &[]));
    paused.extend(paused_from.map(|at| ("paused_from".to_owned(), AttributeValue::N(at.to_string()))));
    paused
}

#[test]
fn a_vote_in_a_pause_breaks_c8_unless_it_lands_after_the_resume() {
    let open = rules(1, 100_000);
    let (paused_rules, resumed) = (paused(&open, Some(40_000), "poll.paused"), paused(&open, None, "poll.resumed"));
    let mut events = vec![rules_written(&open, 1, 1), rules_written(&paused_rules, 31_000, 2)];
    let is_paused = |events: &[Event<'_>]| {
        let mut ledger = Ledger::default();
        events.iter().for_each(|event| ledger.note(event));
        let mut found = Vec::new();
        check(&ledger, &vote_written(1), &mut found);
        found.iter().any(|breach| breach.promise == "C8")
    };
    assert!(is_paused(&events), "the vote is of 50,000");
    events.push(rules_written(&resumed, 49_999, 3));
    assert!(!is_paused(&events));
}

#[test]
fn a_pause_that_lands_late_or_ends_by_itself_breaks_c8() {
    let open = rules(1, 100_000);
    for (landed_at, ended_by, promises) in
        [(31_000, "poll.resumed", vec![]), (35_000, "poll.resumed", vec!["C8"]), (31_000, "poll.edited", vec!["C8"])]
    {
        let (paused_rules, ended) = (paused(&open, Some(40_000), "poll.paused"), paused(&open, None, ended_by));
        let events =
            [rules_written(&open, 1, 1), rules_written(&paused_rules, landed_at, 2), rules_written(&ended, 60_000, 3)];
        assert_eq!(broken(&events), promises, "landed at {landed_at}, ended by {ended_by}");
    }
}

#[test]
fn an_owner_who_is_told_of_another_pause_than_there_is_breaks_c8() {
    let open = rules(1, 100_000);
    let paused_rules = paused(&open, Some(40_000), "poll.paused");
    for (asked_for_pause, paused_from, promises) in [
        (Some(true), Some(40_000), vec![]),
        (None, Some(40_000), vec![]),
        (Some(true), Some(40_001), vec!["C8"]),
        (None, None, vec!["C8"]),
        (Some(false), Some(40_000), vec!["C8"]),
    ] {
        let told = OwnerTold { poll: POLL, began: 32_000, closes_at: Some(100_000), paused_from, asked_for_pause };
        let events = [rules_written(&open, 1, 1), rules_written(&paused_rules, 31_000, 2), Event::OwnerTold(told)];
        assert_eq!(broken(&events), promises, "{asked_for_pause:?}, told {paused_from:?}");
    }
}

#[test]
fn entries_that_are_not_what_is_counted_beside_them_break_c9() {
    let rules = ranked_rules();
    for (votes, promises) in [(2, vec![]), (1, vec!["C9"]), (3, vec!["C9"])] {
        for kind in ["HEAD", "COUNT"] {
            let tally = tally_with_runs(kind, votes, 0, &[RUN]);
            let written = match kind {
                "HEAD" => head_written(None, &tally),
                _ => Event::CountWritten { former: None, count: &tally },
            };
            assert_eq!(broken(&[rules_written(&rules, 1, 1), run_written(RUN), written]), promises, "{votes}, {kind}");
        }
    }
}

#[test]
fn a_run_that_is_named_and_not_there_breaks_c9_unless_someone_has_deleted_it_by_hand() {
    let (rules, head) = (ranked_rules(), tally_with_runs("HEAD", 2, 0, &[RUN]));
    let named = |before: Event<'static>| broken(&[rules_written(&rules, 1, 1), before, head_written(None, &head)]);
    assert_eq!(named(run_written((1, 8))), ["C9"]);
    assert_eq!(named(Event::RunRowLost { lane: LANE, row: (RUN, 0) }), [] as [&str; 0]);
}

#[test]
fn a_run_that_is_deleted_while_head_or_count_name_it_breaks_c9() {
    let (rules, none) = (ranked_rules(), tally_with_runs("HEAD", 0, 0, &[]));
    let (head, count) = (tally_with_runs("HEAD", 2, 0, &[RUN]), tally_with_runs("COUNT", 2, 0, &[RUN]));
    let deleted = || Event::RunRowDeleted { lane: LANE, row: (RUN, 0) };
    let begun = || vec![rules_written(&rules, 1, 1), run_written(RUN), head_written(None, &head)];
    assert_eq!(broken(&begun().into_iter().chain([deleted()]).collect::<Vec<_>>()), ["C9"]);
    let counted = vec![Event::CountWritten { former: None, count: &count }, head_written(Some(&head), &none)];
    assert_eq!(broken(&begun().into_iter().chain(counted).chain([deleted()]).collect::<Vec<_>>()), ["C9"]);
    let unnamed = vec![rules_written(&rules, 1, 1), run_written(RUN), deleted()];
    assert_eq!(broken(&unnamed), [] as [&str; 0]);
}

#[test]
fn two_runs_of_the_last_level_break_c9() {
    let rules = ranked_rules();
    for (level, promises) in [(0, vec![]), (3, vec!["C9"])] {
        let head = tally_with_runs("HEAD", 4, level, &[RUN, (2, 7)]);
        let events = [run_written(RUN), run_written((2, 7)), head_written(None, &head)];
        let events: Vec<_> = [rules_written(&rules, 1, 1)].into_iter().chain(events).collect();
        assert_eq!(broken(&events), promises, "{level}");
    }
}

#[test]
fn entries_that_are_dropped_without_a_reason_break_c9() {
    let (rules, head) = (ranked_rules(), tally_with_runs("HEAD", 2, 0, &[RUN]));
    let after = |lost: Option<Event<'static>>, reason: &str| {
        let now = dropped(reason);
        let mut events = vec![rules_written(&rules, 1, 1), run_written(RUN), head_written(None, &head)];
        events.extend(lost);
        events.push(head_written(Some(&head), &now));
        broken(&events)
    };
    assert_eq!((after(None, "lost"), after(None, "too_many")), (vec!["C9"], vec!["C9"]));
    assert_eq!(after(Some(Event::RunRowLost { lane: LANE, row: (RUN, 0) }), "lost"), [] as [&str; 0]);
}

#[test]
fn what_a_reader_is_shown_breaks_c9_where_it_does_not_add_up_or_runs_are_lost_for_no_reason() {
    let rules = ranked_rules();
    let count = |votes: i64| Count {
        counters: Counters::from_entries([("ballots".to_owned(), votes), ("o0".to_owned(), votes)]),
        ..Count::default()
    };
    let entries = Entries::decode(RUN_ENTRIES.to_vec()).unwrap();
    let none = Entries::default();
    let ballots = |ballots| PerSet { cells: Ok(&none), ballots };
    let seen = |shown: Result<Shown<'_>, &ReadError>| {
        broken(&[rules_written(&rules, 1, 1), run_written(RUN), Event::EntriesShown { lane: LANE, shown }])
    };
    assert_eq!(seen(Ok((&count(2), ballots(Ok(&entries))))), [] as [&str; 0]);
    assert_eq!(seen(Ok((&count(3), ballots(Ok(&entries))))), ["C9"]);
    assert_eq!(seen(Ok((&count(2), ballots(Err(Dropped::Lost))))), ["C9"]);
    let overtaken = ReadError::Overtaken(LaneKey { poll: PollId::parse(POLL).unwrap(), lane: 0 });
    assert_eq!(seen(Err(&overtaken)), ["C9"]);
}

#[test]
fn entries_that_are_no_recount_in_the_end_and_rows_that_are_left_break_c9() {
    let (rules, vote) = (ranked_rules(), vote_of(Ballot::of_ranking(&[0, 1])));
    let end = |key: &[u8], others: &[RunName]| {
        let bytes = [&[key.len() as u8][..], key, &[2]].concat();
        let [head, count] = ["HEAD", "COUNT"].map(|kind| {
            let mut item = tally_with_runs(kind, 1, 0, &[]);
            let AttributeValue::M(entries) = item.get_mut("entries").unwrap() else { unreachable!() };
            entries.insert("near".to_owned(), blob(bytes.clone()));
            item
        });
        let mut events = vec![rules_written(&rules, 1, 1), vote()];
        events.extend(others.iter().map(|run| run_written(*run)));
        events.push(drained(&[rules_written(&rules, 1, 1), vote()], vec![(&head, Some(&count))]));
        let mut broken = broken(&events);
        broken.retain(|promise| *promise == "C9");
        broken
    };
    assert_eq!(end(b"r\x00\x01", &[]), [] as [&str; 0]);
    assert_eq!(end(b"r\x00\x02", &[]), ["C9"]);
    assert_eq!(end(b"r\x00\x01", &[RUN]), ["C9"]);
}

/// HEAD of ballots for option 0 with these entries of each multiset near.
fn tally_with(votes: u64, cells: &[u8], ballots: &[u8]) -> Item {
    let mut head = tally_with_runs("HEAD", votes, 0, &[]);
    for (name, near) in [("cells", cells), ("entries", ballots)] {
        let mut kept = item(&[], &[("sweeps", 0), ("replaced", 0)]);
        kept.extend([("near", near), ("runs", b"")].map(|(name, bytes)| (name.to_owned(), blob(bytes.to_vec()))));
        head.insert(name.to_owned(), AttributeValue::M(kept));
    }
    head
}

#[test]
fn rows_that_do_not_add_up_to_ballots_and_options_break_c9() {
    let mut rules = ranked_rules();
    rules.extend(item(&[("segments", r#"[{"name": "d", "values": ["a", "b"], "from": "vote"}]"#)], &[]));
    let ranking = b"\x02r\x00\x04";
    for (cells, promises) in [
        (&b"\x03s\x00\x01\x02\x04s\x00\x01\x00\x02\x03s\x00\x02\x02\x04s\x00\x02\x00\x02"[..], vec![]),
        (b"\x03s\x00\x01\x02\x04s\x00\x01\x00\x02\x03s\x00\x02\x02\x04s\x00\x02\x01\x02", vec!["C9"]),
        (b"\x03s\x00\x01\x02\x04s\x00\x01\x00\x04", vec!["C9"]),
        (b"\x03s\x01\x01\x04\x04s\x01\x01\x00\x04", vec!["C9"]),
        (b"", vec!["C9"]),
    ] {
        let head = tally_with(2, cells, ranking);
        assert_eq!(broken(&[rules_written(&rules, 1, 1), head_written(None, &head)]), promises, "{cells:?}");
    }
}

#[test]
fn a_slot_that_is_not_that_of_the_time_breaks_c9() {
    let mut rules = rules(1, 300_000);
    rules.extend(item(&[("slot_width", "minute")], &[("created_at", 1)]));
    for (slot, is_broken) in [(0, false), (1, true)] {
        let ballot =
            Ballot::new(Content::Choices(Choices::of_ids(&[0]).unwrap()), Segments::default(), Slot::of_number(slot));
        let vote = vote_of(Some(ballot));
        assert_eq!(broken(&[rules_written(&rules, 1, 1), vote()]).contains(&"C9"), is_broken, "{slot}");
    }
}

/// Bytes of a text's entry.
fn entry(text: &str, count: u8) -> Vec<u8> {
    [&[text.len() as u8][..], text.as_bytes(), &[2 * count]].concat()
}

/// What a merge of two runs breaks that leaves this run, and says to have missed so much.
fn broken_by_merge(merged: &[(&str, u8)], missed: u64) -> Vec<&'static str> {
    let mut rules = rules(1, 100_000);
    rules.extend(item(&[("kind", "text")], &[]));
    let texts = |texts: &[(&str, u8)]| texts.iter().flat_map(|(text, count)| entry(text, *count)).collect::<Vec<u8>>();
    let runs = [((1, 1), 0, texts(&[("ta", 3), ("tb", 1)])), ((2, 1), 0, texts(&[("tb", 1), ("tc", 1)]))];
    let merged = ((3, 1), 1, texts(merged));
    let head = |runs: &[&(RunName, u8, Vec<u8>)], missed: u64| {
        let named = |((version, attempt), level, bytes): &(RunName, u8, Vec<u8>)| {
            let numbers = [version.to_be_bytes(), attempt.to_be_bytes()].concat();
            [&numbers[..], &[*level, 0, 1, 0, 0, 0, bytes.len() as u8]].concat()
        };
        let mut head = tally_with(6, b"", b"");
        head.remove("o0");
        let AttributeValue::M(kept) = head.get_mut("entries").unwrap() else { unreachable!() };
        kept.insert("runs".to_owned(), blob(runs.iter().flat_map(|run| named(run)).collect()));
        let missed = runs.iter().map(|(_, level, _)| AttributeValue::N((u64::from(*level) * missed).to_string()));
        kept.insert("missed".to_owned(), AttributeValue::L(missed.collect()));
        head
    };
    let (before, after) = (head(&[&runs[0], &runs[1]], 0), head(&[&merged], missed));
    let written = runs.iter().chain([&merged]);
    let written = written.map(|(name, _, bytes)| Event::RunRowWritten { lane: LANE, row: (*name, 0), entries: bytes });
    let mut events = vec![rules_written(&rules, 1, 1)];
    events.extend(written);
    events.extend([head_written(None, &before), head_written(Some(&before), &after)]);
    broken(&events)
}

#[test]
fn a_merge_that_loses_texts_or_keeps_the_wrong_ones_breaks_c9() {
    assert_eq!(broken_by_merge(&[("ta", 3), ("tb", 2), ("tc", 1)], 0), [] as [&str; 0]);
    assert_eq!(broken_by_merge(&[("t", 3), ("ta", 3)], 2), [] as [&str; 0]);
    assert_eq!(broken_by_merge(&[("t", 3), ("ta", 3)], 1), ["C9"], "it misses 2 of tb");
    assert_eq!(broken_by_merge(&[("t", 4), ("tb", 2)], 3), ["C9"], "ta is said more often");
    assert_eq!(broken_by_merge(&[("t", 2), ("ta", 3)], 2), ["C9"], "the total is 6");
    assert_eq!(broken_by_merge(&[("ta", 3), ("tb", 2), ("tc", 1)], 1), ["C9"], "nothing is missed");
}
