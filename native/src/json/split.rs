//! Splits the list of a large object into batches that can be parsed on several threads, and checks the text for what
//! `serde_json` ignores.

use std::ops::Range;

use super::scan::end_of_string;
use super::{is_blank, MAX_DEPTH};

/// A list in a text.
#[derive(Debug, PartialEq)]
pub struct Split {
    /// The range between its brackets.
    pub list: Range<usize>,
    /// Whether a string of the text has an escaped backslash.
    pub has_backslash: bool,
}

/// Finds the first list with a key in the object that the text consists of. Sends the ranges of its members, in batches of
/// at least `size` bytes, the commas between members included. There are none for an empty list.
///
/// Returns `None` if there is no such list, or if the text has what `scan::is_suspicious` finds. Otherwise the text is
/// valid exactly if each batch is a sequence of values and the text without the batches is valid.
pub fn split(text: &[u8], key: &str, size: usize, mut send: impl FnMut(Range<usize>)) -> Option<Split> {
    let mut depth = 0_usize;
    let mut key_end = None;
    let mut open = None;
    let mut found = None;
    let mut has_backslash = false;
    let mut batch = 0;
    let mut position = 0;
    while let Some(byte) = text.get(position) {
        position += 1;
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return None;
                }
                if depth == 2 && *byte == b'[' && found.is_none() {
                    open = key_end.filter(|end| text[*end..position - 1].trim_ascii() == b":").map(|_| position);
                    batch = position;
                }
            }
            b'}' | b']' => {
                if depth == 2 {
                    if let Some(start) = open.take() {
                        let list = start..position - 1;
                        if !is_blank(&text[list.clone()]) {
                            send(batch..list.end);
                        }
                        found = Some(list);
                    }
                }
                depth = depth.checked_sub(1)?;
            }
            b',' if depth == 2 && open.is_some() && position - batch > size => {
                send(batch..position - 1);
                batch = position;
            }
            b'"' => {
                let end = end_of_string(text, position, &mut has_backslash)?;
                if depth == 1 {
                    key_end = (&text[position..end - 1] == key.as_bytes()).then_some(end);
                }
                position = end;
            }
            _ => {}
        }
    }
    found.map(|list| Split { list, has_backslash })
}

#[cfg(test)]
mod tests {
    use super::super::scan::is_suspicious;
    use super::*;

    /// The list, and the batches.
    fn parts(text: &str, size: usize) -> Option<(&str, Vec<&str>)> {
        let mut batches = Vec::new();
        let split = split(text.as_bytes(), "l", size, |range| batches.push(&text[range]))?;
        assert_eq!(split.has_backslash, text.contains(r"\\"));
        Some((&text[split.list], batches))
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
        assert_eq!(parts(r#"{"l":["\\"]}"#, 0), Some((r#""\\""#, vec![r#""\\""#])));
        assert_eq!(parts(r#"{"l":["\"\n"]}"#, 0), Some((r#""\"\n""#, vec![r#""\"\n""#])));
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
    fn finds_what_serde_json_ignores() {
        let deep = |depth: usize| format!(r#"{{"l":[{}{}]}}"#, "[".repeat(depth - 2), "]".repeat(depth - 2));
        let texts =
            [deep(MAX_DEPTH), deep(MAX_DEPTH + 1), r#"{"l":["\ud83d"]}"#.into(), r#"{"l":["\ud83d\ude00"]}"#.into()];
        for text in texts {
            assert_eq!(parts(&text, 0).is_none(), is_suspicious(text.as_bytes()), "{text}");
        }
    }
}
