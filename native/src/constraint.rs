//! Compiles constraints: numbers and dates are parsed and lists become sets. It uses the parsers of the official engine, so
//! it accepts and rejects the same texts.

use std::collections::HashSet;

use chrono::DateTime;

use crate::definition::{self, ConstraintType};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
}

impl Comparison {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "eq" => Self::Eq,
            "neq" => Self::Neq,
            "lt" => Self::Lt,
            "lte" => Self::Lte,
            "gt" => Self::Gt,
            "gte" => Self::Gte,
            _ => return None,
        })
    }

    fn matches<T: PartialOrd + Copy>(self, value: T, operand: T) -> bool {
        match self {
            Self::Eq => value == operand,
            Self::Neq => value != operand,
            Self::Lt => value < operand,
            Self::Lte => value <= operand,
            Self::Gt => value > operand,
            Self::Gte => value >= operand,
        }
    }
}

/// The check of a value. All checks after `NotEmpty` need a value that is not empty.
#[derive(Debug)]
pub enum Check {
    /// An unknown type: reaching it makes the segment a miss, regardless of the match type.
    Abort,
    Never,
    Empty,
    NotEmpty,
    Eq(Box<str>),
    Neq(Box<str>),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Contains(Box<str>),
    NotContains(Box<str>),
    OneOf(Texts),
    NotOneOf(Texts),
    True,
    False,
    Number(Comparison, i32),
    /// Sorted.
    NumberOneOf(Box<[i32]>),
    NumberNotOneOf(Box<[i32]>),
    /// In seconds since the epoch.
    Time(Comparison, i64),
}

impl Check {
    #[must_use]
    pub fn new(constraint: &definition::Constraint) -> Self {
        let (operator, value) = (&*constraint.operator, &*constraint.value);
        match constraint.kind {
            ConstraintType::String | ConstraintType::EntityId => text(operator, value),
            ConstraintType::Number => number(operator, value),
            ConstraintType::DateTime => time(operator, value),
            ConstraintType::Boolean => match operator {
                "true" => Self::True,
                "false" => Self::False,
                _ => presence(operator),
            },
            ConstraintType::Unknown => Self::Abort,
        }
    }

    /// Whether the result depends on the value.
    #[must_use]
    pub fn reads(&self) -> bool {
        !matches!(self, Self::Abort | Self::Never)
    }

    /// Whether a value matches, given as bytes; an absent value is empty. Checks that need more than a comparison of bytes
    /// never match invalid UTF-8.
    #[must_use]
    pub fn matches(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Empty => bytes.is_empty(),
            _ if bytes.is_empty() => false,
            Self::NotEmpty => true,
            Self::Abort | Self::Never => false,
            Self::Eq(operand) => bytes == operand.as_bytes(),
            Self::Neq(operand) => bytes != operand.as_bytes(),
            Self::Prefix(operand) => bytes.starts_with(operand.as_bytes()),
            Self::Suffix(operand) => bytes.ends_with(operand.as_bytes()),
            Self::True => bytes == b"true",
            Self::False => bytes == b"false",
            _ => std::str::from_utf8(bytes).is_ok_and(|text| self.matches_text(text)),
        }
    }

    fn matches_text(&self, text: &str) -> bool {
        match self {
            Self::Contains(operand) => text.contains(&**operand),
            Self::NotContains(operand) => !text.contains(&**operand),
            Self::OneOf(operands) => operands.contains(text),
            Self::NotOneOf(operands) => !operands.contains(text),
            Self::Number(comparison, operand) => text.parse().is_ok_and(|value| comparison.matches(value, *operand)),
            Self::NumberOneOf(operands) => text.parse().is_ok_and(|value| operands.binary_search(&value).is_ok()),
            Self::NumberNotOneOf(operands) => text.parse().is_ok_and(|value| operands.binary_search(&value).is_err()),
            Self::Time(comparison, operand) => seconds(text).is_some_and(|value| comparison.matches(value, *operand)),
            _ => false,
        }
    }
}

fn presence(operator: &str) -> Check {
    match operator {
        "present" => Check::NotEmpty,
        "notpresent" => Check::Empty,
        _ => Check::Never,
    }
}

