//! A request in memory: little-endian 32-bit words, two for the entity id and two for the value of each property that
//! the flag reads. The first word is the offset of the text's bytes, the second their number, 0 for an absent value.
//! Consecutive requests can use the same text.

use crate::abi::Code;

/// The slot of the entity id; the slots of the properties follow.
pub const ENTITY: u32 = 0;

const WORD: usize = 4;
const SLOT: usize = 2 * WORD;

/// A request that has been checked.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    memory: &'a [u8],
    slots: &'a [u8],
}

impl<'a> Request<'a> {
    /// Checks the request at the start of the memory.
    ///
    /// # Errors
    /// `Code::Argument` if it reaches beyond the end of the memory.
    pub fn decode(memory: &'a [u8], properties: usize) -> Result<Self, Code> {
        let slots = memory.get(..(properties + 1) * SLOT).ok_or(Code::Argument)?;
        Self::check(memory, slots)
    }

    fn check(memory: &'a [u8], slots: &'a [u8]) -> Result<Self, Code> {
        if slots.chunks_exact(SLOT).all(|slot| text(memory, slot).is_some()) {
            Ok(Self { memory, slots })
        } else {
            Err(Code::Argument)
        }
    }

    /// The bytes of the entity id.
    #[must_use]
    pub fn entity_id(&self) -> &'a [u8] {
        self.bytes(ENTITY)
    }

    /// The bytes of the text in a slot, empty if the property is absent. They may be invalid UTF-8.
    ///
    /// # Panics
    /// If the slot does not exist. The request was checked for all slots of its flag.
    #[must_use]
    pub fn bytes(&self, slot: u32) -> &'a [u8] {
        let start = slot as usize * SLOT;
        text(self.memory, &self.slots[start..start + SLOT]).unwrap_or_default()
    }
}

/// The first word of some bytes.
fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// The bytes that a slot refers to, if they are within the memory.
fn text<'a>(memory: &'a [u8], slot: &[u8]) -> Option<&'a [u8]> {
    let (start, length) = (word(slot) as usize, word(&slot[WORD..]) as usize);
    memory.get(start..)?.get(..length)
}

/// Consecutive requests from the start of the memory. Each has the flag's index, the number of slots, and the slots. The
/// texts can be anywhere in the memory.
pub struct Requests<'a> {
    memory: &'a [u8],
    rest: &'a [u8],
}

/// A request of a batch that has not been checked yet.
pub struct Raw<'a> {
    pub flag: u32,
    memory: &'a [u8],
    slots: &'a [u8],
}

impl<'a> Raw<'a> {
    /// Checks the request.
    ///
    /// # Errors
    /// `Code::Argument` if it has the wrong number of slots or a text reaches beyond the end.
    pub fn decode(&self, properties: usize) -> Result<Request<'a>, Code> {
        if self.slots.len() == (properties + 1) * SLOT {
            Request::check(self.memory, self.slots)
        } else {
            Err(Code::Argument)
        }
    }
}

impl<'a> Requests<'a> {
    #[must_use]
    pub fn new(memory: &'a [u8]) -> Self {
        Self { memory, rest: memory }
    }

    /// Takes the next request.
    ///
    /// # Errors
    /// `Code::Argument` if it reaches beyond the end of the memory.
    pub fn take(&mut self) -> Result<Raw<'a>, Code> {
        let (head, rest) = self.rest.split_at_checked(2 * WORD).ok_or(Code::Argument)?;
        let size = (word(&head[WORD..]) as usize).checked_mul(SLOT).ok_or(Code::Argument)?;
        let (slots, rest) = rest.split_at_checked(size).ok_or(Code::Argument)?;
        self.rest = rest;
        Ok(Raw { flag: word(head), memory: self.memory, slots })
    }
}

fn le(number: usize) -> [u8; WORD] {
    u32::try_from(number).expect("less than 4 GiB").to_le_bytes()
}

/// Encodes a request for [`Request::decode`].
///
/// # Panics
/// If it takes 4 GiB or more.
#[must_use]
pub fn encode<'a>(entity_id: &'a str, values: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let texts: Vec<_> = std::iter::once(entity_id).chain(values).collect();
    let mut bytes = Vec::new();
    let mut offset = texts.len() * SLOT;
    for text in &texts {
        bytes.extend(le(offset));
        bytes.extend(le(text.len()));
        offset += text.len();
    }
    for text in &texts {
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// Encodes requests for [`Requests`], each with the index of its flag.
///
/// # Panics
/// If they take 4 GiB or more.
#[must_use]
pub fn encode_batch(requests: &[(u32, &str, &[&str])]) -> Vec<u8> {
    let mut texts: Vec<u8> = Vec::new();
    let slots: usize = requests.iter().map(|(_, _, values)| values.len() + 2).sum();
    let mut bytes = Vec::new();
    for (flag, entity_id, values) in requests {
        bytes.extend(flag.to_le_bytes());
        bytes.extend(le(values.len() + 1));
        for text in std::iter::once(entity_id).chain(*values) {
            bytes.extend(le(slots * SLOT + texts.len()));
            bytes.extend(le(text.len()));
            texts.extend(text.as_bytes());
        }
    }
    bytes.extend(texts);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_its_texts_by_slot() {
        let mut bytes = encode("é1", ["", "b", "日本"]);
        bytes.extend(b"what follows");
        let request = Request::decode(&bytes, 3).unwrap();
        let texts: Vec<_> = (0..4).map(|slot| request.bytes(slot)).collect();
        assert_eq!(texts, ["é1", "", "b", "日本"].map(str::as_bytes));
        assert_eq!(request.entity_id(), "é1".as_bytes());
    }

    #[test]
    fn is_rejected_if_it_reaches_beyond_the_end() {
        let bytes = encode("entity", ["value"]);
        for length in 0..bytes.len() {
            assert!(Request::decode(&bytes[..length], 1).is_err(), "{length}");
        }
        assert!(Request::decode(&bytes, 10).is_err());
        assert!(Request::decode(&u32::MAX.to_le_bytes().repeat(64), 31).is_err());
    }

    #[test]
    fn requests_follow_each_other() {
        let bytes = encode_batch(&[(7, "e", &[]), (1, "f", &["x", ""]), (2, "g", &[])]);
        let mut requests = Requests::new(&bytes);
        for (flag, entity_id, values) in [(7, "e", 0), (1, "f", 2), (2, "g", 0)] {
            let raw = requests.take().unwrap();
            assert_eq!(raw.flag, flag);
            assert!(raw.decode(values + 1).is_err());
            let request = raw.decode(values).unwrap();
            assert_eq!(request.entity_id(), entity_id.as_bytes());
            assert!(values < 2 || (request.bytes(1), request.bytes(2)) == (b"x", b""));
        }
        for length in 0..16 {
            assert!(Requests::new(&bytes[..length]).take().is_err(), "{length}");
        }
        assert!(Requests::new(&u32::MAX.to_le_bytes().repeat(4)).take().is_err());
    }
}
