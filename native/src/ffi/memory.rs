//! Access to the caller's memory.

use crate::abi::Code;

/// Returns bytes of the caller. The pointer is ignored if `length` is 0.
///
/// # Safety
/// Unless `length` is 0 or `pointer` is null, `length` bytes must be readable, and nothing may write to them during `'a`.
pub unsafe fn input<'a>(pointer: *const u8, length: u32) -> Result<&'a [u8], Code> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Code::Argument),
        // SAFETY: the contract of this function; u8 needs no alignment.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(pointer, length as usize) }),
    }
}

/// Like [`input`], for UTF-8 text.
///
/// # Safety
/// The contract of [`input`].
pub unsafe fn text<'a>(pointer: *const u8, length: u32) -> Result<&'a str, Code> {
    // SAFETY: the contract of this function.
    let bytes = unsafe { input(pointer, length) }?;
    std::str::from_utf8(bytes).map_err(|_| Code::Argument)
}

/// Writes bytes to memory of the caller.
///
/// # Safety
/// Unless `bytes` is empty or `pointer` is null, `bytes.len()` bytes must be writable, and nothing else may use them.
pub unsafe fn output(pointer: *mut u8, bytes: &[u8]) -> Result<(), Code> {
    match (pointer.is_null(), bytes.len()) {
        (_, 0) => Ok(()),
        (true, _) => Err(Code::Argument),
        (false, length) => {
            // SAFETY: the contract of this function; the library's bytes do not overlap with the caller's memory.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer, length) };
            Ok(())
        }
    }
}
