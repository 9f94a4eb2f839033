//! Blobs: bytes that are requested rarely and read in chunks.

use std::sync::Arc;

use super::{guard, length, memory, owned, BLOBS, SNAPSHOTS};
use crate::abi::{BlobKind, Code};
use crate::fingerprint::fingerprint;
use crate::outcomes;
use crate::snapshot::Snapshot;

fn make(snapshot: &Snapshot, kind: BlobKind, key: &str) -> Result<Vec<u8>, Code> {
    let find = || {
        let index = snapshot.index(key)?;
        Some((snapshot.flag(index)?, index))
    };
    match kind {
        BlobKind::Seed => Ok(snapshot.seed()),
        BlobKind::Flags => Ok(outcomes::list_flags(snapshot.flags())),
        BlobKind::Digest => Ok(outcomes::json(&snapshot.digest())),
        BlobKind::Fingerprint => find().map(|(flag, _)| fingerprint(&flag.definition).into()).ok_or(Code::NoFlag),
        BlobKind::EscapedLists => Ok(outcomes::json(&snapshot.escaped_lists())),
        BlobKind::Flag => find().map(|(flag, index)| outcomes::describe(flag, index)).ok_or(Code::NoFlag),
    }
}

/// Makes a blob and returns its handle. `kind` is a [`BlobKind`].
///
/// # Safety
/// `length` bytes at `key` must be readable.
#[no_mangle]
pub unsafe extern "C" fn fce_snapshot_blob(snapshot: f64, kind: u32, key: *const u8, length: u32) -> f64 {
    guard(|| {
        let snapshot = SNAPSHOTS.get(snapshot).ok_or(Code::Closed)?;
        // SAFETY: the contract of this function.
        let key = unsafe { memory::text(key, length) }?;
        let blob = make(&snapshot, kind.try_into()?, key)?;
        super::length(blob.len())?;
        BLOBS.insert(Arc::new(blob)).map(owned::add).ok_or(Code::Limit)
    })
}

/// The length of a blob in bytes.
#[no_mangle]
pub extern "C" fn fce_blob_len(blob: f64) -> i32 {
    guard(|| length(BLOBS.get(blob).ok_or(Code::Closed)?.len()))
}

/// Writes the bytes from an offset on, up to `capacity`, and returns their number.
///
/// # Safety
/// `capacity` bytes at `out` must be writable.
#[no_mangle]
pub unsafe extern "C" fn fce_blob_read(blob: f64, offset: u32, out: *mut u8, capacity: u32) -> i32 {
    guard(|| {
        let blob = BLOBS.get(blob).ok_or(Code::Closed)?;
        let rest = blob.get(offset as usize..).ok_or(Code::Argument)?;
        let part = &rest[..rest.len().min(capacity as usize)];
        // SAFETY: the contract of this function; the part is not longer than `capacity`.
        unsafe { memory::output(out, part) }?;
        length(part.len())
    })
}

/// Frees a blob.
#[no_mangle]
pub extern "C" fn fce_blob_free(blob: f64) -> i32 {
    guard(|| {
        BLOBS.remove(blob).ok_or(Code::Closed)?;
        owned::remove(blob);
        Ok(0)
    })
}
