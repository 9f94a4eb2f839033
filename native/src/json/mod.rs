//! Parses JSON into typed values with `serde_json`. If that fails, a slower reader parses the text again to locate the
//! error.

mod located;
mod path;
mod reader;
mod scan;
mod split;

use std::thread;

use serde::{Deserialize, Deserializer};

use crate::second_thread;

pub use path::{Part, Step};
pub(crate) use reader::Reader;
pub(crate) use split::split;

/// The maximum nesting depth of lists and objects.
pub const MAX_DEPTH: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Document,
    Limit,
}

/// A text that cannot be read.
#[derive(Debug)]
pub struct Malformed {
    pub kind: Kind,
    /// The location; empty if the problem concerns the whole text.
    pub path: Vec<Step>,
    pub problem: String,
}

impl Malformed {
    #[must_use]
    pub fn whole(problem: String) -> Self {
        Self { kind: Kind::Document, path: Vec::new(), problem }
    }

    /// A text that is too large.
    #[must_use]
    pub fn limit(problem: String) -> Self {
        Self { kind: Kind::Limit, path: Vec::new(), problem }
    }

    /// The location and the problem.
    #[must_use]
    pub fn message(&self) -> String {
        if self.path.is_empty() {
            self.problem.clone()
        } else {
            format!("{}: {}", path::format(&self.path), self.problem)
        }
    }
}

/// Quotes a text as a JSON string.
#[must_use]
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether a text is only white space.
#[must_use]
pub fn is_blank(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))
}

/// Parses a whole text.
///
/// # Errors
/// The problem and its location.
pub fn parse<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Malformed> {
    let (value, suspicious) = read_and_scan(text, || serde_json::from_str(text));
    match value {
        Ok(_) if suspicious => {
            Err(locate::<T>(text).unwrap_or_else(|| Malformed::whole("an unknown field is malformed".into())))
        }
        Ok(value) => Ok(value),
        Err(error) => Err(locate::<T>(text).unwrap_or_else(|| Malformed::whole(error.to_string()))),
    }
}

/// From this size on, scanning a text takes longer than starting a thread.
pub(crate) const LARGE: usize = 1024 * 1024;

/// Reads a text and scans it for what `serde_json` ignores. A large text is scanned on a second thread meanwhile.
fn read_and_scan<T>(text: &str, read: impl FnOnce() -> T) -> (T, bool) {
    let scan = || scan::is_suspicious(text.as_bytes(), &mut ());
    if text.len() < LARGE {
        return (read(), scan());
    }
    thread::scope(|scope| {
        let scanning = second_thread::spawn(scope, scan);
        let value = read();
        // scans on this thread if no thread could be started or the scan panicked
        let suspicious = scanning.and_then(|scanning| scanning.join().ok());
        (value, suspicious.unwrap_or_else(scan))
    })
}

/// Whether a deserializer of this module can return the text of a value. Only that of `serde_json` can.
pub fn borrows_texts<'de>(deserializer: &impl Deserializer<'de>) -> bool {
    deserializer.is_human_readable()
}

/// Locates the error in a text with the slower reader, if there is one.
pub(crate) fn locate<'de, T: Deserialize<'de>>(text: &'de str) -> Option<Malformed> {
    let mut reader = Reader::new(text);
    let problem = T::deserialize(&mut reader).and_then(|_| reader.end()).err()?;
    Some(reader.malformed(problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::de::{Object, Record};

    fn message(text: &str) -> String {
        parse::<Object<Record<Object<Record<bool>>>>>(text).map(|_| ()).unwrap_err().message()
    }

    #[test]
    fn names_the_location_and_the_problem() {
        assert_eq!(message(r#"{"a":{"b-c":1}}"#), r#"a["b-c"]: expected true or false, found a number"#);
        assert_eq!(message(r#"{"a":{"b":true"#), r#"a: expected "," or "}", found the end of the text"#);
        assert_eq!(message("\u{feff}{}"), "expected an object, found \"\u{feff}\" at character 0");
        assert_eq!(message("{}😀"), "expected the end of the text, found \"😀\" at character 2");
        assert_eq!(message(r#"{"a":{"b":true,"b":true}}"#), "a.b: occurs twice");
    }

    #[test]
    fn a_large_text_is_read_like_a_small_one() {
        let text = |value: &str| format!(r#"{{"a":{{}},{}"b":{{"c":{value}}}}}"#, " ".repeat(LARGE));
        let read = |text: &str| parse::<Object<Record<Object<Record<serde::de::IgnoredAny>>>>>(text).map(|_| ());
        assert!(read(&text("1")).is_ok());
        let lone = r#""\ud83d""#;
        assert_eq!(read(&text(lone)).unwrap_err().message(), "b.c: a lone surrogate in a string");
        assert_eq!(read(&text("tru")).unwrap_err().message().split(':').next(), Some("b.c"));
    }

    #[test]
    fn text_that_serde_json_skips_is_checked_too() {
        #[derive(Deserialize)]
        struct Nothing {}
        let problem = |text: &str| parse::<Object<Nothing>>(text).map(|_| ()).map_err(|error| error.message());
        assert_eq!(problem(r#"{"x":[1e400,"\ud83d\ude00",{"y":null}]}"#), Ok(()));
        assert_eq!(problem(r#"{"x":[0,"\ud83d"]}"#), Err("x[1]: a lone surrogate in a string".into()));
        assert_eq!(problem(r#"{"x":"\q"}"#), Err("x: an invalid escape in a string".into()));
        let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert_eq!(problem(&nested(MAX_DEPTH)), Ok(()));
        let error = parse::<Object<Nothing>>(&nested(MAX_DEPTH + 1)).err().unwrap();
        assert_eq!(error.kind, Kind::Limit);
        assert!(error.message().starts_with("x[0][0]"), "{}", error.message());
        assert!(error.message().ends_with("[0]: nested deeper than 128 levels"), "{}", error.message());
    }
}
