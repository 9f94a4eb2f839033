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

/// From now on, handles that the calling thread opens and does not close are closed when it ends. Only for threads that
/// can be terminated and whose handles no other thread closes.
#[no_mangle]
pub extern "C" fn fce_thread_owns() -> i32 {
    guard(|| {
        // a thread that is ending opens no more handles
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

/// The number of open handles of the calling thread.
#[cfg(test)]
fn count() -> usize {
    OWNED.with_borrow(|owned| owned.as_ref().map_or(0, |Owned(handles)| handles.len()))
}

/// Records that a handle is closed.
pub fn remove(handle: f64) {
    let _ = OWNED.try_with(|owned| {
        if let Some(Owned(handles)) = owned.borrow_mut().as_mut() {
            handles.remove(&handle.to_bits());
        }
    });
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::abi::Code;
    use crate::ffi::{
        fce_blob_free, fce_job_free, fce_job_new, fce_job_push, fce_job_run, fce_job_take, fce_snapshot_blob,
        fce_snapshot_close,
    };

    const DOCUMENT: &[u8] = br#"{"namespace":{"key":"n"},"flags":[]}"#;

    #[test]
    fn a_closed_handle_is_forgotten() {
        let work = || {
            assert_eq!(fce_thread_owns(), 0);
            // SAFETY: the slices are readable.
            let job = unsafe { fce_job_new(0, b"n".as_ptr(), 1) };
            // SAFETY: as above.
            unsafe { fce_job_push(job, DOCUMENT.as_ptr(), u32::try_from(DOCUMENT.len()).unwrap()) };
            assert_eq!(fce_job_run(job), 0);
            let snapshot = fce_job_take(job);
            // SAFETY: no key is read.
            let blob = unsafe { fce_snapshot_blob(snapshot, 1, std::ptr::null(), 0) };
            assert_eq!(count(), 3);
            assert_eq!(fce_job_free(job), 0);
            assert_eq!(count(), 2);
            assert_eq!(fce_blob_free(blob), 0);
            assert_eq!(count(), 1);
            assert_eq!(fce_snapshot_close(snapshot), 0);
            assert_eq!(count(), 0);
        };
        thread::spawn(work).join().unwrap();
    }

    #[test]
    fn a_handle_survives_the_close_of_another_kind() {
        let work = || {
            assert_eq!(fce_thread_owns(), 0);
            // SAFETY: the slice is readable.
            let job = unsafe { fce_job_new(0, b"n".as_ptr(), 1) };
            assert_eq!(fce_snapshot_close(job), i32::from(Code::Closed));
            assert_eq!(fce_blob_free(job), i32::from(Code::Closed));
            assert_eq!(count(), 1);
            job
        };
        let job = thread::spawn(work).join().unwrap();
        assert_eq!(fce_job_free(job), i32::from(Code::Closed));
    }
}
