//! Compiling: a job takes a document or seed in parts, and gives a snapshot.

use std::sync::Arc;

use super::{alloc, guard, length, memory, owned, JOBS, SNAPSHOTS};
use crate::code::Code;
use crate::job::{Format, Job};

/// Begins the compiling of a document (kind 0) or of a seed's JSON (kind 1) of a namespace. Gives the job's handle.
///
/// # Safety
/// `length` bytes are there to read at `namespace`.
#[no_mangle]
pub unsafe extern "C" fn fce_job_new(kind: u32, namespace: *const u8, length: u32) -> f64 {
    guard(|| {
        let format = match kind {
            0 => Format::Document,
            1 => Format::Seed,
            _ => return Err(Code::Argument),
        };
        // SAFETY: as promised to this function.
        let namespace = unsafe { memory::text(namespace, length) }?;
        JOBS.insert(Arc::new(Job::new(format, namespace))).map(owned::add).ok_or(Code::Limit)
    })
}

/// Appends a part of the document, which is copied.
///
/// # Safety
/// `length` bytes are there to read at `chunk`.
#[no_mangle]
pub unsafe extern "C" fn fce_job_push(job: f64, chunk: *const u8, length: u32) -> i32 {
    guard(|| {
        // SAFETY: as promised to this function.
        let chunk = unsafe { memory::input(chunk, length) }?;
        JOBS.get(job).ok_or(Code::Handle)?.push(chunk)?;
        Ok(0)
    })
}

/// Compiles what was pushed. On any thread; other calls for the same job do not wait for it.
#[no_mangle]
pub extern "C" fn fce_job_run(job: f64) -> i32 {
    guard(|| {
        let job = JOBS.get(job).ok_or(Code::Handle)?;
        alloc::giving_back(|| job.run())?;
        Ok(0)
    })
}

/// Why the job failed: writes the text when there is room for all of it, and gives its length. With no room at all
/// (`capacity` 0) it gives the length alone.
///
/// # Safety
/// There is room for `capacity` bytes at `out`.
#[no_mangle]
pub unsafe extern "C" fn fce_job_message(job: f64, out: *mut u8, capacity: u32) -> i32 {
    guard(|| {
        let message = JOBS.get(job).ok_or(Code::Handle)?.message();
        if capacity != 0 {
            if message.len() > capacity as usize {
                return Err(Code::Space);
            }
            // SAFETY: as promised to this function; the message is no longer than the room.
            unsafe { memory::output(out, message.as_bytes()) }?;
        }
        length(message.len())
    })
}

/// The handle of the job's snapshot, which from now on is the caller's to close.
#[no_mangle]
pub extern "C" fn fce_job_take(job: f64) -> f64 {
    guard(|| {
        let snapshot = JOBS.get(job).ok_or(Code::Handle)?.take()?;
        SNAPSHOTS.insert(snapshot).map(owned::add).ok_or(Code::Limit)
    })
}

/// Ends a job, and with it a snapshot that was not taken. A job that is running is freed as soon as it has run.
#[no_mangle]
pub extern "C" fn fce_job_free(job: f64) -> i32 {
    guard(|| {
        owned::remove(job);
        JOBS.remove(job).ok_or(Code::Handle)?;
        Ok(0)
    })
}

/// Closes a snapshot. Its memory is freed now, or when the evaluations that are under way are over.
#[no_mangle]
pub extern "C" fn fce_snapshot_close(snapshot: f64) -> i32 {
    guard(|| {
        owned::remove(snapshot);
        let snapshot = SNAPSHOTS.remove(snapshot).ok_or(Code::Handle)?;
        alloc::giving_back(|| drop(snapshot));
        Ok(0)
    })
}