fn text(operator: &str, value: &str) -> Check {
    match operator {
        "empty" => Check::Empty,
        "notempty" => Check::NotEmpty,
        "eq" => Check::Eq(value.into()),
        "neq" => Check::Neq(value.into()),
        "prefix" => Check::Prefix(value.into()),
        "suffix" => Check::Suffix(value.into()),
        "contains" => Check::Contains(value.into()),
        "notcontains" => Check::NotContains(value.into()),
        "isoneof" => Check::OneOf(Texts::parse(value)),
        "isnotoneof" => Check::NotOneOf(Texts::parse(value)),
        _ => Check::Never,
    }
}

/// Whether the constraint has a list of strings with an escape, which counts as empty: the official engine borrows the
/// strings from the text.
pub fn has_escaped_list(constraint: &definition::Constraint) -> bool {
    matches!(constraint.kind, ConstraintType::String | ConstraintType::EntityId)
        && matches!(&*constraint.operator, "isoneof" | "isnotoneof")
        && constraint.value.contains('\\')
        && serde_json::from_str::<Vec<String>>(&constraint.value).is_ok()
}

/// A set of strings. For a few strings, a linear search is faster than hashing.
#[derive(Debug)]
pub enum Texts {
    Few(Box<[Box<str>]>),
    Many(HashSet<Box<str>>),
}

const FEW: usize = 16;

impl Texts {
    /// Parses a JSON list of strings. Like the official engine it borrows them, so escapes are not valid. A malformed list is
    /// an empty list.
    fn parse(value: &str) -> Self {
        let texts: Vec<&str> = serde_json::from_str(value).unwrap_or_default();
        let few = texts.len() <= FEW;
        let texts = texts.into_iter().map(Into::into);
        if few {
            Self::Few(texts.collect())
        } else {
            Self::Many(texts.collect())
        }
    }

    fn contains(&self, text: &str) -> bool {
        match self {
            Self::Few(texts) => texts.iter().any(|one| **one == *text),
            Self::Many(texts) => texts.contains(text),
        }
    }
}

fn number(operator: &str, value: &str) -> Check {
    match operator {
        "isoneof" => numbers(value).map_or(Check::Never, Check::NumberOneOf),
        "isnotoneof" => numbers(value).map_or(Check::Never, Check::NumberNotOneOf),
        _ => match Comparison::from_name(operator) {
            Some(comparison) => value.parse().map_or(Check::Never, |operand| Check::Number(comparison, operand)),
            None => presence(operator),
        },
    }
}

fn numbers(value: &str) -> Option<Box<[i32]>> {
    let mut numbers: Vec<i32> = serde_json::from_str(value).ok()?;
    numbers.sort_unstable();
    numbers.dedup();
    Some(numbers.into_boxed_slice())
}

fn time(operator: &str, value: &str) -> Check {
    match Comparison::from_name(operator) {
        Some(comparison) => seconds(value).map_or(Check::Never, |operand| Check::Time(comparison, operand)),
        None => presence(operator),
    }
}

