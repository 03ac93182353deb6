//! The votes' stream by counts: shards, each read in order.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use landslide_sim::channel::Signal;

use crate::fifo::Votes;

/// Votes of one lane in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records {
    /// Which lane is to count them.
    pub lane: u8,
    /// When they were stored, and how many.
    pub votes: Votes,
}

/// A shard: what one physical partition writes.
#[derive(Default)]
pub struct Shard {
    /// The shard from which it split, which is read to its end first.
    pub parent: Option<Rc<Shard>>,
    /// Rings when there is something to read, or nothing more ever.
    pub changed: Signal,
    records: RefCell<VecDeque<Records>>,
    waiting: Cell<u64>,
    is_closed: Cell<bool>,
    /// Whether its last batch has been relayed.
    pub is_relayed: Cell<bool>,
}

impl Shard {
    /// A shard that follows another one, if it does.
    pub fn new(parent: Option<Rc<Shard>>) -> Rc<Self> {
        Rc::new(Self { parent, ..Self::default() })
    }

    /// Appends records.
    pub fn append(&self, records: Records) {
        self.waiting.set(self.waiting.get() + records.votes.count);
        let mut all = self.records.borrow_mut();
        match all
            .iter_mut()
            .rev()
            .take_while(|last| last.votes.stored_ms == records.votes.stored_ms)
            .find(|last| last.lane == records.lane)
        {
            Some(last) => last.votes.count += records.votes.count,
            None => all.push_back(records),
        }
        drop(all);
        self.changed.ring();
    }

    /// Nothing is appended any more.
    pub fn close(&self) {
        self.is_closed.set(true);
        self.changed.ring();
    }

    /// Whether nothing is there now.
    pub fn is_empty(&self) -> bool {
        self.waiting.get() == 0
    }

    /// Whether nothing is there, now or ever.
    pub fn is_over(&self) -> bool {
        self.is_closed.get() && self.is_empty()
    }

    /// The next records, at most `most`.
    pub fn read(&self, most: u64) -> Vec<Records> {
        let (mut read, mut left) = (Vec::new(), most);
        let mut records = self.records.borrow_mut();
        while left > 0
            && let Some(first) = records.front_mut()
        {
            let count = first.votes.count.min(left);
            read.push(Records { votes: Votes { count, ..first.votes }, ..*first });
            first.votes.count -= count;
            left -= count;
            if first.votes.count == 0 {
                records.pop_front();
            }
        }
        self.waiting.set(self.waiting.get() - (most - left));
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_read_in_order_and_in_part() {
        let shard = Shard::new(None);
        let records = |lane, stored_ms, count| Records { lane, votes: Votes { stored_ms, count } };
        for each in [records(1, 0, 3), records(2, 0, 4), records(1, 0, 1), records(1, 50, 5)] {
            shard.append(each);
        }
        assert_eq!(shard.read(6), [records(1, 0, 4), records(2, 0, 2)]);
        assert!(!shard.is_empty());
        assert_eq!(shard.read(100), [records(2, 0, 2), records(1, 50, 5)]);
        assert!(shard.is_empty() && !shard.is_over());
        shard.close();
        assert!(shard.is_over());
    }
}
