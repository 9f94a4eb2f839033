//! The fingerprint of a flag: a hash over every field that affects its evaluation. All engines compute the same value.
//!
//! It consists of two 32-bit hashes. Texts are prefixed with their length and lists with their size, so that different
//! structures hash different bytes. It detects changes; it does not resist deliberate collisions.

use crate::definition::{Audience, Flag, FlagType, MatchType, Operator, Rollout};

// FNV-1a's offset basis and prime for the first half, MurmurHash3's multiplier and another odd seed for the second.
const SEEDS: (u32, u32) = (0x811c_9dc5, 0x9747_b28c);
const PRIMES: (u32, u32) = (0x0100_0193, 0xcc9e_2d51);

struct Hasher(u32, u32);

impl Hasher {
    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(PRIMES.0);
        self.1 = (self.1 ^ u32::from(byte)).wrapping_mul(PRIMES.1).rotate_left(13);
    }

    fn uint(&mut self, value: u32) {
        for byte in value.to_le_bytes() {
            self.byte(byte);
        }
    }

    /// Adds a size as 32 bits.
    #[allow(clippy::cast_possible_truncation, reason = "sizes in a document of less than 4 GiB fit")]
    fn size(&mut self, size: usize) {
        self.uint(size as u32);
    }

    fn float(&mut self, value: f32) {
        self.uint(value.to_bits());
    }

    fn flag(&mut self, value: bool) {
        self.uint(u32::from(value));
    }

    fn text(&mut self, value: &str) {
        self.size(value.len());
        for byte in value.bytes() {
            self.byte(byte);
        }
    }

    fn optional(&mut self, value: Option<&str>) {
        self.flag(value.is_some());
        if let Some(value) = value {
            self.text(value);
        }
    }

    fn list<T>(&mut self, values: &[T], add: impl Fn(&mut Self, &T)) {
        self.size(values.len());
        for value in values {
            add(self, value);
        }
    }

    fn audience(&mut self, audience: &Audience) {
        self.flag(audience.operator == Operator::And);
        self.list(&audience.segments, |hasher, segment| {
            hasher.text(&segment.key);
            hasher.flag(segment.match_type == MatchType::Any);
            hasher.list(&segment.constraints, |hasher, constraint| {
                hasher.text(constraint.kind.name());
                hasher.text(&constraint.property);
                hasher.text(&constraint.operator);
                hasher.text(&constraint.value);
            });
        });
    }

    fn rollout(&mut self, rollout: &Rollout) {
        match rollout {
            Rollout::Threshold(threshold) => {
                self.uint(1);
                self.float(threshold.percentage);
                self.flag(threshold.value);
            }
            Rollout::Segment(segment) => {
                self.uint(2);
                self.flag(segment.value);
                self.audience(&segment.audience);
            }
            Rollout::Unknown => self.uint(0),
        }
    }
}

/// The fingerprint of a flag, as 16 hex digits.
#[must_use]
pub fn fingerprint(flag: &Flag) -> String {
    let mut hasher = Hasher(SEEDS.0, SEEDS.1);
    hasher.text(&flag.key);
    hasher.flag(flag.kind == FlagType::Boolean);
    hasher.flag(flag.enabled);
    let default_variant = flag.default_variant.as_ref();
    hasher.optional(default_variant.map(|variant| &*variant.key));
    hasher.optional(default_variant.and_then(|variant| variant.attachment.as_deref()));
    hasher.list(&flag.rules, |hasher, rule| {
        hasher.audience(&rule.audience);
        hasher.list(&rule.distributions, |hasher, distribution| {
            hasher.text(&distribution.variant_key);
            hasher.optional(distribution.attachment.as_deref());
            hasher.float(distribution.rollout);
        });
    });
    hasher.list(&flag.rollouts, Hasher::rollout);
    format!("{:08x}{:08x}", hasher.0, hasher.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_portable_engines() {
        let text = r#"{"namespace":{"key":"n"},"flags":[
            {"key":"plain","name":"","enabled":false},
            {"key":"флаг😀","name":"","enabled":true,"description":"d",
                "defaultVariant":{"id":"i","key":"k","attachment":"{}"},
                "rules":[{"segmentOperator":"AND_SEGMENT_OPERATOR","segments":[{"key":"s","matchType":"ODD","constraints":[
                    {"type":"ODD","property":"p","operator":"eq","value":"é"}]}],
                    "distributions":[{"variantKey":"v","rollout":33.333333333},
                        {"variantKey":"w","variantAttachment":"","rollout":0}]}]},
            {"key":"b","name":"","enabled":true,"type":"BOOLEAN_FLAG_TYPE","rollouts":[
                {},{"threshold":{"percentage":66.6,"value":true}},{"segment":{"value":false,"segments":[]}}]}]}"#;
        let flags = crate::document::read(text, "n").unwrap().flags;
        let fingerprints: Vec<_> = flags.iter().map(fingerprint).collect();
        assert_eq!(fingerprints, ["cfc21af473256618", "3a98d570bf607ed2", "51b159cae1cde3d3"]);
    }
}
