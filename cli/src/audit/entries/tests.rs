use landslide_domain::ballot::{Answer, Ballot, Content};
use landslide_domain::entries::{EntriesBuilder, PerSet};
use landslide_domain::recount::recount_whole;
use landslide_domain::runs::{Dropped, LaneEntries};
use landslide_domain::tally::Counters;
use landslide_domain::testing::{at, full_histories, last_choices, poll_asked_for};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn whole(rankings: &[&[u64]]) -> (Counters, Entries) {
    let (counters, entries) = recount_whole(rankings.iter().map(|ids| Ballot::of_ranking(ids).unwrap()));
    (counters, entries.ballots)
}

fn of_texts(texts: &[(&str, i64)]) -> Entries {
    let mut entries = PerSet::<EntriesBuilder>::default();
    for (text, times) in texts {
        entries.add_ballot(&Ballot::of(Content::Text(Answer::stored(text).unwrap())), *times);
    }
    entries.build().ballots
}

fn head(counters: Counters) -> Head {
    Head { counters, ..Head::default() }
}

fn spec(settings: Value) -> PollSpec {
    let mut body = json!({"question": "Q", "options": ["a", "b", "c"], "kind": "ranked"});
    body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    if body["kind"] == "text" {
        body.as_object_mut().unwrap().remove("options");
    }
    poll_asked_for(body, at(0)).unwrap().rules.settings.spec
}

#[test]
fn each_ranking_with_another_number_is_an_example_with_both() {
    let (_, head) = whole(&[&[2, 0], &[2, 0], &[1], &[0]]);
    let (_, votes) = whole(&[&[2, 0], &[0, 2], &[0]]);
    let found = differences(&head, &votes, 0);
    assert_eq!(found.first, ["0>2 (HEAD 0, votes 1)", "1 (HEAD 1, votes 0)", "2>0 (HEAD 2, votes 1)"]);
    assert_eq!(found.number, 3);
}

#[test]
fn a_key_that_no_ballot_has_is_an_example_too() {
    let odd = Entries::decode(b"\x02x\x07\x02".to_vec()).unwrap();
    assert_eq!(differences(&odd, &Entries::default(), 0).first, ["[78, 07] (HEAD 1, votes 0)"]);
    let cell = Entries::decode(b"\x03s\x00\x01\x02".to_vec()).unwrap();
    assert_eq!(differences(&cell, &Entries::default(), 0).first, ["Segment(0, 1, Ballots) (HEAD 1, votes 0)"]);
}

#[test]
fn texts_may_differ_by_what_was_missed_but_not_all_together() {
    let mut head = of_texts(&[("often", 9)]);
    head.merge(&Entries::decode(b"\x01t\x08".to_vec()).unwrap());
    let votes = of_texts(&[("often", 9), ("seldom", 3), ("once", 1)]);
    assert_eq!(differences(&head, &votes, 3), Examples::default());
    assert_eq!(differences(&head, &votes, 2).first, ["a text of 6 bytes (HEAD 0, votes 3)"]);
    assert_eq!(differences(&head, &votes, 0).number, 3);
    let fewer = of_texts(&[("often", 9), ("seldom", 3)]);
    assert_eq!(differences(&head, &fewer, 3).first, ["all texts (+1 in HEAD)"]);
}

#[test]
fn sums_differ_by_an_option_and_by_the_number_of_ballots() {
    let (counters, _) = whole(&[&[2, 0], &[1]]);
    let (spec, head_of) = (spec(json!({})), head(counters));
    let differ = |rankings: &[&[u64]], head: &Head| sums_differ(&spec, &whole(rankings).1, head);
    assert!(!differ(&[&[2, 1], &[1, 0]], &head_of), "later ranks are no first choices");
    for other in [&[&[0, 2][..], &[1]][..], &[&[2, 0]], &[&[2, 0], &[1], &[1]], &[]] {
        assert!(differ(other, &head_of), "{other:?}");
    }
    let same_options = Counters::from_entries([("ballots".to_owned(), 3), ("o1".to_owned(), 1), ("o2".to_owned(), 1)]);
    assert!(differ(&[&[2, 0], &[1]], &head(same_options)));
    let mut dropped = head_of;
    dropped.entries = LaneEntries::default().without(Set::Ballots, Dropped::TooMany);
    assert!(!differ(&[], &dropped), "it keeps no rankings");
}

#[test]
fn the_rows_of_each_dimension_and_of_the_series_add_up_to_the_counters() {
    let dimension = json!({"name": "region", "values": ["a", "b"], "from": "vote"});
    let spec = spec(json!({"kind": "single", "segments": [dimension], "series": true}));
    let counters = Counters::from_entries([("ballots".to_owned(), 3), ("o1".to_owned(), 3)]);
    let rows = |rows: &[(&[u8], i64)]| {
        let mut bytes = Vec::new();
        for (key, count) in rows {
            bytes.push(key.len() as u8);
            bytes.extend(*key);
            bytes.push(2 * *count as u8);
        }
        Entries::decode(bytes).unwrap()
    };
    let slot = [(&b"c\x00\x00"[..], 3), (b"c\x00\x00\x01", 3)];
    let region = [(&b"s\x00\x00"[..], 1), (b"s\x00\x00\x01", 1), (b"s\x00\x02", 2), (b"s\x00\x02\x01", 2)];
    let differ = |entries: &[(&[u8], i64)]| sums_differ(&spec, &rows(entries), &head(counters.clone()));
    assert!(!differ(&[&slot[..], &region].concat()));
    assert!(differ(&[&slot[..], &region[..3]].concat()), "an option in the region");
    assert!(differ(&[&slot[1..], &region].concat()), "ballots in the series");
    assert!(differ(&region), "no series");
}

proptest! {
    #[test]
    fn a_recount_differs_from_itself_in_nothing(histories in full_histories()) {
        let (_, entries) = recount_whole(last_choices(&histories));
        let mut both = entries.cells;
        both.merge(&entries.ballots);
        prop_assert_eq!(differences(&both, &both, 0), Examples::default());
    }
}
