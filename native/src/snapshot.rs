//! A compiled, immutable flag state.

use std::hash::{BuildHasher, RandomState};

use crate::compile::Flag;
use crate::constraint::has_escaped_list;
use crate::definition;
use crate::json::Malformed;
use crate::{document, seed};

pub struct Snapshot {
    namespace: Box<str>,
    digest: Option<Box<str>>,
    /// In document order.
    flags: Box<[Flag]>,
    indexes: Indexes,
    /// The indexes of the flags that have a list with an escape.
    escaped_lists: Box<[u32]>,
}

/// A hash table from keys to flags that does not copy the keys. It uses open addressing with linear probing.
struct Indexes {
    hashes: RandomState,
    /// The flag's index plus one, or 0 for a free entry. At most half of the entries are used.
    entries: Box<[u32]>,
}

impl Indexes {
    fn new(flags: &[Flag]) -> Self {
        let hashes = RandomState::new();
        let mut entries = vec![0; (flags.len() * 2).next_power_of_two()].into_boxed_slice();
        for (flag, value) in flags.iter().zip(1..) {
            let mut position = Self::start(&hashes, &flag.definition.key, entries.len());
            while entries[position] != 0 {
                position = (position + 1) % entries.len();
            }
            entries[position] = value;
        }
        Self { hashes, entries }
    }

    #[allow(clippy::cast_possible_truncation, reason = "only the low bits are used")]
    fn start(hashes: &RandomState, key: &str, entries: usize) -> usize {
        hashes.hash_one(key) as usize & (entries - 1)
    }

    fn find(&self, flags: &[Flag], key: &str) -> Option<u32> {
        let mut position = Self::start(&self.hashes, key, self.entries.len());
        loop {
            let index = self.entries[position].checked_sub(1)?;
            if *flags[index as usize].definition.key == *key {
                return Some(index);
            }
            position = (position + 1) % self.entries.len();
        }
    }
}

impl Snapshot {
    /// # Errors
    /// The problem with the document and its location.
    pub fn from_document(namespace: &str, text: &str) -> Result<Self, Malformed> {
        let document = document::read(text, namespace)?;
        Ok(Self::new(namespace, document.digest, document.flags, text))
    }

    /// # Errors
    /// The problem with the seed and its location.
    pub fn from_seed(namespace: &str, text: &str) -> Result<Self, Malformed> {
        Ok(Self::new(namespace, None, seed::read(text, namespace)?, text))
    }

    fn new(namespace: &str, digest: Option<Box<str>>, flags: Box<[definition::Flag]>, text: &str) -> Self {
        let flags = Flag::compile(flags);
        let indexes = Indexes::new(&flags);
        // in the text, an escape inside of a string in a string starts with two backslashes
        let escaped_lists = if text.contains(r"\\") { escaped_lists(&flags) } else { Box::default() };
        Self { namespace: namespace.into(), digest, flags, indexes, escaped_lists }
    }

    /// The digest in the document.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The keys of the flags that have a list with an escape. Such a list counts as empty.
    #[must_use]
    pub fn escaped_lists(&self) -> Vec<&str> {
        self.escaped_lists.iter().map(|index| &*self.flags[*index as usize].definition.key).collect()
    }

    #[must_use]
    pub fn flags(&self) -> &[Flag] {
        &self.flags
    }

    #[must_use]
    pub fn flag(&self, index: u32) -> Option<&Flag> {
        self.flags.get(index as usize)
    }

    /// The index of the flag with a key.
    #[must_use]
    pub fn index(&self, key: &str) -> Option<u32> {
        self.indexes.find(&self.flags, key)
    }

    /// The state as the JSON text of a seed.
    #[must_use]
    pub fn seed(&self) -> Vec<u8> {
        let flags: Vec<_> = self.flags.iter().map(|flag| &flag.definition).collect();
        seed::write(&self.namespace, &flags)
    }
}

fn escaped_lists(flags: &[Flag]) -> Box<[u32]> {
    let is_escaped = |flag: &Flag| flag.definition.constraints().any(has_escaped_list);
    flags.iter().zip(0..).filter(|(flag, _)| is_escaped(flag)).map(|(_, index)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_flags_with_an_escape_in_a_list() {
        let flag = |key: &str, kind: &str, operator: &str, value: &str| {
            let constraint = serde_json::json!({
                "type": format!("{kind}_CONSTRAINT_COMPARISON_TYPE"), "property": "p", "operator": operator, "value": value
            });
            let segments = serde_json::json!([{ "key": "s", "matchType": "", "constraints": [constraint] }]);
            if key == "rollout" {
                serde_json::json!({ "key": key, "name": "", "enabled": true,
                    "rollouts": [{ "segment": { "value": true, "segments": segments } }] })
            } else {
                serde_json::json!({ "key": key, "name": "", "enabled": true,
                    "rules": [{ "segmentOperator": "", "segments": segments, "distributions": [] }] })
            }
        };
        let escaped = r#"["R\u0026D","Sales"]"#;
        let flags = [
            flag("rule", "STRING", "isoneof", escaped),
            flag("plain", "STRING", "isoneof", r#"["R&D"]"#),
            flag("rollout", "ENTITY_ID", "isnotoneof", r#"["\""]"#),
            flag("eq", "STRING", "eq", escaped),
            flag("number", "NUMBER", "isoneof", escaped),
            flag("no list", "STRING", "isoneof", r"a\b"),
        ];
        let text = serde_json::json!({ "namespace": { "key": "n" }, "flags": flags }).to_string();
        let snapshot = Snapshot::from_document("n", &text).unwrap();
        assert_eq!(snapshot.escaped_lists(), ["rule", "rollout"]);
        let seed = String::from_utf8(snapshot.seed()).unwrap();
        assert_eq!(Snapshot::from_seed("n", &seed).unwrap().escaped_lists(), ["rule", "rollout"]);
    }

    #[test]
    fn knows_its_flags_by_key_and_by_index() {
        let text = r#"{"namespace":{"key":"n"},"digest":"d","flags":[
            {"key":"b","name":"","enabled":true},{"key":"a","name":"","enabled":true},{"key":"b","name":"","enabled":false}]}"#;
        let snapshot = Snapshot::from_document("n", text).unwrap();
        assert_eq!(["b", "a", "c"].map(|key| snapshot.index(key)), [Some(0), Some(1), None]);
        assert!(!snapshot.flag(0).unwrap().definition.enabled);
        assert!(snapshot.flag(2).is_none());
        assert_eq!(snapshot.digest(), Some("d"));
        let seed = String::from_utf8(snapshot.seed()).unwrap();
        let restored = Snapshot::from_seed("n", &seed).unwrap();
        assert_eq!(restored.index("a"), Some(1));
        assert_eq!(restored.digest(), None);
    }

    #[test]
    fn finds_each_of_many_flags() {
        let flags: Vec<_> =
            (0..1000).map(|index| format!(r#"{{"key":"flag-{index}","name":"","enabled":true}}"#)).collect();
        let text = format!(r#"{{"namespace":{{"key":"n"}},"flags":[{}]}}"#, flags.join(","));
        let snapshot = Snapshot::from_document("n", &text).unwrap();
        assert!((0..1000).all(|index| snapshot.index(&format!("flag-{index}")) == Some(index)));
        assert!((1000..2000).all(|index| snapshot.index(&format!("flag-{index}")).is_none()));
    }
}