/// Whole seconds since the epoch, rounded down.
fn seconds(text: &str) -> Option<i64> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Constraint;

    fn matches(kind: ConstraintType, operator: &str, value: &str, text: &str) -> bool {
        let constraint = Constraint { kind, property: "p".into(), operator: operator.into(), value: value.into() };
        Check::new(&constraint).matches(text.as_bytes())
    }

    #[test]
    fn an_empty_text_is_empty_and_nothing_else() {
        let operators = ["eq", "neq", "prefix", "suffix", "contains", "notcontains", "isoneof", "isnotoneof", "lt", ""];
        for kind in ["STRING", "ENTITY_ID", "NUMBER", "BOOLEAN", "DATETIME", "X"] {
            let kind = ConstraintType::from_name(&format!("{kind}_CONSTRAINT_COMPARISON_TYPE"));
            for operator in operators {
                assert!(!matches(kind, operator, "", ""), "{kind:?} {operator}");
            }
        }
        assert!(matches(ConstraintType::String, "empty", "", ""));
        assert!(!matches(ConstraintType::String, "empty", "", " "));
        assert!(matches(ConstraintType::String, "notempty", "", " "));
        assert!(matches(ConstraintType::Boolean, "notpresent", "", ""));
        assert!(matches(ConstraintType::DateTime, "present", "", "x"));
    }

    #[test]
    fn a_number_or_a_date_is_less_equal_or_greater() {
        let operators = ["eq", "neq", "lt", "lte", "gt", "gte"];
        let less = [false, true, true, true, false, false];
        let equal = [true, false, false, true, false, true];
        let greater = [false, true, false, false, true, true];
        let numbers = (ConstraintType::Number, "2", ["-2", "2", "10"]);
        let instants = ["2024-02-02T23:59:59Z", "2024-02-03T01:00:00+01:00", "2024-02-03T00:00:01Z"];
        let dates = (ConstraintType::DateTime, "2024-02-03T00:00:00Z", instants);
        for (kind, operand, values) in [numbers, dates] {
            for (value, expected) in values.into_iter().zip([less, equal, greater]) {
                assert_eq!(operators.map(|operator| matches(kind, operator, operand, value)), expected, "{value}");
            }
        }
    }

    #[test]
    fn a_list_of_strings_is_read_without_unescaping() {
        let string = ConstraintType::String;
        assert!(matches(string, "isoneof", r#" ["a", "é"] "#, "é"));
        assert!(!matches(string, "isoneof", r#"["a","\u00e9"]"#, "a"));
        assert!(matches(string, "isnotoneof", r#"["a","\u00e9"]"#, "a"));
        assert!(!matches(string, "isoneof", r#"["a",1]"#, "a"));
        assert!(matches(string, "isnotoneof", "a", "a"));
        let many: Vec<_> = (0..=FEW).map(|index| index.to_string()).collect();
        let many = serde_json::to_string(&many).unwrap();
        assert!(matches(string, "isoneof", &many, "16") && !matches(string, "isoneof", &many, "17"));
        assert!(matches(string, "isnotoneof", &many, "17") && !matches(string, "isnotoneof", &many, "0"));
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_no_text() {
        let check = |operator: &str, value: &str| {
            let (kind, property) = (ConstraintType::String, "p".into());
            Check::new(&Constraint { kind, property, operator: operator.into(), value: value.into() }).matches(&[0xff])
        };
        assert!(check("notempty", "") && check("neq", "a"));
        for operator in ["eq", "prefix", "suffix", "contains", "notcontains", "isoneof", "isnotoneof"] {
            assert!(!check(operator, "a"), "{operator}");
        }
    }

    #[test]
    fn numbers_are_32_bit_integers() {
        let number = ConstraintType::Number;
        for text in ["7", "+7", "007"] {
            assert!(matches(number, "eq", "7", text) && matches(number, "isoneof", "[1,7]", text), "{text}");
        }
        for text in ["7.0", "7e0", " 7", "2147483648", "x", "٧"] {
            assert!(!matches(number, "eq", "7", text) && !matches(number, "neq", "7", text), "{text}");
            assert!(!matches(number, "isnotoneof", "[1]", text), "{text}");
        }
        for list in ["[1.0]", "[-0]", "[2147483648]", "[\"1\"]", "1", ""] {
            assert!(!matches(number, "isoneof", list, "1") && !matches(number, "isnotoneof", list, "2"), "{list}");
        }
        assert!(matches(number, "isnotoneof", "[]", "1"));
        assert!(matches(number, "gte", "-2147483648", "-2147483648"));
    }

    #[test]
    fn dates_are_rfc_3339_in_whole_seconds() {
        let time = ConstraintType::DateTime;
        let base = "2024-01-02T03:04:05Z";
        for text in ["2024-01-02 03:04:05.999z", "2024-01-02t04:04:05+01:00", "2024-01-02T02:04:05\u{2212}01:00"] {
            assert!(matches(time, "eq", base, text), "{text}");
        }
        assert!(matches(time, "eq", "2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z"));
        for text in ["2024-01-02", "soon", "2024-02-30T00:00:00Z", "2024-01-02T03:04:05"] {
            assert!(!matches(time, "neq", base, text) && !matches(time, "neq", text, base), "{text}");
        }
        assert!(matches(time, "lt", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z"));
    }
}
