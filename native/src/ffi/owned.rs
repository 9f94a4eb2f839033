//! What a thread that may be ended at any time has open, so that it ends with the thread.

use std::cell::RefCell;
use std::collections::HashSet;

use super::{guard, BLOBS, JOBS, SNAPSHOTS};

struct Owned(HashSet<u64>);

impl Drop for Owned {
    fn drop(&mut self) {
        for handle in self.0.drain().map(f64::from_bits) {
            // the handles of two registries never are the same
            drop((JOBS.remove(handle), SNAPSHOTS.remove(handle), BLOBS.remove(handle)));
        }
    }
}

thread_local! {
    static OWNED: RefCell<Option<Owned>> = const { RefCell::new(None) };
}

/// From now on what is opened on the calling thread, and not closed on it, is closed when the thread ends. For threads
/// that can be terminated; not for those whose handles other threads close.
#[no_mangle]
pub extern "C" fn fce_thread_owns() -> i32 {
    guard(|| {
        // a thread that is ending opens nothing any more
        let _ = OWNED.try_with(|owned| {
            owned.borrow_mut().get_or_insert_with(|| Owned(HashSet::new()));
        });
        Ok(0)
    })
}

/// Something was opened; gives its handle.
pub fn add(handle: f64) -> f64 {
    let _ = OWNED.try_with(|owned| {
        if let Some(Owned(handles)) = owned.borrow_mut().as_mut() {
            handles.insert(handle.to_bits());
        }
    });
    handle
}

/// Something is closed.
pub fn remove(handle: f64) {
    let _ = OWNED.try_with(|owned| {
        if let Some(Owned(handles)) = owned.borrow_mut().as_mut() {
            handles.remove(&handle.to_bits());
        }
    });
}
