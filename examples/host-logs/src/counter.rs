//! Counting how often keys occur in bounded memory.

use std::collections::HashMap;

/// Counts the keys that come most often. Beyond `2 * capacity` keys the rarest are forgotten, so what remains is exact
/// unless [`is_exact`](Self::is_exact) says otherwise; then counts are lower bounds.
pub(crate) struct Counter<T> {
    entries: HashMap<Box<str>, Entry<T>>,
    capacity: usize,
    exact: bool,
}

/// What is known about a key: how often it came, and whatever the caller keeps with it.
pub(crate) struct Entry<T> {
    pub(crate) count: u64,
    pub(crate) value: T,
}

impl<T: Default> Counter<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity, exact: true }
    }

    /// Counts `key` once more and gives access to its value.
    pub(crate) fn count(&mut self, key: &str) -> &mut T {
        if self.entries.len() >= 2 * self.capacity && !self.entries.contains_key(key) {
            self.forget_rarest();
        }
        // `entry` would allocate the key for every line; most keys are known already.
        if !self.entries.contains_key(key) {
            self.entries.insert(key.into(), Entry { count: 0, value: T::default() });
        }
        let entry = self.entries.get_mut(key).expect("the key was inserted above");
        entry.count += 1;
        &mut entry.value
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    /// The `limit` keys that came most often, most frequent first, ties in alphabetical order.
    pub(crate) fn into_top(self, limit: usize) -> Vec<(Box<str>, Entry<T>)> {
        let mut all: Vec<_> = self.entries.into_iter().collect();
        all.sort_unstable_by(|(a_key, a), (b_key, b)| b.count.cmp(&a.count).then_with(|| a_key.cmp(b_key)));
        all.truncate(limit);
        all
    }

    fn forget_rarest(&mut self) {
        let mut counts: Vec<u64> = self.entries.values().map(|entry| entry.count).collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.entries.retain(|_, entry| entry.count > median);
        self.exact = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_keys_are_counted_exactly() {
        let mut counter = Counter::<()>::new(10);
        for key in ["b", "a", "b", "c", "a", "b"] {
            counter.count(key);
        }
        assert!(counter.is_exact());
        let top: Vec<_> = counter.into_top(2).into_iter().map(|(key, entry)| (key, entry.count)).collect();
        assert_eq!(top, [("b".into(), 3), ("a".into(), 2)]);
    }

    #[test]
    fn memory_stays_bounded_and_frequent_keys_survive() {
        let mut counter = Counter::<()>::new(50);
        for number in 0..10_000 {
            counter.count(&format!("once {number}"));
            counter.count("often");
            assert!(counter.entries.len() <= 100);
        }
        assert!(!counter.is_exact());
        let (key, entry) = counter.into_top(1).remove(0);
        assert_eq!((&*key, entry.count), ("often", 10_000));
    }
}
