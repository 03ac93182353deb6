//! Folding: from stream records to as few messages as can be.

use std::collections::HashMap;

use super::{
    change::Change,
    lane::LaneKey,
    message::{ChoiceField, Message},
};

/// One message for each lane, or several where one would pass `MESSAGE_BYTES_MAX`. Lanes come in the order in
/// which they first appear, changes in their own. The same records give the same messages, so a batch that is
/// sent again meets the queue's deduplication.
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

/// The message itself, or several that are short enough.
fn split(message: Message) -> Vec<Message> {
    let records_max = ChoiceField::for_all(&message.changes).records_max();
    if message.changes.len() <= records_max {
        return vec![message];
    }
    let part = |changes: &[Change]| Message { lane: message.lane.clone(), changes: changes.to_vec() };
    message.changes.chunks(records_max).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        ids::PollId,
        message::{
            MESSAGE_BYTES_MAX,
            tests::{a_change, first_vote},
        },
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
            let messages = fold(records.iter().map(|(number, change)| (lane(*number), *change)));
            prop_assert_eq!(messages.len(), records.iter().map(|(number, _)| number).collect::<std::collections::BTreeSet<_>>().len());
            for number in 0..4 {
                let folded: Vec<Change> = messages.iter().filter(|m| m.lane.lane == number).flat_map(|m| m.changes.clone()).collect();
                let sent: Vec<Change> = records.iter().filter(|(of, _)| *of == number).map(|(_, change)| *change).collect();
                prop_assert_eq!(folded, sent);
            }
        }

        #[test]
        fn no_message_is_too_long_for_any_number_of_records(change in a_change(), single in any::<bool>(), count in 0usize..30_000) {
            let change = if single { Change { from: None, to: crate::domain::choices::Choices::from_bits(1), ..change } } else { change };
            let messages = fold(std::iter::repeat_n((lane(0), change), count));
            prop_assert_eq!(messages.iter().map(|message| message.changes.len()).sum::<usize>(), count);
            for message in messages {
                prop_assert!(message.encode().len() <= MESSAGE_BYTES_MAX);
            }
        }
    }
}
