//! Reads the flags of a large document on two threads. One thread splits the text into batches of flags and then helps the
//! other to parse them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use serde_json::Deserializer;

use super::{RawDocument, RawFlag};
use crate::de::Object;
use crate::definition::Flag;
use crate::intern;
use crate::json::{split, Split, LARGE};

/// The smallest batch of flags, in bytes.
const BATCH: usize = 64 * 1024;

/// The stack of the second thread. Parsing needs a fraction of it, because only values of unknown fields can be deeply
/// nested, and `serde_json` skips those without recursion.
const STACK: usize = 256 * 1024;

/// Reads a large document. Also returns whether a string of its text has an escaped backslash. Returns `None` if the
/// document is not large or cannot be read, or if there is no second thread: the sequential reader then reads it, or finds
/// the problem.
pub fn read(text: &str) -> Option<(RawDocument, bool)> {
    (text.len() >= LARGE).then(|| read_batches(text, BATCH))?
}

/// The ranges of the batches that wait to be parsed, with their numbers.
#[derive(Default)]
struct Waiting {
    batches: VecDeque<(usize, Range<usize>)>,
    is_complete: bool,
}

/// A queue of batches. Unlike a channel, it leaves no memory behind for a thread that has waited.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    has_changed: Condvar,
}

impl Queue {
    fn update<T>(&self, update: impl FnOnce(&mut Waiting) -> T) -> T {
        let result = update(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.has_changed.notify_all();
        result
    }

    /// Takes the next batch. Waits for it unless the queue is complete.
    fn next(&self) -> Option<(usize, Range<usize>)> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |waiting: &mut Waiting| waiting.batches.is_empty() && !waiting.is_complete;
        let mut waiting = self.has_changed.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner);
        waiting.batches.pop_front()
    }
}

/// Completes the queue when dropped, even on a panic.
struct CompleteOnDrop<'a>(&'a Queue);

impl Drop for CompleteOnDrop<'_> {
    fn drop(&mut self) {
        self.0.update(|waiting| waiting.is_complete = true);
    }
}

/// The flags of some batches, with the number of each batch.
type Parsed = Vec<(usize, Vec<Flag>)>;

fn read_batches(text: &str, size: usize) -> Option<(RawDocument, bool)> {
    let queue = Queue::default();
    let (Split { list, has_backslash }, mut parsed) = thread::scope(|scope| {
        let splitting = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || {
            let complete = CompleteOnDrop(&queue);
            let mut numbers = 0..;
            let split = split(text.as_bytes(), "flags", size, |range| {
                queue.update(|waiting| {
                    if !waiting.is_complete {
                        waiting.batches.extend(numbers.next().map(|number| (number, range)));
                    }
                });
            });
            drop(complete);
            Some((split?, parse_batches(text, &queue)?))
        });
        let splitting = splitting.ok()?;
        let parsed = parse_batches(text, &queue);
        let (split, others) = splitting.join().ok()??;
        let mut parsed = parsed?;
        parsed.extend(others);
        Some((split, parsed))
    })?;
    let rest = [&text[..list.start], &text[list.end..]].concat();
    let Object(mut document) = serde_json::from_str::<Object<RawDocument>>(&rest).ok()?;
    parsed.sort_unstable_by_key(|(number, _)| *number);
    let mut flags = Vec::with_capacity(parsed.iter().map(|(_, flags)| flags.len()).sum());
    for (_, batch) in &mut parsed {
        flags.append(batch);
    }
    document.flags = flags.into_boxed_slice();
    Some((document, has_backslash))
}

/// Parses batches until the queue is complete and empty. A batch that is malformed ends the work of all threads.
fn parse_batches(text: &str, queue: &Queue) -> Option<Parsed> {
    let batches = std::iter::from_fn(|| queue.next());
    let parsed: Option<Parsed> =
        intern::with_empty(|| batches.map(|(number, range)| Some((number, parse_batch(&text[range])?))).collect());
    if parsed.is_none() {
        queue.update(|waiting| {
            waiting.batches.clear();
            waiting.is_complete = true;
        });
    }
    parsed
}

