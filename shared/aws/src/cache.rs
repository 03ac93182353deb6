//! What a process remembers for a while: a bounded number of values, each with the time from which it counts.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use landslide_domain::time::Timestamp;

/// A value, and the time before it was asked for.
#[derive(Clone)]
pub struct Cached<V> {
    /// The value.
    pub value: V,
    /// By the wall clock, from before the read was sent.
    pub read_at: Timestamp,
}

impl<V> Cached<V> {
    /// Whether it is younger than `age_ms`. A clock that was set back makes it old at once.
    pub fn is_younger_than(&self, age_ms: u64, now: Timestamp) -> bool {
        now >= self.read_at && now.millis_since(self.read_at) < age_ms
    }
}

/// Values by key, at most so many.
pub struct Cache<K, V> {
    entries_max: usize,
    entries: Mutex<HashMap<K, Cached<V>>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    /// An empty memory for at most that many values.
    pub fn new(entries_max: usize) -> Self {
        Self { entries_max, entries: Mutex::default() }
    }

    /// What is remembered of a key, whatever its age.
    pub fn get(&self, key: &K) -> Option<Cached<V>> {
        self.lock().get(key).cloned()
    }

    /// Remembers a value. A full memory forgets everything else first: which key comes again soon, nobody knows.
    pub fn put(&self, key: &K, value: V, read_at: Timestamp) {
        let mut entries = self.lock();
        if entries.len() >= self.entries_max && !entries.contains_key(key) {
            entries.clear();
        }
        entries.insert(key.clone(), Cached { value, read_at });
    }

    /// Whole entries are put in and taken out, so what a panic left behind is as good as any.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Cached<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_memory_forgets_for_a_new_key_and_not_for_one_it_knows() {
        let at = Timestamp::EPOCH;
        let memory = Cache::new(2);
        memory.put(&1, "a", at);
        memory.put(&2, "b", at);
        memory.put(&2, "c", at);
        assert_eq!(
            (memory.get(&1).map(|known| known.value), memory.get(&2).map(|known| known.value)),
            (Some("a"), Some("c"))
        );
        memory.put(&3, "d", at);
        assert!(memory.get(&1).is_none() && memory.get(&2).is_none() && memory.get(&3).is_some());
    }
}
