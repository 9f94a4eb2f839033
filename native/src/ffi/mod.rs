//! The C ABI. Every function catches panics and answers with a [`Code`] when it fails; no pointer comes without its
//! length; what is handed out is a handle, and a handle that is stale, closed or made up is an error.
//!
//! All unsafe code of the crate is here: pointers of the caller become slices, and what follows is safe code.

mod alloc;
mod arena;
mod blobs;
mod evaluation;
mod jobs;
mod memory;
mod owned;

use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::code::Code;
use crate::job::Job;
use crate::registry::Registry;
use crate::snapshot::Snapshot;

pub use arena::{fce_arena_free, fce_arena_new};
pub use blobs::{fce_blob_free, fce_blob_len, fce_blob_read, fce_snapshot_blob};
pub use evaluation::{fce_evaluate, fce_evaluate_batch};
pub use jobs::{
    fce_job_free, fce_job_message, fce_job_new, fce_job_push, fce_job_run, fce_job_take, fce_snapshot_close,
};
pub use owned::fce_thread_owns;

const ABI_VERSION: u32 = 2;

static SNAPSHOTS: Registry<Snapshot> = Registry::new(1);
static JOBS: Registry<Job> = Registry::new(2);
static BLOBS: Registry<Vec<u8>> = Registry::new(3);

/// Runs a function's body: its result, or the code of what went wrong.
fn guard<T: From<Code>>(body: impl FnOnce() -> Result<T, Code>) -> T {
    // what a panic leaves behind: registries stay whole, and a job that was running never ends
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(code)) => code.into(),
        Err(_) => Code::Panic.into(),
    }
}

/// A length as it is returned.
fn length(length: usize) -> Result<i32, Code> {
    i32::try_from(length).map_err(|_| Code::Limit)
}

/// The version of this ABI, to be checked before anything else is called.
#[no_mangle]
pub extern "C" fn fce_abi_version() -> u32 {
    ABI_VERSION
}

/// A count: 0 of the live snapshots, 1 of the jobs, 2 of the arenas, 3 of the blobs; 4: the bytes that the library has
/// allocated now.
#[no_mangle]
pub extern "C" fn fce_stat(which: u32) -> f64 {
    guard(|| {
        let count = match which {
            0 => SNAPSHOTS.live(),
            1 => JOBS.live(),
            2 => arena::live(),
            3 => BLOBS.live(),
            4 => alloc::allocated(),
            _ => return Err(Code::Argument),
        };
        #[allow(clippy::cast_precision_loss, reason = "no machine has 2^53 bytes")]
        Ok(count as f64)
    })
}

/// Panics inside, to show that a panic is caught.
#[allow(clippy::missing_panics_doc, reason = "it does not get out")]
#[no_mangle]
pub extern "C" fn fce_test_panic() -> i32 {
    guard(|| panic!("a panic, as asked for"))
}
