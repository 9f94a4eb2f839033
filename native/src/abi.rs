//! The numbers of the ABI: its version, the codes and the kinds. The README's tables are generated from here, and a test
//! compares them.

use std::fmt::Write;

pub const ABI_VERSION: u32 = 4;

/// Defines an enum of numbers that cross the ABI, with a table of their names and meanings.
macro_rules! numbers {
    ($(#[$meta:meta])* $name:ident: $repr:ident { $($variant:ident = $value:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr($repr)]
        pub enum $name { $(#[doc = $text] $variant = $value),+ }

        impl $name {
            /// The Markdown table of all numbers.
            #[must_use]
            pub fn table() -> String {
                table(&[$(($value, stringify!($variant), $text)),+])
            }
        }
    };
}

/// Defines an enum of numbers that callers pass to the ABI.
macro_rules! kinds {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $value:literal, $text:literal;)+ }) => {
        numbers!($(#[$meta])* $name: u32 { $($variant = $value, $text;)+ });

        impl TryFrom<u32> for $name {
            type Error = Code;

            fn try_from(value: u32) -> Result<Self, Code> {
                match value { $($value => Ok(Self::$variant),)+ _ => Err(Code::Argument) }
            }
        }
    };
}

numbers!(
    /// Why a function failed, as a negative number.
    Code: i32 {
        Closed = -1, "The handle is closed, stale, of another kind or invalid.";
        Malformed = -2, "The document or seed is malformed.";
        Limit = -3, "The input is nested too deeply or too large.";
        Argument = -4, "An argument is invalid, or the call is out of order.";
        TooSmall = -5, "The output does not fit into the caller's memory.";
        NoFlag = -6, "The flag does not exist.";
        Panic = -99, "The library panicked. The panic was caught.";
    }
);

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

kinds!(
    /// What a job compiles: the `kind` of `fce_job_new`.
    JobKind {
        Document = 0, "A snapshot document of a Flipt server.";
        Seed = 1, "The JSON text of a seed.";
    }
);

kinds!(
    /// The content of a blob: the `kind` of `fce_snapshot_blob`.
    BlobKind {
        Seed = 0, "The JSON text of the snapshot's seed.";
        Flags = 1, "The list of flags, as JSON.";
        Digest = 2, "The document's digest as JSON: a string or null.";
        Fingerprint = 3, "The fingerprint of the flag `key`.";
        Flag = 4, "The description of the flag `key`, as JSON.";
        EscapedLists = 5, "The keys of the flags that have a list with an escape, as JSON.";
    }
);

kinds!(
    /// A counter: the argument of `fce_stat`.
    Stat {
        Snapshots = 0, "Open snapshots.";
        Jobs = 1, "Open jobs.";
        Arenas = 2, "Open arenas, on all threads.";
        Blobs = 3, "Open blobs.";
        Bytes = 4, "Bytes that the library has allocated.";
    }
);

fn table(rows: &[(i32, &str, &str)]) -> String {
    let mut text = String::from("| number | name | meaning |\n|---|---|---|\n");
    for (value, name, meaning) in rows {
        let (first, rest) = name.split_at(1);
        // writing to a string does not fail
        let _ = writeln!(text, "| {value} | `{}{rest}` | {meaning} |", first.to_lowercase());
    }
    text
}
