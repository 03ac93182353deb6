//! The last release's relay over new votes.

use landslide_domain::{message::Message, testing::non_zero};
use last_counting::relay::{Folded as LastFolded, StreamEvent as LastStreamEvent};
use serde_json::Value;

use crate::{
    ballots::{by_poll, histories, new, plain},
    cloud::{IN_HEAD, Lane, Record, cast_all, event, relayed},
    tally::count_by_last_release,
};

/// Messages and dead letters that the last release's relay makes of a batch.
fn relayed_by_last_release(records: &[Record]) -> (Vec<String>, Vec<String>) {
    let batch = event(records.iter().map(|record| record.text.as_str()));
    let folded = LastFolded::of(LastStreamEvent::read(&batch).unwrap());
    let bodies = |letters: Vec<last_aws::queue::Outgoing>| letters.into_iter().map(|letter| letter.body).collect();
    (bodies(folded.messages), bodies(folded.unreadable))
}

fn parsed(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Value> {
    texts.into_iter().map(|text| serde_json::from_str(text.as_ref()).unwrap()).collect()
}

/// The records of every change between old and new ballots, as if a poll's kind could change too.
fn all_changes() -> Vec<Record> {
    cast_all(&histories(&[plain(), new()].concat())).0
}

#[test]
fn each_new_vote_and_each_change_from_or_to_one_is_a_dead_letter_whole_and_no_other_is() {
    let records = all_changes();
    let (_, dead_letters) = relayed_by_last_release(&records);
    let of_new = records.iter().filter(|record| record.is_new).map(|record| &record.text);
    assert_eq!(parsed(&dead_letters), parsed(of_new));
    assert!(!dead_letters.is_empty() && dead_letters.len() < records.len());
}

#[test]
fn also_alone_in_its_batch_a_new_vote_makes_no_message() {
    let records = all_changes();
    for record in records {
        let (messages, dead_letters) = relayed_by_last_release(std::slice::from_ref(&record));
        let expected = if record.is_new { (0, 1) } else { (1, 0) };
        assert_eq!((messages.len(), dead_letters.len()), expected, "{}", record.text);
    }
}

#[test]
fn all_are_counted_once_their_dead_letters_are_redriven() {
    for poll in by_poll() {
        let (records, recount) = cast_all(&histories(&poll));
        let (messages, dead_letters) = relayed_by_last_release(&records);
        let lane = Lane::default();
        let (waiting, _) = count_by_last_release(&lane, &messages);
        assert_eq!(waiting, 0, "the last release counts what it reads");
        // A redrive hands each letter to the relay that runs by then.
        lane.count(&relayed(dead_letters.iter().map(String::as_str)), IN_HEAD);

        let counted_now = Lane::default();
        counted_now.count(&relayed(records.iter().map(|record| record.text.as_str())), IN_HEAD);
        assert_eq!(lane.sums(), counted_now.sums(), "{poll:?}");
        for (name, count) in non_zero(&recount) {
            assert_eq!(lane.sums()[&name]["N"], count.to_string(), "{name} of {poll:?}");
        }
    }
}

#[test]
fn messages_of_new_ballots_are_of_a_layout_that_the_last_release_leaves_for_later() {
    let records = all_changes();
    for record in records.iter().filter(|record| record.is_new) {
        for body in relayed([record.text.as_str()]) {
            let read = last_domain::message::Message::decode(&body);
            assert_eq!(read, Err(last_domain::message::DecodeError::UnknownVersion(2)), "{}", record.text);
            assert!(Message::decode(&body).is_ok());
        }
    }
}
