//! The definition of a flag, common to server documents and to the seeds of the official clients. It is compiled for
//! evaluation.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::de::text;

/// Defines an enum with its names on the wire. An unknown name maps to the last variant.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),+ ; else $other:ident = $other_text:literal }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($variant),+ , $other }

        impl $name {
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ , Self::$other => $other_text }
            }

            #[must_use]
            pub fn from_name(name: &str) -> Self {
                match name { $($text => Self::$variant),+ , _ => Self::$other }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                text(deserializer, Self::from_name)
            }
        }
    };
}

named!(FlagType { Boolean = "BOOLEAN_FLAG_TYPE"; else Variant = "VARIANT_FLAG_TYPE" });

named!(
    /// Whether all segments must match or one is enough.
    Operator { And = "AND_SEGMENT_OPERATOR"; else Or = "OR_SEGMENT_OPERATOR" }
);

named!(
    /// Whether all constraints must match or one is enough.
    MatchType { All = "ALL_SEGMENT_MATCH_TYPE"; else Any = "ANY_SEGMENT_MATCH_TYPE" }
);

named!(ConstraintType {
    String = "STRING_CONSTRAINT_COMPARISON_TYPE",
    Number = "NUMBER_CONSTRAINT_COMPARISON_TYPE",
    Boolean = "BOOLEAN_CONSTRAINT_COMPARISON_TYPE",
    DateTime = "DATETIME_CONSTRAINT_COMPARISON_TYPE",
    EntityId = "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE";
    else Unknown = "UNKNOWN_CONSTRAINT_COMPARISON_TYPE"
});

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Constraint {
    #[serde(rename = "type")]
    pub kind: ConstraintType,
    pub property: Box<str>,
    pub operator: Box<str>,
    pub value: Box<str>,
}

/// The maximum length of a flag's key in UTF-16 code units. A seed repeats the key in every rule and distribution.
pub const MAX_KEY_LENGTH: usize = 1024;

/// Why a flag's key cannot be loaded, if it is too long.
#[must_use]
pub fn key_problem(key: &str) -> Option<String> {
    // no text has more code units than bytes
    let length = if key.len() <= MAX_KEY_LENGTH { 0 } else { key.encode_utf16().count() };
    (length > MAX_KEY_LENGTH)
        .then(|| format!("a flag key has {length} UTF-16 code units, but at most {MAX_KEY_LENGTH} are supported"))
}

#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub key: Box<str>,
    pub match_type: MatchType,
    pub constraints: Box<[Constraint]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Audience {
    pub operator: Operator,
    /// Equal segments are shared.
    pub segments: Arc<[Arc<Segment>]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    pub variant_key: Box<str>,
    pub attachment: Option<Box<str>>,
    /// The share in percent.
    pub rollout: f32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub audience: Audience,
    pub distributions: Arc<[Distribution]>,
}

impl Rule {
    /// The distributions with a share above zero.
    pub fn shares(&self) -> impl Iterator<Item = &Distribution> {
        self.distributions.iter().filter(|distribution| distribution.rollout > 0.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Threshold {
    pub percentage: f32,
    pub value: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SegmentRollout {
    pub audience: Audience,
    pub value: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Rollout {
    Threshold(Threshold),
    Segment(SegmentRollout),
    Unknown,
}

impl Rollout {
    /// The kind of a rollout follows from the field that is present. Its type is ignored, as in the official engine.
    #[must_use]
    pub fn new(threshold: Option<Threshold>, segment: Option<SegmentRollout>) -> Self {
        match (threshold, segment) {
            (Some(threshold), _) => Self::Threshold(threshold),
            (None, Some(segment)) => Self::Segment(segment),
            (None, None) => Self::Unknown,
        }
    }
}

/// Documents, seeds and lists of flags use the same JSON for a default variant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DefaultVariant {
    pub id: Box<str>,
    pub key: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Box<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Flag {
    pub key: Box<str>,
    pub kind: FlagType,
    pub enabled: bool,
    pub description: Option<Box<str>>,
    pub default_variant: Option<DefaultVariant>,
    pub rules: Box<[Rule]>,
    pub rollouts: Box<[Rollout]>,
}

impl Flag {
    /// The constraints of all segments.
    pub fn constraints(&self) -> impl Iterator<Item = &Constraint> {
        let rollouts = self.rollouts.iter().filter_map(|rollout| match rollout {
            Rollout::Segment(segment) => Some(&segment.audience),
            _ => None,
        });
        let audiences = self.rules.iter().map(|rule| &rule.audience).chain(rollouts);
        audiences.flat_map(|audience| &*audience.segments).flat_map(|segment| &*segment.constraints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_means_what_the_reference_engine_reads() {
        assert_eq!(FlagType::from_name("toString"), FlagType::Variant);
        assert_eq!(Operator::from_name(""), Operator::Or);
        assert_eq!(MatchType::from_name("ODD"), MatchType::Any);
        assert_eq!(ConstraintType::from_name("x"), ConstraintType::Unknown);
        let name = ConstraintType::DateTime.name();
        assert_eq!(ConstraintType::from_name(name), ConstraintType::DateTime);
    }

    #[test]
    fn a_threshold_takes_precedence_over_a_segment() {
        let threshold = Threshold { percentage: 1.0, value: true };
        let audience = Audience { operator: Operator::Or, segments: Arc::default() };
        let segment = SegmentRollout { audience, value: true };
        assert_eq!(Rollout::new(Some(threshold), Some(segment.clone())), Rollout::Threshold(threshold));
        assert_eq!(Rollout::new(None, Some(segment.clone())), Rollout::Segment(segment));
        assert_eq!(Rollout::new(None, None), Rollout::Unknown);
    }
}
