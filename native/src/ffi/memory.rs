//! Memory of the caller.

use crate::code::Code;

/// Bytes to read. Nothing is asked of the pointer when there are none.
///
/// # Safety
/// Unless `length` is 0 or `pointer` null, `length` bytes are there to read, and nobody writes to them during `'a`.
pub unsafe fn input<'a>(pointer: *const u8, length: u32) -> Result<&'a [u8], Code> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Code::Argument),
        // SAFETY: the caller promises it; u8 has no alignment.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(pointer, length as usize) }),
    }
}

/// As [`input`], for a text.
///
/// # Safety
/// As of [`input`].
pub unsafe fn text<'a>(pointer: *const u8, length: u32) -> Result<&'a str, Code> {
    // SAFETY: as promised to this function.
    let bytes = unsafe { input(pointer, length) }?;
    std::str::from_utf8(bytes).map_err(|_| Code::Argument)
}

/// Writes bytes where the caller has room for them.
///
/// # Safety
/// Unless `bytes` is empty or `pointer` null, there is room for `bytes.len()` bytes, which nobody else uses now.
pub unsafe fn output(pointer: *mut u8, bytes: &[u8]) -> Result<(), Code> {
    match (pointer.is_null(), bytes.len()) {
        (_, 0) => Ok(()),
        (true, _) => Err(Code::Argument),
        (false, length) => {
            // SAFETY: the caller promises room; our own bytes do not overlap with memory that nobody else uses.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer, length) };
            Ok(())
        }
    }
}
