use std::sync::{Arc, Mutex};

use landslide_aws::{
    store::{AssembledStore, ResultsStore, VoteStore},
    testing::{Calls, OnePoll},
};

use super::*;

struct Nobody;

impl Renewal for Nobody {
    async fn ask(&self, _: &PollId) -> Result<(), String> {
        Ok(())
    }
}

/// A cache that holds what a test says.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<SharedCounts>>>);

impl Slot {
    fn change(&self, change: impl FnOnce(&mut SharedCounts)) {
        change(self.0.lock().unwrap().as_mut().unwrap());
    }
}

impl SharedCache for Slot {
    fn is_on(&self) -> bool {
        true
    }

    async fn read(&self, _: &PollId, _: Timestamp) -> Option<SharedCounts> {
        self.0.lock().unwrap().clone()
    }

    async fn write(&self, _: &PollId, counts: &SharedCounts) {
        *self.0.lock().unwrap() = Some(counts.clone());
    }
}

/// A process, and the calls that it makes.
fn process(tables: &OnePoll, cache: &Slot) -> (CurrentResults<Nobody, Slot>, Calls) {
    let (aws, calls) = tables.stub();
    let store = ResultsStore::new(&aws, "polls".to_owned(), "tallies".to_owned());
    let assembled = AssembledStore::new(&aws, "tallies".to_owned());
    let votes = VoteStore::new(&aws, "votes".to_owned());
    (CurrentResults::new(store, assembled, votes, Nobody).sharing(cache.clone()), calls)
}

#[tokio::main(flavor = "current_thread")]
async fn shown<C: SharedCache>(results: &CurrentResults<Nobody, C>, now: Timestamp) -> Arc<ResultsDocument> {
    results.document(&PollId::parse(OnePoll::ID).unwrap(), None, now).await.unwrap()
}

/// Two processes that have shown no vote, and the calls of the second, at the time that is returned. Nobody draws to renew
/// early in the first half of a second.
fn both(
    tables: &OnePoll,
    cache: &Slot,
) -> (CurrentResults<Nobody, Slot>, CurrentResults<Nobody, Slot>, Calls, Timestamp) {
    let now = clock::now();
    let ((first, _), (second, calls)) = (process(tables, cache), process(tables, cache));
    for process in [&first, &second] {
        assert!(shown(process, now).text.contains("\"ballots\":0"));
    }
    (first, second, calls, now)
}

#[test]
fn a_process_shows_what_another_has_read_with_its_text_its_tag_and_its_age() {
    let (tables, cache) = (OnePoll::default(), Slot::default());
    let (first, second, calls, began) = both(&tables, &cache);
    tables.count(7);
    let read = shown(&first, began.plus_millis(1_000));
    tables.count(9);
    let found = shown(&second, began.plus_millis(1_400));
    assert!(found.text.contains("\"ballots\":7"), "{}", found.text);
    assert_eq!((&found.text, &found.tag), (&read.text, &read.tag));
    assert_eq!(found.reading.at, began.plus_millis(1_000));
    assert_eq!(calls.all().len(), 1, "the first read alone");
    // Together both keep it for a second.
    assert!(shown(&second, began.plus_millis(2_000)).text.contains("\"ballots\":9"));
    assert_eq!(calls.all().len(), 2);
}

#[test]
fn a_process_that_has_not_read_a_poll_reads_it_itself() {
    let (tables, cache) = (OnePoll::default(), Slot::default());
    let (.., began) = both(&tables, &cache);
    let (new, calls) = process(&tables, &cache);
    shown(&new, began.plus_millis(1));
    assert_eq!(calls.all().len(), 1);
}

#[test]
fn whatever_does_not_fit_is_left_alone_and_the_tables_are_read() {
    let older: fn(&mut SharedCounts) = |counts| counts.version.counts = 6;
    let other_version: fn(&mut SharedCounts) = |counts| counts.version.counts = 99;
    let other_poll: fn(&mut SharedCounts) = |counts| counts.poll[3] ^= 1;
    let garbage: fn(&mut SharedCounts) = |counts| counts.items = vec![1, 2, 3];
    let nothing: fn(&mut SharedCounts) = |counts| counts.items = vec![0, 0, 0, 0];
    let old: fn(&mut SharedCounts) = |counts| counts.read_at = Timestamp::EPOCH;
    for (why, lie) in [
        ("an older version", older),
        ("a version that its counts are not", other_version),
        ("a poll that this process has not read", other_poll),
        ("what can't be read", garbage),
        ("no counts", nothing),
        ("an old time", old),
    ] {
        let (tables, cache) = (OnePoll::default(), Slot::default());
        let (first, second, calls, began) = both(&tables, &cache);
        tables.count(7);
        shown(&second, began.plus_millis(1_000));
        shown(&first, began.plus_millis(2_000));
        cache.change(lie);
        tables.count(8);
        assert!(shown(&second, began.plus_millis(2_100)).text.contains("\"ballots\":8"), "{why}");
        assert_eq!(calls.all().len(), 3, "{why}");
    }
}

#[test]
fn a_change_of_the_poll_is_read_by_each_process() {
    let (tables, cache) = (OnePoll::default(), Slot::default());
    let (first, second, calls, began) = both(&tables, &cache);
    tables.edit();
    shown(&first, began.plus_millis(1_000));
    let changed = shown(&second, began.plus_millis(1_100));
    assert!(changed.text.contains("\"version\":{\"poll\":2,"), "{}", changed.text);
    assert_eq!(calls.all().len(), 2);
}

#[test]
fn what_is_renewed_early_is_shown_as_it_was_if_the_tables_are_away() {
    let (tables, cache) = (OnePoll::default(), Slot::default());
    let (process, calls) = process(&tables, &cache);
    let began = clock::now();
    shown(&process, began);
    tables.go_away(true);
    fastrand::seed(1);
    // Of readers in the last millisecond four in five renew.
    for _ in 0..50 {
        assert!(shown(&process, began.plus_millis(999)).text.contains("\"ballots\":0"));
    }
    let tried = calls.all().len() - 1;
    assert!((25..50).contains(&tried), "{tried}");
    tables.go_away(false);
    tables.count(5);
    let renewed = (0..50).any(|_| shown(&process, began.plus_millis(999)).text.contains("\"ballots\":5"));
    assert!(renewed);
}
