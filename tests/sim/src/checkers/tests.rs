use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use landslide_domain::error::Error;

use super::{Verdict, check};
use crate::{
    events::{Drained, Event, OwnerTold},
    facts::{Revision, Times},
    item::Item,
    ledger::Ledger,
};

const POLL: &str = "poll-1";
const VOTER: u128 = 7;

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
    let revision = Revision { number, choices: Some(1), cast_at: 50_000, lane: 0, stored_at: 50_000 };
    Event::VoteWritten { poll: POLL, voter: VOTER, revision }
}

/// HEAD or COUNT of the poll's lane. All its votes are for option 0.
fn tally(kind: &str, votes: u64, as_of: u64) -> Item {
    let numbers = [("version", 1), ("as_of", as_of), ("ballots", votes), ("o0", votes)];
    item(&[("poll_lane", "poll-1#0"), ("item", kind)], &numbers)
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
    let tampered = Event::Tampered { lane: "poll-1#0" };
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
