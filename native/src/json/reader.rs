//! A JSON reader that tracks its location. It runs only after a text failed to load, to find the problem and its location.

use std::fmt;

use super::path::{Part, Step};
use super::{quote, Kind, Malformed, MAX_DEPTH};

/// A problem at the reader's current path.
#[derive(Debug)]
pub struct Problem {
    pub kind: Kind,
    pub text: String,
}

impl Problem {
    pub fn new(text: impl Into<String>) -> Self {
        Self { kind: Kind::Document, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

type Result<T> = std::result::Result<T, Problem>;

pub struct Reader<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
    path: Vec<Step>,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, position: 0, depth: 0, path: Vec::new() }
    }

    /// Adds the current location to a problem.
    pub fn malformed(self, problem: Problem) -> Malformed {
        Malformed { kind: problem.kind, path: self.path, problem: problem.text }
    }

    pub fn enter(&mut self, part: Part) {
        self.path.push(Step { part, offset: self.position });
    }

    pub fn leave(&mut self) {
        self.path.pop();
    }

    fn unexpected(&self, expected: &str) -> Problem {
        Problem::new(format!("expected {expected}, found {}", self.describe()))
    }

    fn describe(&self) -> String {
        let rest = &self.text[self.position..];
        let Some(character) = rest.chars().next() else {
            return "the end of the text".into();
        };
        let literal = ["null", "true", "false"].into_iter().find(|literal| rest.starts_with(literal));
        match (character, literal) {
            (_, Some(literal)) => literal.into(),
            ('{', _) => "an object".into(),
            ('[', _) => "a list".into(),
            ('"', _) => "a string".into(),
            ('-' | '0'..='9', _) => "a number".into(),
            _ => {
                // counted in UTF-16 code units, like in JavaScript
                let place = self.text[..self.position].encode_utf16().count();
                format!("{} at character {place}", quote(character.encode_utf8(&mut [0; 4])))
            }
        }
    }

    /// Skips white space and returns the next byte.
    fn skip_space(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.position) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.position += 1,
                byte => return byte.copied(),
            }
        }
    }

    pub fn open(&mut self, bracket: u8) -> Result<()> {
        if self.skip_space() != Some(bracket) {
            return Err(self.unexpected(if bracket == b'{' { "an object" } else { "a list" }));
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Problem { kind: Kind::Limit, text: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        self.position += 1;
        Ok(())
    }

    /// Moves to the next member. Returns false at the closing bracket, which it consumes.
    pub fn advance(&mut self, close: u8, first: bool) -> Result<bool> {
        let byte = self.skip_space();
        if byte == Some(close) {
            self.position += 1;
            self.depth -= 1;
            return Ok(false);
        }
        if !first {
            if byte != Some(b',') {
                return Err(self.unexpected(if close == b'}' { "\",\" or \"}\"" } else { "\",\" or \"]\"" }));
            }
            self.position += 1;
        }
        Ok(true)
    }

    /// Reads a key and the colon after it.
    pub fn key(&mut self) -> Result<String> {
        if self.skip_space() != Some(b'"') {
            return Err(self.unexpected("a key in quotes"));
        }
        let key = self.string()?;
        if self.skip_space() != Some(b':') {
            return Err(self.unexpected("\":\""));
        }
        self.position += 1;
        Ok(key)
    }

    pub fn string(&mut self) -> Result<String> {
        if self.skip_space() != Some(b'"') {
            return Err(self.unexpected("a string"));
        }
        let bytes = self.text.as_bytes();
        let start = self.position;
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(0..=31) => return Err(Problem::new("a control character in a string")),
                Some(_) => end += 1,
                None => return Err(Problem::new("the text ends inside a string")),
            }
        }
        self.position = end + 1;
        let quoted = &self.text[start..=end];
        serde_json::from_str(quoted).map_err(|_| {
            Problem::new(if has_unknown_escape(quoted.as_bytes()) {
                "an invalid escape in a string"
            } else {
                "a lone surrogate in a string"
            })
        })
    }

    pub fn boolean(&mut self) -> Result<bool> {
        self.skip_space();
        if self.literal("true") {
            Ok(true)
        } else if self.literal("false") {
            Ok(false)
        } else {
            Err(self.unexpected("true or false"))
        }
    }

    /// Reads the text of a number.
    pub fn number(&mut self) -> Result<&'a str> {
        self.skip_space();
        let rest = &self.text[self.position..];
        match number_length(rest.as_bytes()) {
            Some(length) => {
                self.position += length;
                Ok(&rest[..length])
            }
            None => Err(self.unexpected("a number")),
        }
    }

    fn literal(&mut self, literal: &str) -> bool {
        let found = self.text[self.position..].starts_with(literal);
        if found {
            self.position += literal.len();
        }
        found
    }

    /// Consumes the next value if it is `null`.
    pub fn null(&mut self) -> bool {
        self.skip_space();
        self.literal("null")
    }

    /// Skips a value of any kind. It does not recurse, because the stack may be small.
    pub fn skip(&mut self) -> Result<()> {
        // the closing bracket of each open list or object, and the number of members started
        let mut open: Vec<(u8, usize)> = Vec::new();
        loop {
            match self.skip_space() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.open(bracket)?;
                    open.push((if bracket == b'{' { b'}' } else { b']' }, 0));
                }
                byte => {
                    self.skip_scalar(byte)?;
                    self.close_member(&open);
                }
            }
            loop {
                let Some((close, count)) = open.last_mut() else {
                    return Ok(());
                };
                if self.advance(*close, *count == 0)? {
                    let part = if *close == b'}' { Part::Key(self.key()?) } else { Part::Index(*count) };
                    *count += 1;
                    self.enter(part);
                    break;
                }
                open.pop();
                self.close_member(&open);
            }
        }
    }

    /// Ends a skipped value: leaves its step if it was a member of another skipped value.
    fn close_member(&mut self, open: &[(u8, usize)]) {
        if !open.is_empty() {
            self.leave();
        }
    }

    fn skip_scalar(&mut self, byte: Option<u8>) -> Result<()> {
        match byte {
            Some(b'"') => self.string().map(drop),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            _ if ["null", "true", "false"].iter().any(|literal| self.literal(literal)) => Ok(()),
            _ => Err(self.unexpected("a value")),
        }
    }

    /// Fails unless only white space follows.
    pub fn end(&mut self) -> Result<()> {
        match self.skip_space() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end of the text")),
        }
    }
}

