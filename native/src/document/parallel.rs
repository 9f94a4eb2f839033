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
use crate::json::{split, LARGE};
use crate::second_thread;

/// The smallest batch of flags, in bytes.
const BATCH: usize = 64 * 1024;

/// Reads a large document. Returns `None` if it is not large or cannot be read, or if there is no second thread: the
/// sequential reader then reads it, or finds the problem.
pub fn read(text: &str) -> Option<RawDocument> {
    (text.len() >= LARGE).then(|| read_batches(text, BATCH))?
}

/// The ranges of the batches that wait to be parsed.
#[derive(Default)]
struct Waiting {
    batches: VecDeque<Range<usize>>,
    is_complete: bool,
}

/// A queue of batches. Unlike a channel, it leaves no memory behind for a thread that has waited.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    has_changed: Condvar,
}

impl Queue {
    fn update(&self, update: impl FnOnce(&mut Waiting)) {
        update(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.has_changed.notify_all();
    }

    /// Adds a batch, unless the queue is complete.
    fn push(&self, batch: Range<usize>) {
        self.update(|waiting| {
            if !waiting.is_complete {
                waiting.batches.push_back(batch);
            }
        });
    }

    fn complete(&self) {
        self.update(|waiting| waiting.is_complete = true);
    }

    /// Drops the batches that wait, and those to come.
    fn cancel(&self) {
        self.update(|waiting| *waiting = Waiting { batches: VecDeque::new(), is_complete: true });
    }

    /// Takes the next batch. Waits for it unless the queue is complete.
    fn next(&self) -> Option<Range<usize>> {
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
        self.0.complete();
    }
}

/// The flags of some batches, with the place of each batch in the text.
type Parsed = Vec<(usize, Vec<Flag>)>;

fn read_batches(text: &str, size: usize) -> Option<RawDocument> {
    let queue = Queue::default();
    let (list, mut parsed) = thread::scope(|scope| {
        let splitting = second_thread::spawn(scope, || {
            let complete = CompleteOnDrop(&queue);
            let list = split(text.as_bytes(), "flags", size, |range| queue.push(range));
            drop(complete);
            Some((list?, parse_batches(text, &queue)?))
        })?;
        let parsed = parse_batches(text, &queue);
        let (list, others) = splitting.join().ok()??;
        let mut parsed = parsed?;
        parsed.extend(others);
        Some((list, parsed))
    })?;
    let rest = [&text[..list.start], &text[list.end..]].concat();
    let Object(mut document) = serde_json::from_str::<Object<RawDocument>>(&rest).ok()?;
    parsed.sort_unstable_by_key(|(place, _)| *place);
    let mut flags = Vec::with_capacity(parsed.iter().map(|(_, flags)| flags.len()).sum());
    for (_, batch) in &mut parsed {
        flags.append(batch);
    }
    document.flags = flags.into_boxed_slice();
    Some(document)
}

/// Parses batches until the queue is complete and empty. A batch that is malformed ends the work of both threads.
fn parse_batches(text: &str, queue: &Queue) -> Option<Parsed> {
    let batches = std::iter::from_fn(|| queue.next());
    let parsed: Option<Parsed> =
        intern::with_empty(|| batches.map(|range| Some((range.start, parse_batch(&text[range])?))).collect());
    if parsed.is_none() {
        queue.cancel();
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
        let Some(parallel) = read_batches(text, size) else {
            return false;
        };
        let sequential = read_sequentially(text).expect(text);
        assert_eq!(parallel.flags, sequential.flags, "{text}");
        assert_eq!((&parallel.namespace.key, parallel.digest), (&sequential.namespace.key, sequential.digest));
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
        assert_eq!(read(&text).unwrap().flags, read_sequentially(&text).unwrap().flags);
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
