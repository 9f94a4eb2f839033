//! Compilation: a job takes a document or seed in chunks and produces a snapshot.

use std::sync::Arc;

use super::{alloc, guard, length, memory, owned, COMPILATIONS, SNAPSHOTS};
use crate::abi::Code;
use crate::compilation::Compilation;

/// Creates a job for a namespace and returns its handle. `kind` is a [`JobKind`](crate::abi::JobKind).
///
/// # Safety
/// `length` bytes at `namespace` must be readable.
#[no_mangle]
pub unsafe extern "C" fn fce_job_new(kind: u32, namespace: *const u8, length: u32) -> f64 {
    guard(|| {
        let kind = kind.try_into()?;
        // SAFETY: the contract of this function.
        let namespace = unsafe { memory::text(namespace, length) }?;
        COMPILATIONS.insert(Arc::new(Compilation::new(kind, namespace))).map(owned::add).ok_or(Code::Limit)
    })
}

/// Appends a chunk of the document. The chunk is copied.
///
/// # Safety
/// `length` bytes at `chunk` must be readable.
#[no_mangle]
pub unsafe extern "C" fn fce_job_push(job: f64, chunk: *const u8, length: u32) -> i32 {
    guard(|| {
        // SAFETY: the contract of this function.
        let chunk = unsafe { memory::input(chunk, length) }?;
        COMPILATIONS.get(job).ok_or(Code::Closed)?.push(chunk)?;
        Ok(0)
    })
}

/// Compiles the pushed chunks, on any thread. Other calls for the same job do not wait for it.
#[no_mangle]
pub extern "C" fn fce_job_run(job: f64) -> i32 {
    guard(|| {
        let job = COMPILATIONS.get(job).ok_or(Code::Closed)?;
        alloc::with_trim(|| job.run())?;
        Ok(0)
    })
}

/// Writes the error message of a failed job and returns its length. With `capacity` 0, it only returns the length.
///
/// # Safety
/// `capacity` bytes at `out` must be writable.
#[no_mangle]
pub unsafe extern "C" fn fce_job_message(job: f64, out: *mut u8, capacity: u32) -> i32 {
    guard(|| {
        let message = COMPILATIONS.get(job).ok_or(Code::Closed)?.message();
        if capacity != 0 {
            if message.len() > capacity as usize {
                return Err(Code::TooSmall);
            }
            // SAFETY: the contract of this function; the message is not longer than `capacity`.
            unsafe { memory::output(out, message.as_bytes()) }?;
        }
        length(message.len())
    })
}

/// Returns the handle of the job's snapshot, which the caller must close.
#[no_mangle]
pub extern "C" fn fce_job_take(job: f64) -> f64 {
    guard(|| {
        let snapshot = COMPILATIONS.get(job).ok_or(Code::Closed)?.take()?;
        SNAPSHOTS.insert(snapshot).map(owned::add).ok_or(Code::Limit)
    })
}

/// Frees a job and its snapshot, unless that was taken. A running job is freed when it has finished.
#[no_mangle]
pub extern "C" fn fce_job_free(job: f64) -> i32 {
    guard(|| {
        COMPILATIONS.remove(job).ok_or(Code::Closed)?;
        owned::remove(job);
        Ok(0)
    })
}

/// Returns another handle of the same snapshot, which the caller must close. A snapshot is freed with its last handle.
#[no_mangle]
pub extern "C" fn fce_snapshot_retain(snapshot: f64) -> f64 {
    guard(|| {
        let snapshot = SNAPSHOTS.get(snapshot).ok_or(Code::Closed)?;
        SNAPSHOTS.insert(snapshot).map(owned::add).ok_or(Code::Limit)
    })
}

/// Closes a handle of a snapshot. With the last handle the memory is freed, immediately or when running evaluations have
/// finished.
#[no_mangle]
pub extern "C" fn fce_snapshot_close(snapshot: f64) -> i32 {
    guard(|| {
        let removed = SNAPSHOTS.remove(snapshot).ok_or(Code::Closed)?;
        owned::remove(snapshot);
        alloc::with_trim(|| drop(removed));
        Ok(0)
    })
}
