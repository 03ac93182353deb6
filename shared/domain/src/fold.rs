//! Folds stream records into as few messages as possible.

use std::collections::{BTreeMap, HashMap};

use super::{
    change::Change,
    lane::LaneKey,
    message::Message,
    tally::{Minute, by_minute},
};

/// The most minutes in a message folded by time. Counting reads all ids counted in a message's minutes: in a full lane
/// some 2,000,000, about two portions.
pub const MESSAGE_MINUTES_MAX: usize = 4;

/// Folds into one message per lane, or into several where one would pass `MESSAGE_BYTES_MAX`. Lanes keep the order of
/// their first records, changes their own order. The same records give the same messages, so the queue's deduplication
/// recognises a batch that is sent again.
pub fn fold(records: impl IntoIterator<Item = (LaneKey, Change)>) -> Vec<Message> {
    let mut lanes: Vec<Message> = Vec::new();
    let mut places: HashMap<LaneKey, usize> = HashMap::new();
    for (lane, change) in records {
        let place = *places.entry(lane).or_insert_with_key(|lane| {
            lanes.push(Message { lane: lane.clone(), changes: Vec::new() });
            lanes.len() - 1
        });
        if let Some(message) = lanes.get_mut(place) {
            message.changes.push(change);
        }
    }
    lanes.into_iter().flat_map(split).collect()
}

/// Folds into messages that span at most `MESSAGE_MINUTES_MAX` minutes, in time order. Meant for old votes: one message
/// could otherwise touch every minute that its lane has counted.
pub fn fold_by_time(records: impl IntoIterator<Item = (LaneKey, Change)>) -> Vec<Message> {
    let mut lanes: BTreeMap<LaneKey, Vec<Change>> = BTreeMap::new();
    for (lane, change) in records {
        lanes.entry(lane).or_default().push(change);
    }
    lanes.into_iter().flat_map(|(lane, changes)| spans(&lane, changes)).flat_map(split).collect()
}

/// Splits one lane's changes into messages for a few minutes each, in time order. A message may have any length.
fn spans(lane: &LaneKey, mut changes: Vec<Change>) -> Vec<Message> {
    changes.sort_by_key(|change| (change.cast_at, change.id));
    let minutes: Vec<(Minute, Vec<Change>)> = by_minute(&changes).into_iter().collect();
    let message = |minutes: &[(Minute, Vec<Change>)]| {
        let changes = minutes.iter().flat_map(|(_, changes)| changes).cloned().collect();
        Message { lane: lane.clone(), changes }
    };
    minutes.chunks(MESSAGE_MINUTES_MAX).map(message).collect()
}

/// Splits a message that is too long.
fn split(message: Message) -> Vec<Message> {
    let part = |changes: &[Change]| Message { lane: message.lane.clone(), changes: changes.to_vec() };
    let mut parts = Message::parts(&message.changes);
    if let (Some(first), Some(second)) = (parts.next(), parts.next()) {
        return [first, second].into_iter().chain(parts).map(part).collect();
    }
    drop(parts);
    vec![message]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::PollId,
        message::{
            MESSAGE_BYTES_MAX,
            tests::{a_change, first_vote},
        },
        time::Timestamp,
    };
    use proptest::prelude::*;

    fn lane(number: u8) -> LaneKey {
        LaneKey { poll: PollId::parse(&"p".repeat(40)).unwrap(), lane: number }
    }

    #[test]
    fn a_message_is_full_at_7020_votes_for_one_option() {
        let fold_votes = |count| fold(std::iter::repeat_n((lane(0), first_vote(1, 99)), count));
        let full = fold_votes(7_020);
        assert_eq!((full.len(), full[0].encode().len()), (1, 262_144));
        let counts = fold_votes(7_021).iter().map(|message| message.changes.len()).collect::<Vec<_>>();
        assert_eq!(counts, [7_020, 1]);
    }

    proptest! {
        #[test]
        fn folding_loses_nothing_and_adds_nothing(records in proptest::collection::vec((0u8..4, a_change()), 0..200)) {
            let messages = fold(records.iter().map(|(number, change)| (lane(*number), change.clone())));
            prop_assert_eq!(messages.len(), records.iter().map(|(number, _)| number).collect::<std::collections::BTreeSet<_>>().len());
            for number in 0..4 {
                let folded: Vec<Change> = messages.iter().filter(|m| m.lane.lane == number).flat_map(|m| m.changes.clone()).collect();
                let sent: Vec<Change> = records.iter().filter(|(of, _)| *of == number).map(|(_, change)| change.clone()).collect();
                prop_assert_eq!(folded, sent);
            }
        }

        #[test]
        fn folding_by_time_keeps_each_change_once_in_messages_of_few_minutes(
            records in proptest::collection::vec((0u8..3, a_change(), 0u64..40 * 60_000), 0..300)
        ) {
            let at = |offset| Timestamp::from_millis(1_790_000_000_000 + offset).unwrap();
            let sent: Vec<(LaneKey, Change)> =
                records.iter().map(|(number, change, offset)| (lane(*number), Change { cast_at: at(*offset), ..change.clone() })).collect();
            let messages = fold_by_time(sent.iter().cloned());
            let mut folded: Vec<(LaneKey, Change)> = Vec::new();
            for message in &messages {
                let minutes: std::collections::BTreeSet<Minute> =
                    message.changes.iter().map(|change| Minute::of(change.cast_at)).collect();
                prop_assert!((1..=MESSAGE_MINUTES_MAX).contains(&minutes.len()));
                folded.extend(message.changes.iter().map(|change| (message.lane.clone(), change.clone())));
            }
            prop_assert!(folded.windows(2).all(|two| two[0].0 < two[1].0 || two[0].0 == two[1].0 && two[0].1.cast_at <= two[1].1.cast_at));
            let by_content = |changes: &[(LaneKey, Change)]| {
                let mut texts: Vec<String> = changes.iter().map(|change| format!("{change:?}")).collect();
                texts.sort();
                texts
            };
            prop_assert_eq!(by_content(&folded), by_content(&sent));
        }

        #[test]
        fn no_message_is_too_long_for_any_number_of_records(change in a_change(), single in any::<bool>(), count in 0usize..30_000) {
            let change = if single { Change { from: None, to: crate::ballot::Ballot::of_bits(1), ..change } } else { change };
            let messages = fold(std::iter::repeat_n((lane(0), change), count));
            prop_assert_eq!(messages.iter().map(|message| message.changes.len()).sum::<usize>(), count);
            for message in messages {
                prop_assert!(message.encode().len() <= MESSAGE_BYTES_MAX);
            }
        }
    }
}