fn has_unknown_escape(quoted: &[u8]) -> bool {
    let mut position = 0;
    while let Some(byte) = quoted.get(position) {
        position += match (byte, quoted.get(position + 1)) {
            (b'\\', Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => 2,
            (b'\\', Some(b'u')) => match quoted.get(position + 2..position + 6) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => 6,
                _ => return true,
            },
            (b'\\', _) => return true,
            _ => 1,
        };
    }
    false
}

/// The length of the number at the start of a text.
fn number_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut length = usize::from(text.first() == Some(&b'-'));
    length += match text.get(length) {
        Some(b'0') => 1,
        Some(b'1'..=b'9') => digits(length),
        _ => return None,
    };
    if text.get(length) == Some(&b'.') {
        let fraction = digits(length + 1);
        length += if fraction == 0 { 0 } else { 1 + fraction };
    }
    if matches!(text.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(length + 1), Some(b'+' | b'-')));
        let exponent = digits((length + 1 + sign).min(text.len()));
        length += if exponent == 0 { 0 } else { 1 + sign + exponent };
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_as_much_of_a_number_as_there_is() {
        for (text, length) in [
            ("0", 1),
            ("-0", 2),
            ("01", 1),
            ("10.5e-7,", 7),
            ("1.", 1),
            ("1.e1", 1),
            ("1e", 1),
            ("1e+", 1),
            ("1E2x", 3),
        ] {
            assert_eq!(number_length(text.as_bytes()), Some(length), "{text}");
        }
        for text in ["", "-", "+1", ".5", "x", "--1"] {
            assert_eq!(number_length(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn values_are_nested_up_to_the_limit() {
        for (brackets, object) in [(("[", "]"), false), (("{\"a\":", "}"), true)] {
            let nested = |depth: usize| [&brackets.0.repeat(depth), "1", &brackets.1.repeat(depth)].concat();
            assert!(Reader::new(&nested(MAX_DEPTH)).skip().is_ok(), "{object}");
            let problem = Reader::new(&nested(MAX_DEPTH + 1)).skip().unwrap_err();
            assert_eq!(problem.kind, Kind::Limit, "{object}");
        }
    }

    #[test]
    fn reads_over_values_and_keeps_its_place() {
        let text = r#" {"a":[1,{"b":[]},"x",null],"c":{}} ,"#;
        let mut reader = Reader::new(text);
        reader.skip().unwrap();
        assert!(reader.path.is_empty());
        assert_eq!(&text[reader.position..], " ,");
        assert_eq!(reader.depth, 0);
        let mut reader = Reader::new(r#"{"a":[1,{"b":[tru]}]}"#);
        let problem = reader.skip().unwrap_err();
        assert_eq!(reader.malformed(problem).message(), r#"a[1].b[0]: expected a value, found "t" at character 14"#);
    }
}
