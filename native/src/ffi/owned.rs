//! The open handles of threads that can be terminated at any time. They are closed when the thread ends.

use std::cell::RefCell;
use std::collections::HashSet;

use super::{guard, BLOBS, COMPILATIONS, SNAPSHOTS};

struct Owned(HashSet<u64>);

impl Drop for Owned {
    fn drop(&mut self) {
        for handle in self.0.drain().map(f64::from_bits) {
            // handles of different registries differ
            drop((COMPILATIONS.remove(handle), SNAPSHOTS.remove(handle), BLOBS.remove(handle)));
        }
    }
}

thread_local! {
    static OWNED: RefCell<Option<Owned>> = const { RefCell::new(None) };
}

/// From now on, handles that are opened on the calling thread and not closed on it are closed when the thread ends. Only for
/// threads that can be terminated and whose handles no other thread closes.
#[no_mangle]
pub extern "C" fn fce_thread_owns() -> i32 {
    guard(|| {
        // a thread that is ending does not open handles any more
        let _ = OWNED.try_with(|owned| {
            owned.borrow_mut().get_or_insert_with(|| Owned(HashSet::new()));
        });
        Ok(0)
    })
}

/// Records an opened handle and returns it.
pub fn add(handle: f64) -> f64 {
    let _ = OWNED.try_with(|owned| {
        if let Some(Owned(handles)) = owned.borrow_mut().as_mut() {
            handles.insert(handle.to_bits());
        }
    });
    handle
}

/// Records that a handle is closed.
pub fn remove(handle: f64) {
    let _ = OWNED.try_with(|owned| {
        if let Some(Owned(handles)) = owned.borrow_mut().as_mut() {
            handles.remove(&handle.to_bits());
        }
    });
}
