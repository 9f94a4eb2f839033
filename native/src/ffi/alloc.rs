//! The system's allocator, with a count of the bytes that are allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
/// All that was ever freed; it may begin again from 0.
static FREED: AtomicUsize = AtomicUsize::new(0);

pub fn allocated() -> usize {
    ALLOCATED.load(Ordering::Relaxed)
}

/// From here on what was freed is given back to the system: it would stay with the arena of a thread that may never
/// compile again.
const LARGE: usize = 4 * 1024 * 1024;

/// Runs what may free much, and gives back to the system what it has freed.
pub fn giving_back<T>(run: impl FnOnce() -> T) -> T {
    let before = FREED.load(Ordering::Relaxed);
    let result = run();
    if FREED.load(Ordering::Relaxed).wrapping_sub(before) >= LARGE {
        give_back();
    }
    result
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    extern "C" {
        fn malloc_trim(pad: usize) -> i32;
    }
    // SAFETY: it takes any number, and locks what it touches.
    unsafe { malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}

fn count(pointer: *mut u8, size: usize) -> *mut u8 {
    if !pointer.is_null() {
        ALLOCATED.fetch_add(size, Ordering::Relaxed);
    }
    pointer
}

// SAFETY: every call goes to the system's allocator as it came, and its answer goes back as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps what `GlobalAlloc` asks for, which is what `System` asks for.
        count(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        count(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        FREED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as above; the pointer came from `System`, since all of ours do.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        if !moved.is_null() {
            ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        count(moved, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_allocated_and_what_is_freed() {
        let (before, freed) = (allocated(), FREED.load(Ordering::Relaxed));
        let bytes = vec![1_u8; 2 * LARGE];
        assert!(allocated() - before >= LARGE);
        giving_back(|| drop(bytes));
        assert!(FREED.load(Ordering::Relaxed) - freed >= 2 * LARGE);
    }
}
