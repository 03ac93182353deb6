//! The tally queue: groups in order, one batch of a group in flight.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

use landslide_sim::channel::Signal;

use crate::allowance::Allowance;

/// Votes of one lane that were stored at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Votes {
    /// When, in milliseconds since the beginning.
    pub stored_ms: u64,
    /// How many.
    pub count: u64,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Whose group it is of.
    pub lane: u8,
    /// Its votes, by when they were stored.
    pub votes: Vec<Votes>,
    /// How many of them, the first ones, are counted.
    pub counted: u64,
    /// Bytes of its body.
    pub bytes: u64,
    /// When it was sent, in milliseconds since the beginning.
    pub sent_ms: u64,
    /// How often it was received.
    pub receives: u32,
}

impl Message {
    /// How many votes it holds.
    pub fn total(&self) -> u64 {
        self.votes.iter().map(|votes| votes.count).sum()
    }
}

struct Group {
    waiting: VecDeque<Message>,
    is_in_flight: bool,
    calls: Allowance,
    messages: Allowance,
}

/// Messages of one group, handed out together.
pub struct Portion {
    /// The group.
    pub lane: u8,
    /// Its first messages.
    pub messages: Vec<Message>,
}

/// The queue.
pub struct Fifo {
    groups: RefCell<BTreeMap<u8, Group>>,
    calls_per_second: u64,
    messages_per_second: u64,
    /// Rings when something may have become available.
    pub changed: Signal,
}

/// For how long a quota lets calls gather, in milliseconds.
const BURST_MS: u64 = 1_000;

impl Fifo {
    /// An empty queue. The limits hold for each group; that on calls holds for each kind of call.
    pub fn new(calls_per_second: u64, messages_per_second: u64) -> Self {
        Self { groups: RefCell::default(), calls_per_second, messages_per_second, changed: Signal::default() }
    }

    /// Takes the messages of one call, or none of them where a group has had too many calls.
    pub fn send(&self, batch: &[Message], now_ms: u64) -> bool {
        let mut groups = self.groups.borrow_mut();
        let fits = batch.iter().all(|message| {
            let group = groups.entry(message.lane).or_insert_with(|| Group {
                waiting: VecDeque::new(),
                is_in_flight: false,
                calls: Allowance::new(self.calls_per_second, BURST_MS),
                messages: Allowance::new(self.messages_per_second, BURST_MS),
            });
            group.messages.takes(1, now_ms)
        });
        let lanes: std::collections::BTreeSet<u8> = batch.iter().map(|message| message.lane).collect();
        if !fits || !lanes.iter().all(|lane| groups[lane].calls.takes(1, now_ms)) {
            return false;
        }
        for message in batch {
            let sent = Message { sent_ms: now_ms, ..message.clone() };
            groups.get_mut(&message.lane).expect("made above").waiting.push_back(sent);
        }
        if lanes.iter().any(|lane| !groups[lane].is_in_flight) {
            self.changed.ring();
        }
        true
    }

    /// Hands out the first messages of the group whose first has waited longest, then of the next such, while they
    /// keep within the limits.
    pub fn receive(&self, messages_max: usize, bytes_max: u64) -> Vec<Portion> {
        let mut groups = self.groups.borrow_mut();
        let is_free = |group: &Group| !group.is_in_flight && !group.waiting.is_empty();
        let mut free: Vec<(u64, u8)> = groups
            .iter()
            .filter(|(_, group)| is_free(group))
            .map(|(lane, group)| (group.waiting[0].sent_ms, *lane))
            .collect();
        free.sort_unstable();
        let (mut portions, mut messages_left, mut bytes_left) = (Vec::new(), messages_max, bytes_max);
        for (_, lane) in free {
            let group = groups.get_mut(&lane).expect("a free group");
            let mut messages = Vec::new();
            while messages_left > 0
                && let Some(message) = group.waiting.pop_front_if(|message| message.bytes <= bytes_left)
            {
                messages_left -= 1;
                bytes_left -= message.bytes;
                messages.push(Message { receives: message.receives + 1, ..message });
            }
            if !messages.is_empty() {
                group.is_in_flight = true;
                portions.push(Portion { lane, messages });
            }
        }
        portions
    }

    /// Ends a portion: what was not deleted of it comes again, in its place.
    pub fn settle(&self, lane: u8, again: Vec<Message>) {
        let mut groups = self.groups.borrow_mut();
        let group = groups.get_mut(&lane).expect("a group in flight");
        group.is_in_flight = false;
        again.into_iter().rev().for_each(|message| group.waiting.push_front(message));
        if !group.waiting.is_empty() {
            self.changed.ring();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lane: u8, count: u64) -> Message {
        Message { lane, votes: vec![Votes { stored_ms: 0, count }], counted: 0, bytes: 100, sent_ms: 0, receives: 0 }
    }

    fn counts(portions: &[Portion]) -> Vec<(u8, Vec<u64>)> {
        portions.iter().map(|portion| (portion.lane, portion.messages.iter().map(Message::total).collect())).collect()
    }

    #[test]
    fn a_group_is_in_flight_once_and_stays_in_order() {
        let queue = Fifo::new(300, 3_000);
        assert!(queue.send(&[message(1, 1), message(1, 2), message(2, 3)], 5));
        let first = queue.receive(2, 1_000);
        assert_eq!(counts(&first), [(1, vec![1, 2])]);
        assert_eq!(counts(&queue.receive(10, 1_000)), [(2, vec![3])]);
        assert!(queue.receive(10, 1_000).is_empty());
        queue.settle(1, first.into_iter().flat_map(|portion| portion.messages).collect());
        assert_eq!(counts(&queue.receive(10, 1_000)), [(1, vec![1, 2])]);
    }

    #[test]
    fn a_batch_keeps_to_its_bytes() {
        let queue = Fifo::new(300, 3_000);
        assert!(queue.send(&[message(1, 1), message(1, 2), message(1, 3)], 5));
        assert_eq!(counts(&queue.receive(10, 250)), [(1, vec![1, 2])]);
    }

    #[test]
    fn a_group_refuses_calls_beyond_its_quota_and_takes_nothing_of_them() {
        let queue = Fifo::new(2, 3_000);
        let sent = (0..3).filter(|_| queue.send(&[message(1, 1)], 0)).count();
        assert_eq!((sent, counts(&queue.receive(10, 1_000))), (2, vec![(1, vec![1, 1])]));
        assert!(queue.send(&[message(1, 1)], 500));
    }
}
