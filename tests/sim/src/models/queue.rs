//! SQS: a FIFO queue with groups, deduplication by group, visibility and dead letters.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
};

use rustc_hash::FxHashMap;

use crate::channel::Signal;

/// For how long a deduplication id is remembered, in milliseconds.
const DEDUPLICATION_MS: u64 = 5 * 60_000;

/// A message as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The text.
    pub body: Rc<str>,
    /// The FIFO group; empty in a standard queue.
    pub group: Rc<str>,
    /// The deduplication id, if it has one.
    pub deduplication: Option<Rc<str>>,
    /// The attribute `reason`.
    pub reason: Option<String>,
}

/// A message in the queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// The queue's number of it.
    pub id: u64,
    /// What was sent.
    pub sent: Sent,
    /// How often it was handed out.
    pub receives: u32,
    /// When it was handed out first, in milliseconds since the epoch; 0: never.
    pub first_received_ms: u64,
    /// Until when it is hidden, once it was handed out.
    hidden_until_ms: u64,
}

/// A FIFO queue.
#[derive(Default)]
pub struct FifoQueue {
    /// Rings when a message may have become available.
    pub available: Signal,
    groups: RefCell<BTreeMap<Rc<str>, Group>>,
    /// When a deduplication id was last taken, by group.
    taken: RefCell<FxHashMap<Deduplication, u64>>,
    next: Cell<u64>,
}

/// A group and a deduplication id in it.
type Deduplication = (Rc<str>, Rc<str>);

#[derive(Default)]
struct Group {
    waiting: VecDeque<Message>,
    /// In the hands of receivers, by receipt.
    in_flight: BTreeMap<u64, Vec<Message>>,
}

/// What becomes of a message in flight.
enum Fate {
    Deleted,
    InFlight,
    Waiting,
}

/// Messages that were handed out together.
pub struct Receipt {
    /// What it is known by.
    pub number: u64,
    /// The messages, group by group.
    pub messages: Vec<Message>,
}

impl FifoQueue {
    /// Takes a message, unless one of its deduplication id was taken before; whether it is a new one.
    pub fn send(&self, sent: Sent, now_ms: u64) -> bool {
        if let Some(deduplication) = &sent.deduplication {
            let mut taken = self.taken.borrow_mut();
            let key = (sent.group.clone(), deduplication.clone());
            if taken.get(&key).is_some_and(|at| now_ms - at < DEDUPLICATION_MS) {
                return false;
            }
            taken.insert(key, now_ms);
        }
        self.append(sent);
        true
    }

    /// Puts a message at the end of its group, without any deduplication.
    pub fn append(&self, sent: Sent) {
        let message = Message { id: self.number(), sent, receives: 0, first_received_ms: 0, hidden_until_ms: 0 };
        let mut groups = self.groups.borrow_mut();
        groups.entry(message.sent.group.clone()).or_default().waiting.push_back(message);
        self.available.ring();
    }

    /// Takes everything out that waits, group by group, each in its order.
    pub fn drain(&self) -> Vec<Sent> {
        let groups = self.groups.take();
        groups.into_values().flat_map(|group| group.waiting).map(|message| message.sent).collect()
    }

    /// Whether a message of that text waits.
    pub fn holds(&self, body: &str) -> bool {
        self.groups.borrow().values().flat_map(|group| &group.waiting).any(|message| &*message.sent.body == body)
    }

    /// Groups from which something can be handed out.
    pub fn free_groups(&self) -> Vec<Rc<str>> {
        let groups = self.groups.borrow();
        let free = groups.iter().filter(|(_, group)| group.in_flight.is_empty() && !group.waiting.is_empty());
        free.map(|(id, _)| id.clone()).collect()
    }