/// Parses flags with commas between them.
fn parse_batch(text: &str) -> Option<Vec<Flag>> {
    let mut flags = Vec::new();
    let mut rest = text;
    loop {
        let mut values = Deserializer::from_str(rest).into_iter::<Object<RawFlag>>();
        let Object(flag) = values.next()?.ok()?;
        flags.push(flag.into());
        rest = rest[values.byte_offset()..].trim_start_matches([' ', '\n', '\r', '\t']);
        match rest.strip_prefix(',') {
            Some(others) => rest = others,
            None => return rest.is_empty().then_some(flags),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_sequentially;
    use super::*;

    const RULE: &str = r#"{"segmentOperator":"OR_SEGMENT_OPERATOR","distributions":[{"variantKey":"v","rollout":50}],
        "segments":[{"key":"s","matchType":"ALL_SEGMENT_MATCH_TYPE","constraints":[{"type":"STRING_CONSTRAINT_COMPARISON_TYPE",
        "property":"p","operator":"isoneof","value":"[\"],{\",\"\\n\"]"}]}]}"#;

    fn document(flags: &[String]) -> String {
        format!(r#"{{"namespace":{{"key":"n"}},"flags" : [{}], "digest":"d"}}"#, flags.join(" ,\n"))
    }

    fn flag(index: usize) -> String {
        let rules = vec![RULE; index % 3].join(",");
        format!(r#"{{"key":"flag-{index}","name":"","enabled":true,"rules":[{rules}],"x":[{{}},[","]]}}"#)
    }

    /// Asserts that a text that this reader takes means the same to the sequential one. Returns whether it takes it.
    fn is_read_alike(text: &str, size: usize) -> bool {
        let Some((parallel, has_backslash)) = read_batches(text, size) else {
            return false;
        };
        let (sequential, expected) = read_sequentially(text).expect(text);
        assert_eq!(parallel.flags, sequential.flags, "{text}");
        assert_eq!((&parallel.namespace.key, parallel.digest), (&sequential.namespace.key, sequential.digest));
        assert_eq!(has_backslash, expected);
        true
    }

    #[test]
    fn reads_batches_of_any_size() {
        for count in [0, 1, 2, 50] {
            let text = document(&(0..count).map(flag).collect::<Vec<_>>());
            for size in [0, 300, 3000, 1_000_000] {
                assert!(is_read_alike(&text, size), "{count} flags, {size} bytes");
            }
        }
    }

    #[test]
    fn reads_a_large_document() {
        let text = document(&(0..3000).map(flag).collect::<Vec<_>>());
        assert!(text.len() > LARGE);
        let (parallel, _) = read(&text).unwrap();
        assert_eq!(parallel.flags, read_sequentially(&text).unwrap().0.flags);
        let empty = document(&[]);
        let padded = |length: usize| format!("{empty}{}", " ".repeat(length - empty.len()));
        assert!(read(&padded(LARGE - 1)).is_none());
        assert!(read(&padded(LARGE)).is_some());
        let malformed = text.replace("\"flag-2999\"", "2999");
        assert!(read(&malformed).is_none());
        assert!(super::super::read(&malformed, "n").is_err());
    }

    #[test]
    fn takes_only_texts_that_the_sequential_reader_takes() {
        let text = document(&[flag(0), flag(1)]);
        let parts = ["", " ", "0", ",", ":", "\"", "\\", "\\ud800", "[", "]", "{}", "null,", r#""flags":[],"#];
        let mut taken = 0;
        for (place, _) in text.char_indices() {
            for part in parts {
                for length in 0..2 {
                    let text = [&text[..place], part, &text[place + length..]].concat();
                    taken += u32::from(is_read_alike(&text, 0));
                }
            }
        }
        assert!(taken > 500, "{taken}");
    }
}
