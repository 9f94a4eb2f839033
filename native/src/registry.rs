//! Registries of the values behind the ABI's handles. A handle becomes stale when its value is removed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A handle fits exactly in a 64-bit float. From the top: 3 bits for the kind, 26 for the generation and 24 for the
/// slot's index.
const INDEX_BITS: u32 = 24;
const GENERATION_BITS: u32 = 26;
const MAX_GENERATION: u32 = (1 << GENERATION_BITS) - 1;

struct Slot<T> {
    /// Counts the values that the slot has had. A slot that reaches the maximum is retired.
    generation: u32,
    value: Option<Arc<T>>,
}

struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

pub struct Registry<T> {
    /// The number of removed values.
    removals: AtomicU64,
    /// Unique and not 0, so that handles of different registries differ.
    kind: u8,
    table: RwLock<Table<T>>,
}

impl<T> Registry<T> {
    #[must_use]
    pub const fn new(kind: u8) -> Self {
        Self { removals: AtomicU64::new(0), kind, table: RwLock::new(Table { slots: Vec::new(), free: Vec::new() }) }
    }

    /// Ignores poisoning: nothing panics between writes that belong together, so the table stays consistent.
    fn read(&self) -> RwLockReadGuard<'_, Table<T>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table<T>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a value and returns its handle; `None` if the registry is full.
    pub fn insert(&self, value: Arc<T>) -> Option<f64> {
        let mut table = self.write();
        let index = if let Some(index) = table.free.pop() {
            index
        } else {
            let index = u32::try_from(table.slots.len()).ok().filter(|index| *index < 1 << INDEX_BITS)?;
            table.slots.push(Slot { generation: 0, value: None });
            index
        };
        let slot = &mut table.slots[index as usize];
        slot.value = Some(value);
        Some(self.handle(slot.generation, index))
    }

    #[must_use]
    pub fn get(&self, handle: f64) -> Option<Arc<T>> {
        let (generation, index) = self.parts(handle)?;
        let table = self.read();
        let slot = table.slots.get(index as usize)?;
        if slot.generation == generation {
            slot.value.clone()
        } else {
            None
        }
    }

    /// The number of removed values. While it is unchanged, every value from `get` is still registered.
    #[must_use]
    pub fn removals(&self) -> u64 {
        self.removals.load(Ordering::Acquire)
    }

    /// Returns the value so that the caller drops it after the registry is unlocked.
    pub fn remove(&self, handle: f64) -> Option<Arc<T>> {
        let (generation, index) = self.parts(handle)?;
        let mut table = self.write();
        let slot = table.slots.get_mut(index as usize)?;
        if slot.generation != generation {
            return None;
        }
        let value = slot.value.take()?;
        self.removals.fetch_add(1, Ordering::Release);
        if generation < MAX_GENERATION {
            slot.generation += 1;
            table.free.push(index);
        }
        Some(value)
    }

    /// The number of values.
    #[must_use]
    pub fn live(&self) -> usize {
        self.read().slots.iter().filter(|slot| slot.value.is_some()).count()
    }

    #[allow(clippy::cast_precision_loss, reason = "a handle has 53 bits")]
    fn handle(&self, generation: u32, index: u32) -> f64 {
        let kind = u64::from(self.kind) << (GENERATION_BITS + INDEX_BITS);
        (kind | u64::from(generation) << INDEX_BITS | u64::from(index)) as f64
    }

    /// Decodes a handle of this registry into its generation and index.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number that is no handle does not survive the round trip"
    )]
    fn parts(&self, handle: f64) -> Option<(u32, u32)> {
        let bits = handle as u64;
        let generation = (bits >> INDEX_BITS) as u32 & MAX_GENERATION;
        let index = bits as u32 & ((1 << INDEX_BITS) - 1);
        (self.handle(generation, index).to_bits() == handle.to_bits()).then_some((generation, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_stale_once_its_value_is_removed() {
        let registry = Registry::new(1);
        let first = registry.insert(Arc::new("a")).unwrap();
        let second = registry.insert(Arc::new("b")).unwrap();
        assert_eq!(registry.remove(first).as_deref(), Some(&"a"));
        let third = registry.insert(Arc::new("c")).unwrap();
        assert_eq!(registry.get(first), None);
        assert_eq!(registry.remove(first), None);
        assert_eq!(registry.get(second).as_deref(), Some(&"b"));
        assert_eq!(registry.get(third).as_deref(), Some(&"c"));
        assert_eq!(registry.live(), 2);
        assert_eq!(registry.table.read().unwrap().slots.len(), 2);
    }

    #[test]
    fn an_invented_handle_is_rejected() {
        let registry = Registry::new(1);
        let handle = registry.insert(Arc::new(())).unwrap();
        assert!(handle > 0.0 && handle < 9_007_199_254_740_992.0);
        let other = Registry::new(2);
        assert_eq!(other.insert(Arc::new(())).and_then(|handle| registry.get(handle)), None);
        let wrong = [0.0, -0.0, 1.0, -1.0, 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e300];
        for wrong in wrong.into_iter().chain([handle + 0.5, handle + 1.0, -handle, handle * 2.0]) {
            assert_eq!(registry.get(wrong), None, "{wrong}");
            assert_eq!(registry.remove(wrong), None, "{wrong}");
        }
        assert!(registry.get(handle).is_some());
    }

    #[test]
    fn an_exhausted_slot_is_not_reused() {
        let registry = Registry::new(1);
        let handle = registry.insert(Arc::new(())).unwrap();
        registry.remove(handle);
        registry.write().slots[0].generation = MAX_GENERATION;
        let last = registry.insert(Arc::new(())).unwrap();
        assert!(registry.remove(last).is_some());
        let next = registry.insert(Arc::new(())).unwrap();
        assert_eq!(registry.get(last), None);
        assert!(registry.get(next).is_some());
        assert_eq!(registry.write().slots.len(), 2);
    }
}
