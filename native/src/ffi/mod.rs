//! The C ABI. Every function catches panics and returns a [`Code`] on failure. Every pointer comes with a length. A
//! stale, closed or invalid handle is an error.
//!
//! All unsafe code of the crate is here: it turns the caller's pointers into slices.

mod alloc;
mod arena;
mod blobs;
mod compilations;
mod evaluation;
mod memory;
pub mod node;
mod owned;

use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::abi::{Code, Stat, ABI_VERSION};
use crate::compilation::Compilation;
use crate::registry::Registry;
use crate::snapshot::Snapshot;

pub use arena::{fce_arena_free, fce_arena_new};
pub use blobs::{fce_blob_free, fce_blob_len, fce_blob_read, fce_snapshot_blob};
pub use compilations::{
    fce_job_free, fce_job_message, fce_job_new, fce_job_push, fce_job_run, fce_job_take, fce_snapshot_close,
    fce_snapshot_retain,
};
pub use evaluation::{fce_evaluate, fce_evaluate_batch};
pub use owned::fce_thread_owns;

static SNAPSHOTS: Registry<Snapshot> = Registry::new(1);
static COMPILATIONS: Registry<Compilation> = Registry::new(2);
static BLOBS: Registry<Vec<u8>> = Registry::new(3);

/// Runs the body of a function and returns its result, or the code of the failure.
fn guard<T: From<Code>>(body: impl FnOnce() -> Result<T, Code>) -> T {
    // after a panic, registries are consistent; a compilation that was running never completes
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(code)) => code.into(),
        Err(_) => Code::Panic.into(),
    }
}

/// Converts a length for returning it.
fn length(length: usize) -> Result<i32, Code> {
    i32::try_from(length).map_err(|_| Code::Limit)
}

/// The version of this ABI. Callers must check it first.
#[no_mangle]
pub extern "C" fn fce_abi_version() -> u32 {
    ABI_VERSION
}

/// Returns a counter. `which` is a [`Stat`].
#[no_mangle]
pub extern "C" fn fce_stat(which: u32) -> f64 {
    guard(|| {
        let count = match which.try_into()? {
            Stat::Snapshots => SNAPSHOTS.live(),
            Stat::Jobs => COMPILATIONS.live(),
            Stat::Arenas => arena::live(),
            Stat::Blobs => BLOBS.live(),
            Stat::Bytes => alloc::allocated(),
        };
        #[allow(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes")]
        Ok(count as f64)
    })
}

/// Panics internally, to test that panics are caught.
#[allow(clippy::missing_panics_doc, reason = "the panic is caught")]
#[no_mangle]
pub extern "C" fn fce_test_panic() -> i32 {
    guard(|| panic!("a deliberate panic"))
}
