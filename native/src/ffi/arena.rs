//! Arenas: memory of the caller for requests and results. An arena belongs to the thread that registered it, so two
//! threads never use one at the same time; on other threads its handle is invalid.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

use super::{guard, SNAPSHOTS};
use crate::abi::Code;
use crate::snapshot::Snapshot;

/// Above the handles of all registries, whose kinds end at 3, and below 2^53.
const FIRST_HANDLE: u64 = 4 << 50;

static NEXT: AtomicU64 = AtomicU64::new(FIRST_HANDLE);
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Arena {
    handle: f64,
    buffer: *mut u8,
    length: usize,
    last: Option<Last>,
}

/// The snapshot of the last evaluation: looking it up in the registry takes longer than many evaluations.
struct Last {
    handle: f64,
    /// The registry's removals at the time of the lookup.
    removals: u64,
    snapshot: Arc<Snapshot>,
}

impl Arena {
    fn snapshot(&mut self, handle: f64) -> Result<&Snapshot, Code> {
        let removals = SNAPSHOTS.removals();
        let known = |last: &Last| last.handle.to_bits() == handle.to_bits() && last.removals == removals;
        if !self.last.as_ref().is_some_and(known) {
            // drops the old snapshot even if the new one does not exist
            self.last = None;
            let snapshot = SNAPSHOTS.get(handle).ok_or(Code::Closed)?;
            self.last = Some(Last { handle, removals, snapshot });
        }
        self.last.as_ref().map(|last| &*last.snapshot).ok_or(Code::Closed)
    }
}

/// The arenas of a thread, usually one.
struct Arenas(Vec<Arena>);

impl Drop for Arenas {
    fn drop(&mut self) {
        LIVE.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

thread_local! {
    static ARENAS: RefCell<Arenas> = const { RefCell::new(Arenas(Vec::new())) };
}

/// The number of arenas on all threads.
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

fn position(arenas: &[Arena], handle: f64) -> Result<usize, Code> {
    let found = arenas.iter().position(|arena| arena.handle.to_bits() == handle.to_bits());
    found.ok_or(Code::Closed)
}

/// Registers memory as an arena of the calling thread. The caller must keep the memory alive and in place until
/// `fce_arena_free` or the end of the thread.
///
/// # Safety
/// Until then `length` bytes must be readable and writable, and nothing else may use them during a call with this arena.
#[no_mangle]
pub unsafe extern "C" fn fce_arena_new(buffer: *mut u8, length: u32) -> f64 {
    guard(|| {
        if buffer.is_null() || length == 0 {
            return Err(Code::Argument);
        }
        #[allow(clippy::cast_precision_loss, reason = "fewer than 2^50 arenas are made")]
        let handle = NEXT.fetch_add(1, Ordering::Relaxed) as f64;
        let arena = Arena { handle, buffer, length: length as usize, last: None };
        let add = |arenas: &RefCell<Arenas>| arenas.borrow_mut().0.push(arena);
        // fails on a thread that is ending
        ARENAS.try_with(add).map_err(|_| Code::Closed)?;
        LIVE.fetch_add(1, Ordering::Relaxed);
        Ok(handle)
    })
}

/// Removes an arena. The memory remains the caller's.
#[no_mangle]
pub extern "C" fn fce_arena_free(arena: f64) -> i32 {
    guard(|| {
        let remove = |arenas: &RefCell<Arenas>| {
            let arenas = &mut arenas.borrow_mut().0;
            let position = position(arenas, arena)?;
            arenas.swap_remove(position);
            if arenas.is_empty() {
                *arenas = Vec::new();
            }
            Ok(())
        };
        ARENAS.try_with(remove).map_err(|_| Code::Closed)??;
        LIVE.fetch_sub(1, Ordering::Relaxed);
        Ok(0)
    })
}

/// Calls `body` with the memory of an arena and a snapshot.
///
/// # Safety
/// The caller of the ABI upholds the contract of [`fce_arena_new`], and `body` does not call this function.
pub unsafe fn with<T>(
    handle: f64,
    snapshot: f64,
    body: impl FnOnce(&mut [u8], &Snapshot) -> Result<T, Code>,
) -> Result<T, Code> {
    let lend = |arenas: &RefCell<Arenas>| {
        let arenas = &mut arenas.borrow_mut().0;
        let position = position(arenas, handle)?;
        // moved to the front, where the next lookup starts
        arenas.swap(0, position);
        let arena = &mut arenas[0];
        let (buffer, length) = (arena.buffer, arena.length);
        let snapshot = arena.snapshot(snapshot)?;
        // SAFETY: the memory is valid until the arena is freed, which only this thread can do. `body` does not call this
        // function, so no other slice of the memory exists.
        body(unsafe { std::slice::from_raw_parts_mut(buffer, length) }, snapshot)
    };
    ARENAS.try_with(lend).map_err(|_| Code::Closed)?
}
