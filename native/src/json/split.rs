//! Splits the list of a large object into batches that can be parsed on several threads.

use std::ops::Range;

use super::is_blank;
use super::scan::{is_suspicious, Visit};

/// Finds the first list with a key in the object that the text consists of, and returns the range between its brackets.
/// Sends the ranges of its members, in batches of at least `size` bytes, the commas between members included. There are
/// none for an empty list.
///
/// Returns `None` if there is no such list, or if the text has what [`is_suspicious`] finds. Otherwise the text is valid
/// exactly if each batch is a sequence of values and the text without the batches is valid.
pub fn split(text: &[u8], key: &str, size: usize, send: impl FnMut(Range<usize>)) -> Option<Range<usize>> {
    let mut splitter = Splitter { text, key, size, send, key_end: None, start: None, batch: 0, list: None };
    if is_suspicious(text, &mut splitter) {
        None
    } else {
        splitter.list
    }
}

struct Splitter<'a, F> {
    text: &'a [u8],
    key: &'a str,
    size: usize,
    send: F,
    /// The end of the key, until a value follows it.
    key_end: Option<usize>,
    /// Where the list starts, while it is open.
    start: Option<usize>,
    /// Where the batch starts.
    batch: usize,
    list: Option<Range<usize>>,
}

impl<F: FnMut(Range<usize>)> Visit for Splitter<'_, F> {
    fn open(&mut self, bracket: u8, place: usize, depth: usize) {
        // Taken, because whatever follows the key is read once.
        let key_end = if depth == 1 { self.key_end.take() } else { None };
        if let (b'[', Some(end), None) = (bracket, key_end, &self.list) {
            if self.text[end..place].trim_ascii() == b":" {
                self.start = Some(place + 1);
                self.batch = place + 1;
            }
        }
    }

    fn close(&mut self, place: usize, depth: usize) {
        if depth == 1 {
            if let Some(start) = self.start.take() {
                if !is_blank(&self.text[start..place]) {
                    (self.send)(self.batch..place);
                }
                self.list = Some(start..place);
            }
        }
    }

    fn comma(&mut self, place: usize, depth: usize) {
        if depth == 2 && self.start.is_some() && place - self.batch >= self.size {
            (self.send)(self.batch..place);
            self.batch = place + 1;
        }
    }

    fn string(&mut self, range: Range<usize>, depth: usize) {
        if depth == 1 {
            let end = range.end + 1;
            self.key_end = (self.text[range] == *self.key.as_bytes()).then_some(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_DEPTH;
    use super::*;

    /// The list, and the batches.
    fn parts(text: &str, size: usize) -> Option<(&str, Vec<&str>)> {
        let mut batches = Vec::new();
        let list = split(text.as_bytes(), "l", size, |range| batches.push(&text[range]))?;
        Some((&text[list], batches))
    }

    #[test]
    fn sends_batches_of_whole_members() {
        let text = r#"{"a":[1],"l" : [{"b":[1,2]},[3], "x,]" ,{}],"c":"l"}"#;
        let list = r#"{"b":[1,2]},[3], "x,]" ,{}"#;
        assert_eq!(parts(text, 0), Some((list, vec![r#"{"b":[1,2]}"#, "[3]", r#" "x,]" "#, "{}"])));
        assert_eq!(parts(text, 12), Some((list, vec![r#"{"b":[1,2]},[3]"#, r#" "x,]" ,{}"#])));
        assert_eq!(parts(text, 100), Some((list, vec![list])));
        assert_eq!(parts(r#"{"l":[ ]}"#, 0), Some((" ", vec![])));
        assert_eq!(parts(r#"{"l":[ ,1]}"#, 0), Some((" ,1", vec![" ", "1"])));
        assert_eq!(parts("{\"l\":[\u{c}]}", 0), Some(("\u{c}", vec!["\u{c}"])));
    }

    #[test]
    fn finds_the_first_list_of_the_object() {
        assert_eq!(parts(r#"{"l":{},"l":[1],"l":[2]}"#, 9), Some(("1", vec!["1"])));
        assert_eq!(parts(r#"{"x":"l","y":[1]}"#, 9), None);
        assert_eq!(parts(r#"{"x":{"l":[1]}}"#, 9), None);
        assert_eq!(parts(r#"{"\u006c":[1]}"#, 9), None);
        assert_eq!(parts(r#"{"l":[1"#, 9), None);
        assert_eq!(parts("", 9), None);
        assert_eq!(parts("}", 9), None);
    }

    #[test]
    fn takes_time_in_proportion_to_the_text() {
        // hours, if each of the lists looked at all of the space
        let text = format!(r#"{{"l"{}{}}}"#, " ".repeat(1 << 20), "x[]".repeat(1 << 20));
        assert_eq!(parts(&text, 0), None);
    }

    #[test]
    fn finds_what_serde_json_ignores() {
        let deep = |depth: usize| format!(r#"{{"l":[{}{}]}}"#, "[".repeat(depth - 2), "]".repeat(depth - 2));
        let texts =
            [deep(MAX_DEPTH), deep(MAX_DEPTH + 1), r#"{"l":["\ud83d"]}"#.into(), r#"{"l":["\ud83d\ude00"]}"#.into()];
        for text in texts {
            assert_eq!(parts(&text, 0).is_none(), is_suspicious(text.as_bytes(), &mut ()), "{text}");
        }
    }
}
