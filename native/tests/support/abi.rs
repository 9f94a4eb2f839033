//! Uses the ABI like a caller.

use std::ptr;

use flipt_client_effect::ffi::{
    fce_arena_free, fce_arena_new, fce_blob_free, fce_blob_len, fce_blob_read, fce_evaluate, fce_job_free,
    fce_job_message, fce_job_new, fce_job_push, fce_job_run, fce_job_take, fce_snapshot_blob,
};

fn size(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

pub fn new_job(kind: u32, namespace: &str) -> f64 {
    // SAFETY: a slice is readable.
    unsafe { fce_job_new(kind, namespace.as_ptr(), size(namespace.as_bytes())) }
}

pub fn push(job: f64, chunk: &[u8]) -> i32 {
    // SAFETY: a slice is readable.
    unsafe { fce_job_push(job, chunk.as_ptr(), size(chunk)) }
}

pub fn message(job: f64) -> String {
    // SAFETY: without capacity nothing is written.
    let length = unsafe { fce_job_message(job, ptr::null_mut(), 0) };
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    // SAFETY: a slice is writable.
    assert_eq!(unsafe { fce_job_message(job, bytes.as_mut_ptr(), size(&bytes)) }, length);
    String::from_utf8(bytes).unwrap()
}

/// A snapshot's handle, or the code and message of the failure.
pub fn compile(kind: u32, namespace: &str, bytes: &[u8]) -> Result<f64, (i32, String)> {
    let job = new_job(kind, namespace);
    for chunk in bytes.chunks(1000) {
        assert_eq!(push(job, chunk), 0);
    }
    let result = match fce_job_run(job) {
        0 => Ok(fce_job_take(job)),
        code => Err((code, message(job))),
    };
    assert_eq!(fce_job_free(job), 0);
    result
}

pub fn blob(snapshot: f64, kind: u32, key: &str) -> Result<Vec<u8>, f64> {
    // SAFETY: a slice is readable.
    let blob = unsafe { fce_snapshot_blob(snapshot, kind, key.as_ptr(), size(key.as_bytes())) };
    if blob < 0.0 {
        return Err(blob);
    }
    let mut bytes = vec![0; usize::try_from(fce_blob_len(blob)).unwrap()];
    // in two parts
    let half = bytes.len() / 2;
    for (offset, part) in [(0, 0..half), (half, half..bytes.len())] {
        let part = &mut bytes[part];
        // SAFETY: a slice is writable.
        let read = unsafe { fce_blob_read(blob, u32::try_from(offset).unwrap(), part.as_mut_ptr(), size(part)) };
        assert_eq!(usize::try_from(read).unwrap(), part.len());
    }
    assert_eq!(fce_blob_free(blob), 0);
    Ok(bytes)
}

/// An arena with its memory.
pub struct Arena {
    pub handle: f64,
    pub memory: Box<[u8]>,
}

impl Arena {
    pub fn new(length: usize) -> Self {
        let mut memory = vec![0; length].into_boxed_slice();
        // SAFETY: the memory lives as long as the arena, which only this thread uses.
        let handle = unsafe { fce_arena_new(memory.as_mut_ptr(), size(&memory)) };
        assert!(handle > 0.0);
        Self { handle, memory }
    }

    pub fn evaluate(&mut self, snapshot: f64, index: u32, request: &[u8]) -> i32 {
        self.memory[..request.len()].copy_from_slice(request);
        fce_evaluate(self.handle, snapshot, index)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        fce_arena_free(self.handle);
    }
}
