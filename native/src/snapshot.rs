//! A flag state, compiled and immutable.

use std::collections::HashMap;

use crate::compile::Flag;
use crate::definition;
use crate::json::Malformed;
use crate::{document, seed};

pub struct Snapshot {
    namespace: Box<str>,
    digest: Option<Box<str>>,
    /// In the document's order.
    flags: Box<[Flag]>,
    indexes: HashMap<Box<str>, u32>,
}

impl Snapshot {
    /// # Errors
    /// What is wrong with the document, and where.
    pub fn from_document(namespace: &str, text: &str) -> Result<Self, Malformed> {
        let document = document::read(text, namespace)?;
        Ok(Self::new(namespace, document.digest, document.flags))
    }

    /// # Errors
    /// What is wrong with the seed, and where.
    pub fn from_seed(namespace: &str, text: &str) -> Result<Self, Malformed> {
        Ok(Self::new(namespace, None, seed::read(text, namespace)?))
    }

    fn new(namespace: &str, digest: Option<Box<str>>, flags: Box<[definition::Flag]>) -> Self {
        let flags: Box<[_]> = flags.into_vec().into_iter().map(Flag::new).collect();
        let indexes = flags.iter().zip(0..).map(|(flag, index)| (flag.definition.key.clone(), index)).collect();
        Self { namespace: namespace.into(), digest, flags, indexes }
    }

    /// The document's own digest.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
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
        self.indexes.get(key).copied()
    }

    /// The same state as a seed.
    #[must_use]
    pub fn seed(&self) -> Vec<u8> {
        let flags: Vec<_> = self.flags.iter().map(|flag| &flag.definition).collect();
        seed::write(&self.namespace, &flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
