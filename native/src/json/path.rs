//! The path of a value in a text.

use std::fmt::Write;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Key(String),
    Index(usize),
}

/// One step from a list or object to a value in it.
#[derive(Clone, Debug)]
pub struct Step {
    pub part: Part,
    /// The byte offset of the value in the text.
    pub offset: usize,
}

fn is_name(key: &str) -> bool {
    key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !key.starts_with(|c: char| c.is_ascii_digit())
}

/// Formats a path in JavaScript notation: `flags[3].rules[0].segments`.
pub fn format(path: &[Step]) -> String {
    let mut text = String::new();
    for Step { part, .. } in path {
        // writing to a string does not fail
        let _ = match part {
            Part::Index(index) => write!(text, "[{index}]"),
            Part::Key(key) if key.is_empty() || !is_name(key) => write!(text, "[{}]", super::quote(key)),
            Part::Key(key) if text.is_empty() => write!(text, "{key}"),
            Part::Key(key) => write!(text, ".{key}"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_javascript_notation() {
        let key = |key: &str| Step { part: Part::Key(key.into()), offset: 0 };
        let index = |index| Step { part: Part::Index(index), offset: 0 };
        assert_eq!(
            format(&[key("flags"), index(3), key("a_1"), key("1a"), key(""), key("é\"")]),
            r#"flags[3].a_1["1a"][""]["é\""]"#
        );
        assert_eq!(format(&[key("1")]), r#"["1"]"#);
        assert_eq!(format(&[]), "");
    }
}
