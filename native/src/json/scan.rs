//! Scans for what `serde_json` does not check in skipped fields: the nesting depth and lone surrogates in strings.

use std::ops::Range;

use super::MAX_DEPTH;

/// Receives what a scan comes across, with its place in the text and the number of open lists and objects around it.
pub trait Visit {
    fn open(&mut self, _bracket: u8, _place: usize, _depth: usize) {}
    fn close(&mut self, _place: usize, _depth: usize) {}
    fn comma(&mut self, _place: usize, _depth: usize) {}
    /// The range is that of the text between the quotes.
    fn string(&mut self, _range: Range<usize>, _depth: usize) {}
}

/// Ignores everything.
impl Visit for () {}

/// Whether an otherwise valid JSON text is nested too deeply or has a lone surrogate. The scan ends where it finds that.
pub fn is_suspicious(text: &[u8], visit: &mut impl Visit) -> bool {
    let mut depth = 0_usize;
    let mut place = 0;
    while let Some(byte) = text.get(place) {
        match byte {
            b'{' | b'[' => {
                visit.open(*byte, place, depth);
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                visit.close(place, depth);
            }
            b',' => visit.comma(place, depth),
            b'"' => match end_of_string(text, place + 1) {
                Some(end) => {
                    visit.string(place + 1..end, depth);
                    place = end;
                }
                None => return true,
            },
            _ => {}
        }
        place += 1;
    }
    false
}

/// The place of the quote that ends the string that starts here; `None` if the string has a lone surrogate.
fn end_of_string(text: &[u8], start: usize) -> Option<usize> {
    let mut position = start;
    loop {
        position = find_quote_or_backslash(text, position)?;
        if text[position] == b'"' {
            return Some(position);
        }
        position += match surrogate(text, position) {
            None => 2,
            Some(0xD800..=0xDBFF) if matches!(surrogate(text, position + 6), Some(0xDC00..=0xDFFF)) => 12,
            Some(_) => return None,
        };
    }
}

/// The position of the next quote or backslash. It compares eight bytes at a time.
fn find_quote_or_backslash(text: &[u8], start: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The lowest bit that this sets is in the first byte that is zero; the bits above it can be wrong.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7);
    let mut position = start;
    while let Some(bytes) = text.get(position..)?.first_chunk() {
        let word = u64::from_le_bytes(*bytes);
        let found = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(position + found.trailing_zeros() as usize / 8);
        }
        position += 8;
    }
    let rest = &text[position..];
    Some(position + rest.iter().position(|&byte| byte == b'"' || byte == b'\\')?)
}

/// The surrogate whose escape starts here, if any.
fn surrogate(text: &[u8], position: usize) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = text.get(position..position + 6)? else {
        return None;
    };
    let unit = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suspicious(text: &str) -> bool {
        is_suspicious(text.as_bytes(), &mut ())
    }

    #[test]
    fn finds_lone_surrogates() {
        for text in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#""\u0041\"\\""#, r#""\uDBFF\uDFFF x \n""#, "{}", ""] {
            assert!(!suspicious(text), "{text}");
        }
        for text in [r#""\ud83d""#, r#"["", "\ude00"]"#, r#""\ud83d\ud83d""#, r#""\ud83d\\ude00""#, r#""a\uDBFFb""#] {
            assert!(suspicious(text), "{text}");
        }
    }

    #[test]
    fn finds_a_quote_or_a_backslash_at_any_place() {
        for length in 0..20 {
            for found in ['"', '\\'] {
                // characters that differ from the searched ones by one bit, and a second hit
                let text = format!("{}{found}#]![\"\\", "!#[]".repeat(5).split_at(length).0);
                assert_eq!(find_quote_or_backslash(text.as_bytes(), 0), Some(length), "{text}");
            }
            assert_eq!(find_quote_or_backslash("!#[]".repeat(5).as_bytes(), length), None);
        }
        assert_eq!(find_quote_or_backslash(b"a", 2), None);
    }

    #[test]
    fn counts_brackets_outside_strings() {
        assert!(!suspicious(&format!("\"{}\"", "[".repeat(500))));
        assert!(!suspicious(&"[]".repeat(500)));
        assert!(!suspicious(&"[".repeat(128)));
        assert!(suspicious(&"{".repeat(129)));
    }
}
