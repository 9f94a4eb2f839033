//! Shared by the fuzz targets: random documents, and the properties of every text and every snapshot.

pub mod document;

use flipt_client_effect::json::Malformed;
use flipt_client_effect::outcomes::{describe, list_flags};
use flipt_client_effect::snapshot::Snapshot;
use serde::de::IgnoredAny;
use serde_json::Value;

pub const NAMESPACE: &str = "default";

/// The longest key that a document or seed can have, in bytes. See `definition::key_problem`.
const MAX_KEY: usize = 1024;

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("the library writes JSON")
}

/// Checks the result of reading a text: a snapshot that can be restored from its seed, or an error in the library's own
/// words.
pub fn check(text: &str, result: Result<Snapshot, Malformed>) {
    match result {
        Ok(snapshot) => {
            serde_json::from_str::<IgnoredAny>(text).expect("only JSON loads");
            check_snapshot(text.len(), &snapshot);
        }
        Err(error) => {
            let message = error.message();
            assert!(!message.is_empty());
            assert!(!ends_like_serde(&message), "serde_json refuses what the second reader accepts: {message}");
            assert!(message.len() <= 8 * text.len() + 1024, "a message of {} bytes", message.len());
        }
    }
}

/// Whether a message ends with a position as serde_json writes it. A key can contain such a text, but not at the end.
fn ends_like_serde(message: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    message
        .rsplit_once(" at line ")
        .and_then(|(_, position)| position.split_once(" column "))
        .is_some_and(|(line, column)| is_number(line) && is_number(column))
}

fn check_snapshot(size: usize, snapshot: &Snapshot) {
    let flags = snapshot.flags();
    assert_eq!(parse(&list_flags(flags)).as_array().expect("a list").len(), flags.len());
    for (index, flag) in (0..).zip(flags) {
        assert_eq!(snapshot.index(&flag.definition.key), Some(index));
        let description = describe(flag, index);
        assert!(description.len() <= 8 * size + 1024, "a description of {} bytes", description.len());
        assert_eq!(parse(&description)["index"], index);
    }
    let seed = String::from_utf8(snapshot.seed()).expect("a seed is text");
    // each rule has an id that contains the flag's key
    assert!(seed.len() <= (MAX_KEY + 64) * (size + 16), "a seed of {} bytes", seed.len());
    let restored = Snapshot::from_seed(NAMESPACE, &seed).expect("a seed loads");
    assert_eq!(restored.seed(), seed.as_bytes());
    assert_eq!(list_flags(restored.flags()), list_flags(flags));
    assert_eq!(restored.escaped_lists(), snapshot.escaped_lists());
}
