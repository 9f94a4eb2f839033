//! The codes that the ABI answers with.

/// What went wrong, as a negative number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// The handle is closed, stale, of another kind or made up.
    Handle = -1,
    /// The document or seed does not load.
    Malformed = -2,
    /// Nested too deep, or too large.
    Limit = -3,
    /// An argument that makes no sense, or a call out of turn.
    Argument = -4,
    /// What was to be written does not fit.
    Space = -5,
    /// There is no such flag.
    Flag = -6,
    /// A fault of this library, caught.
    Panic = -99,
}

impl From<Code> for i32 {
    fn from(code: Code) -> Self {
        code as Self
    }
}

impl From<Code> for f64 {
    fn from(code: Code) -> Self {
        Self::from(code as i32)
    }
}
