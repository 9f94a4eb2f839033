//! Blobs: what is asked for seldom, as bytes to be read in parts.

use std::sync::Arc;

use super::{guard, length, memory, owned, BLOBS, SNAPSHOTS};
use crate::code::Code;
use crate::describe;
use crate::fingerprint::fingerprint;
use crate::snapshot::Snapshot;

fn make(snapshot: &Snapshot, kind: u32, key: &str) -> Result<Vec<u8>, Code> {
    let find = || {
        let index = snapshot.index(key)?;
        Some((snapshot.flag(index)?, index))
    };
    match kind {
        0 => Ok(snapshot.seed()),
        1 => Ok(describe::list(snapshot.flags())),
        2 => Ok(snapshot.digest().unwrap_or_default().into()),
        3 => find().map(|(flag, _)| fingerprint(&flag.definition).into()).ok_or(Code::Flag),
        4 => find().map(|(flag, index)| describe::describe(flag, index)).ok_or(Code::Flag),
        _ => Err(Code::Argument),
    }
}

/// The handle of a blob. Kind 0: the seed, as JSON; 1: the list of flags, as JSON; 2: the digest, empty when there is
/// none; 3: the fingerprint of the flag `key`; 4: the description of the flag `key`, as JSON.
///
/// # Safety
/// `length` bytes are there to read at `key`.
#[no_mangle]
pub unsafe extern "C" fn fce_snapshot_blob(snapshot: f64, kind: u32, key: *const u8, length: u32) -> f64 {
    guard(|| {
        let snapshot = SNAPSHOTS.get(snapshot).ok_or(Code::Handle)?;
        // SAFETY: as promised to this function.
        let key = unsafe { memory::text(key, length) }?;
        let blob = make(&snapshot, kind, key)?;
        super::length(blob.len())?;
        BLOBS.insert(Arc::new(blob)).map(owned::add).ok_or(Code::Limit)
    })
}

/// The bytes that a blob has.
#[no_mangle]
pub extern "C" fn fce_blob_len(blob: f64) -> i32 {
    guard(|| length(BLOBS.get(blob).ok_or(Code::Handle)?.len()))
}

/// Writes the bytes from an offset on, as many as there is room for, and gives their number.
///
/// # Safety
/// There is room for `capacity` bytes at `out`.
#[no_mangle]
pub unsafe extern "C" fn fce_blob_read(blob: f64, offset: u32, out: *mut u8, capacity: u32) -> i32 {
    guard(|| {
        let blob = BLOBS.get(blob).ok_or(Code::Handle)?;
        let rest = blob.get(offset as usize..).ok_or(Code::Argument)?;
        let part = &rest[..rest.len().min(capacity as usize)];
        // SAFETY: as promised to this function; the part is no longer than the room.
        unsafe { memory::output(out, part) }?;
        length(part.len())
    })
}

/// Frees a blob.
#[no_mangle]
pub extern "C" fn fce_blob_free(blob: f64) -> i32 {
    guard(|| {
        owned::remove(blob);
        BLOBS.remove(blob).ok_or(Code::Handle)?;
        Ok(0)
    })
}
