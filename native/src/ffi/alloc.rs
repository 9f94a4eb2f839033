//! The system allocator with a count of the allocated bytes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The totals of all allocated and all freed bytes. They may wrap around.
#[repr(align(128))]
struct Totals {
    allocated: AtomicUsize,
    freed: AtomicUsize,
}

/// Threads usually count in different cache lines. If two threads share a cache line, allocating takes four times as long.
static TOTALS: [Totals; 64] = [const { Totals { allocated: AtomicUsize::new(0), freed: AtomicUsize::new(0) } }; 64];

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The index of the thread's totals, or `usize::MAX` before it allocates for the first time.
    static INDEX: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn totals() -> &'static Totals {
    let index = INDEX.with(|index| {
        if index.get() == usize::MAX {
            index.set(THREADS.fetch_add(1, Ordering::Relaxed) % TOTALS.len());
        }
        index.get()
    });
    &TOTALS[index]
}

fn sum(read: impl Fn(&Totals) -> &AtomicUsize) -> usize {
    TOTALS.iter().fold(0, |sum, totals| sum.wrapping_add(read(totals).load(Ordering::Relaxed)))
}

fn freed() -> usize {
    sum(|totals| &totals.freed)
}

/// The number of bytes that are allocated now.
pub fn allocated() -> usize {
    // read first, so that what another thread frees in between does not make the result negative
    let freed = freed();
    sum(|totals| &totals.allocated).wrapping_sub(freed)
}

/// If at least this much was freed, memory is returned to the system. Otherwise it would stay in the malloc arena of a
/// thread that may never compile again.
const LARGE: usize = 4 * 1024 * 1024;

/// Runs a function. If the function freed much memory, returns that memory to the system.
pub fn with_trim<T>(run: impl FnOnce() -> T) -> T {
    let before = freed();
    let result = run();
    if freed().wrapping_sub(before) >= LARGE {
        trim();
    }
    result
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() {
    extern "C" {
        fn malloc_trim(pad: usize) -> i32;
    }
    // SAFETY: any argument is valid, and the function is thread-safe.
    unsafe { malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}

fn count(pointer: *mut u8, size: usize) -> *mut u8 {
    if !pointer.is_null() {
        totals().allocated.fetch_add(size, Ordering::Relaxed);
    }
    pointer
}

// SAFETY: every call is forwarded unchanged to the system allocator, and its result is returned unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract of `GlobalAlloc`, which is that of `System`.
        count(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        count(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        totals().freed.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as above; the pointer came from `System`, like all pointers of this allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        if !moved.is_null() {
            totals().freed.fetch_add(layout.size(), Ordering::Relaxed);
        }
        count(moved, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_allocated_and_what_is_freed() {
        let (before, freed_before) = (allocated(), freed());
        let bytes = vec![1_u8; 2 * LARGE];
        assert!(allocated() - before >= LARGE);
        with_trim(|| drop(bytes));
        assert!(freed() - freed_before >= 2 * LARGE);
    }

    /// The memory that the process occupies, in bytes.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn gives_freed_memory_back_to_the_system() {
        const SIZE: usize = 128 * 1024 * 1024;
        // blocks that are too small for separate mappings, with one after them that keeps malloc from shrinking
        let blocks: Vec<_> = (0..SIZE / 4096).map(|_| vec![1_u8; 4096]).collect();
        let last = vec![1_u8; 4096];
        let before = resident();
        with_trim(|| drop(blocks));
        let after = resident();
        assert!(before - after.min(before) > SIZE / 2, "{before} bytes before, {after} after");
        drop(last);
    }
}
