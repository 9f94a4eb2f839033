//! Arenas: memory of the caller, over which requests come in and answers go out. An arena belongs to the thread that
//! registered it, so that no two threads ever use one at the same time; on another thread its handle is an unknown one.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

use super::{guard, SNAPSHOTS};
use crate::code::Code;
use crate::snapshot::Snapshot;

/// Above the handles of all registries, which end with kind 3, and below 2^53.
const FIRST_HANDLE: u64 = 4 << 50;

static NEXT: AtomicU64 = AtomicU64::new(FIRST_HANDLE);
static LIVE: AtomicUsize = AtomicUsize::new(0);

struct Arena {
    handle: f64,
    buffer: *mut u8,
    length: usize,
    last: Option<Last>,
}

/// The snapshot that was evaluated last: to look it up in the registry takes longer than many an evaluation.
struct Last {
    handle: f64,
    /// Of the registry's removals, when this was looked up.
    removals: u64,
    snapshot: Arc<Snapshot>,
}

impl Arena {
    fn snapshot(&mut self, handle: f64) -> Result<&Snapshot, Code> {
        let removals = SNAPSHOTS.removals();
        let known = |last: &Last| last.handle.to_bits() == handle.to_bits() && last.removals == removals;
        if !self.last.as_ref().is_some_and(known) {
            // gone from here also if the new one is not there
            self.last = None;
            let snapshot = SNAPSHOTS.get(handle).ok_or(Code::Handle)?;
            self.last = Some(Last { handle, removals, snapshot });
        }
        self.last.as_ref().map(|last| &*last.snapshot).ok_or(Code::Handle)
    }
}

/// A thread's arenas, of which there is one most of the time.
struct Arenas(Vec<Arena>);

impl Drop for Arenas {
    fn drop(&mut self) {
        LIVE.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

thread_local! {
    static ARENAS: RefCell<Arenas> = const { RefCell::new(Arenas(Vec::new())) };
}

/// How many there are, on all threads.
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

fn position(arenas: &[Arena], handle: f64) -> Result<usize, Code> {
    let found = arenas.iter().position(|arena| arena.handle.to_bits() == handle.to_bits());
    found.ok_or(Code::Handle)
}

/// Registers memory as an arena of the calling thread. The caller keeps the memory alive, and at its place, until
/// `fce_arena_free`, or the end of the thread.
///
/// # Safety
/// Until then `length` bytes are there to read and write, and nobody else uses them during a call with this arena.
#[no_mangle]
pub unsafe extern "C" fn fce_arena_new(buffer: *mut u8, length: u32) -> f64 {
    guard(|| {
        if buffer.is_null() || length == 0 {
            return Err(Code::Argument);
        }
        #[allow(clippy::cast_precision_loss, reason = "arenas are not made 2^50 times")]
        let handle = NEXT.fetch_add(1, Ordering::Relaxed) as f64;
        let arena = Arena { handle, buffer, length: length as usize, last: None };
        let add = |arenas: &RefCell<Arenas>| arenas.borrow_mut().0.push(arena);
        // not on a thread that is ending
        ARENAS.try_with(add).map_err(|_| Code::Handle)?;
        LIVE.fetch_add(1, Ordering::Relaxed);
        Ok(handle)
    })
}

/// Forgets an arena; the memory stays the caller's.
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
        ARENAS.try_with(remove).map_err(|_| Code::Handle)??;
        LIVE.fetch_sub(1, Ordering::Relaxed);
        Ok(0)
    })
}

/// Lends out an arena's memory for one call, with the snapshot that it is about.
///
/// # Safety
/// The caller of the ABI keeps the promise of [`fce_arena_new`], and `body` does not come back here.
pub unsafe fn with<T>(
    handle: f64,
    snapshot: f64,
    body: impl FnOnce(&mut [u8], &Snapshot) -> Result<T, Code>,
) -> Result<T, Code> {
    let lend = |arenas: &RefCell<Arenas>| {
        let arenas = &mut arenas.borrow_mut().0;
        let position = position(arenas, handle)?;
        // where it is found at once the next time
        arenas.swap(0, position);
        let arena = &mut arenas[0];
        let (buffer, length) = (arena.buffer, arena.length);
        let snapshot = arena.snapshot(snapshot)?;
        // SAFETY: the memory is there until the arena is freed, which is this thread's to do. This thread is here, and
        // `body` does not come back, so there is no other slice of it.
        body(unsafe { std::slice::from_raw_parts_mut(buffer, length) }, snapshot)
    };
    ARENAS.try_with(lend).map_err(|_| Code::Handle)?
}
