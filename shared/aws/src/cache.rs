//! A bounded cache: each value with the time before it was read.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use landslide_domain::time::Timestamp;

/// A cached value and when it was read, sampled before the read was sent.
#[derive(Clone)]
pub struct Cached<V> {
    /// The value.
    pub value: V,
    /// By the wall clock, sampled before the read was sent.
    pub read_at: Timestamp,
}

impl<V> Cached<V> {
    /// Whether it is younger than `age_ms`. If the clock was set back, it counts as old.
    pub fn is_younger_than(&self, age_ms: u64, now: Timestamp) -> bool {
        now >= self.read_at && now.millis_since(self.read_at) < age_ms
    }
}

/// Values by key, with a limit on their number.
pub struct Cache<K, V> {
    entries_max: usize,
    entries: Mutex<HashMap<K, Cached<V>>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    /// An empty cache for at most `entries_max` values.
    pub fn new(entries_max: usize) -> Self {
        Self { entries_max, entries: Mutex::default() }
    }

    /// Returns a key's value, whatever its age.
    pub fn get(&self, key: &K) -> Option<Cached<V>> {
        self.lock().get(key).cloned()
    }

    /// Stores a value. A full cache drops everything else first, as nobody knows which key is asked for next.
    pub fn put(&self, key: &K, value: V, read_at: Timestamp) {
        let mut entries = self.lock();
        if entries.len() >= self.entries_max && !entries.contains_key(key) {
            entries.clear();
        }
        entries.insert(key.clone(), Cached { value, read_at });
    }

    /// Entries are always inserted and removed whole, so a panic can't leave half of one.
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
