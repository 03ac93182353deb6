//! The votes' stream: shards that split, each read in order from its checkpoint.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use crate::channel::Signal;

/// Places on the ring of shards: a shard can split until it has one.
pub const PLACES: usize = 64;

/// A record.
#[derive(Clone)]
pub struct Record {
    /// As Lambda hands it over.
    pub json: Rc<str>,
    /// When it was written, in milliseconds since the epoch.
    pub at_ms: u64,
}

/// The stream.
pub struct Stream {
    shards: RefCell<Vec<Rc<Shard>>>,
    /// Which shard each place of the ring goes to.
    ring: RefCell<Vec<usize>>,
    records: Cell<u64>,
}

/// A shard.
pub struct Shard {
    /// Its number.
    pub number: usize,
    /// The shard from which it split, which is read to its end first.
    pub parent: Option<Rc<Shard>>,
    /// Rings when there is something to read, or nothing more ever.
    pub changed: Signal,
    records: RefCell<VecDeque<Record>>,
    checkpoint: Cell<usize>,
    /// How far the checkpoint ever was.
    furthest: Cell<usize>,
    is_closed: Cell<bool>,
}

impl Stream {
    /// A stream of `shards` shards, at most `PLACES`.
    pub fn new(shards: usize) -> Self {
        let shards = shards.clamp(1, PLACES);
        Self {
            shards: RefCell::new((0..shards).map(|number| Rc::new(Shard::new(number, None))).collect()),
            ring: RefCell::new((0..PLACES).map(|place| place * shards / PLACES).collect()),
            records: Cell::new(0),
        }
    }

    /// The shards of now.
    pub fn shards(&self) -> Vec<Rc<Shard>> {
        self.shards.borrow().clone()
    }

    /// The number of the next record.
    pub fn next_sequence(&self) -> u64 {
        self.records.set(self.records.get() + 1);
        self.records.get()
    }

    /// Appends a record to the shard of a place.
    pub fn append(&self, place: usize, record: Record) {
        let shard = self.shards.borrow()[self.ring.borrow()[place % PLACES]].clone();
        shard.records.borrow_mut().push_back(record);
        shard.changed.ring();
    }

    /// Splits the shard of a place in two, if it has more than one place; the new ones.
    pub fn split(&self, place: usize) -> Vec<Rc<Shard>> {
        let mut ring = self.ring.borrow_mut();
        let mut shards = self.shards.borrow_mut();
        let old = ring[place % PLACES];
        let places: Vec<usize> = (0..PLACES).filter(|place| ring[*place] == old).collect();
        if places.len() < 2 {
            return Vec::new();
        }
        let parent = shards[old].clone();
        let children = [0, 1].map(|child| Rc::new(Shard::new(shards.len() + child, Some(parent.clone()))));
        for (order, place) in places.iter().enumerate() {
            ring[*place] = children[order * 2 / places.len()].number;
        }
        shards.extend(children.clone());
        parent.is_closed.set(true);
        parent.changed.ring();
        children.to_vec()
    }
}

impl Shard {
    fn new(number: usize, parent: Option<Rc<Shard>>) -> Self {
        Self {
            number,
            parent,
            changed: Signal::default(),
            records: RefCell::default(),
            checkpoint: Cell::new(0),
            furthest: Cell::new(0),
            is_closed: Cell::new(false),
        }
    }

    /// Whether all that is there now has been read.
    pub fn is_read(&self) -> bool {
        self.checkpoint.get() >= self.records.borrow().len()
    }

    /// Whether it has been read, and nothing more will come.
    pub fn is_finished(&self) -> bool {
        self.is_closed.get() && self.is_read()
    }

    /// The next records, at most `most`.
    pub fn next(&self, most: usize) -> Vec<Record> {
        self.records.borrow().iter().skip(self.checkpoint.get()).take(most).cloned().collect()
    }

    /// Moves the checkpoint forward over `records` records.
    pub fn advance(&self, records: usize) {
        self.checkpoint.set(self.checkpoint.get() + records);
        self.furthest.set(self.furthest.get().max(self.checkpoint.get()));
        self.changed.ring();
    }

    /// Moves the checkpoint over the records that are gone; whether one of them was never dealt with.
    pub fn skip(&self, is_gone: impl Fn(&Record) -> bool) -> bool {
        let gone =
            self.records.borrow().iter().skip(self.checkpoint.get()).take_while(|record| is_gone(record)).count();
        let is_loss = gone > 0 && self.checkpoint.get() + gone > self.furthest.get();
        if gone > 0 {
            self.advance(gone);
        }
        is_loss
    }

    /// Moves the checkpoint back over at most `records` records.
    pub fn rewind(&self, records: usize) {
        self.checkpoint.set(self.checkpoint.get().saturating_sub(records));
    }
}