    /// Hands out the first messages of some groups, at most the number wanted from each, and hides them until a time.
    /// Messages that were handed out `receives_max` times already are given up instead, and come second.
    pub fn receive(
        &self,
        wanted: &[(Rc<str>, usize)],
        receives_max: u32,
        (now_ms, hidden_until_ms): (u64, u64),
    ) -> (Receipt, Vec<Message>) {
        let number = self.number();
        let (mut messages, mut dead) = (Vec::new(), Vec::new());
        let mut groups = self.groups.borrow_mut();
        for (id, most) in wanted {
            let Some(group) = groups.get_mut(id) else { continue };
            let mut handed_out = Vec::new();
            while handed_out.len() < *most
                && let Some(mut message) = group.waiting.pop_front()
            {
                if message.receives >= receives_max {
                    dead.push(message);
                    continue;
                }
                if message.receives == 0 {
                    message.first_received_ms = now_ms;
                }
                message.receives += 1;
                message.hidden_until_ms = hidden_until_ms;
                handed_out.push(message);
            }
            if !handed_out.is_empty() {
                group.in_flight.insert(number, handed_out.clone());
                messages.extend(handed_out);
            }
        }
        groups.retain(|_, group| !group.waiting.is_empty() || !group.in_flight.is_empty());
        (Receipt { number, messages }, dead)
    }

    /// Deletes some messages of a receipt; nothing if it has run out. Its group is free once none is left in it.
    pub fn delete(&self, receipt: u64, is_done: impl Fn(&Message) -> bool) {
        self.settle(receipt, |message| if is_done(message) { Fate::Deleted } else { Fate::InFlight });
    }

    /// Ends a receipt: what was not deleted comes again, in its place. How many messages do.
    pub fn release(&self, receipt: u64) -> usize {
        self.settle(receipt, |_| Fate::Waiting)
    }

    /// Has those messages of a receipt come again, each in its place, that are not hidden any more.
    pub fn release_due(&self, receipt: u64, now_ms: u64) {
        self.settle(receipt, |message| if message.hidden_until_ms <= now_ms { Fate::Waiting } else { Fate::InFlight });
    }

    /// Hides a message of a receipt until another time; whether it is still out by that receipt.
    pub fn hide(&self, receipt: u64, id: u64, until_ms: u64) -> bool {
        let mut groups = self.groups.borrow_mut();
        let out = groups.values_mut().flat_map(|group| group.in_flight.get_mut(&receipt)).flatten();
        let found = out.into_iter().find(|message| message.id == id);
        found.map(|message| message.hidden_until_ms = until_ms).is_some()
    }

    fn settle(&self, receipt: u64, fate: impl Fn(&Message) -> Fate) -> usize {
        let mut released = 0;
        let mut groups = self.groups.borrow_mut();
        for group in groups.values_mut() {
            let mut stay = Vec::new();
            for message in group.in_flight.remove(&receipt).into_iter().flatten().rev() {
                match fate(&message) {
                    Fate::Deleted => {}
                    Fate::InFlight => stay.insert(0, message),
                    Fate::Waiting => {
                        released += 1;
                        let place = group.waiting.partition_point(|before| before.id < message.id);
                        group.waiting.insert(place, message);
                    }
                }
            }
            if !stay.is_empty() {
                group.in_flight.insert(receipt, stay);
            }
        }
        groups.retain(|_, group| !group.waiting.is_empty() || !group.in_flight.is_empty());
        self.available.ring();
        released
    }

    /// Whether it has no message at all.
    pub fn is_empty(&self) -> bool {
        self.groups.borrow().is_empty()
    }

    fn number(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        self.next.get()
    }
}

/// A standard queue of dead letters: a pile, in the order in which they came.
#[derive(Default)]
pub struct DeadLetters(RefCell<Vec<Sent>>);

impl DeadLetters {
    /// Puts one.
    pub fn put(&self, letter: Sent) {
        self.0.borrow_mut().push(letter);
    }

    /// Whether one of that text is there.
    pub fn hold(&self, body: &str) -> bool {
        self.0.borrow().iter().any(|letter| &*letter.body == body)
    }
}

/// The handle of a message that was handed out by a receipt.
pub fn handle(receipt: u64, id: u64) -> String {
    format!("{receipt}-{id}")
}

/// Reads a handle that `handle` made: the receipt and the message.
pub fn read_handle(handle: &str) -> (u64, u64) {
    let (receipt, id) = handle.split_once('-').expect("our handle");
    (receipt.parse().expect("our receipt"), id.parse().expect("our id"))
}
