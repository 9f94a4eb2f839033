//! A request as it lies in memory: little-endian words of 32 bits, first the byte length of the entity's id, then that
//! of the value of each property that the flag reads, nothing for an absent one; then the bytes of all of them.

use crate::code::Code;

/// The slot of the entity's id; those of the properties follow.
pub const ENTITY: u32 = 0;

const WORD: usize = 4;

/// A request that has been checked.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    lengths: &'a [u8],
    texts: &'a str,
}

impl<'a> Request<'a> {
    /// Checks the request that the bytes begin with.
    ///
    /// # Errors
    /// `Code::Argument` when it reaches over the end, or a text of it is not UTF-8.
    pub fn decode(bytes: &'a [u8], properties: usize) -> Result<Self, Code> {
        let (lengths, rest) = bytes.split_at_checked((properties + 1) * WORD).ok_or(Code::Argument)?;
        let mut total = 0_usize;
        for length in words(lengths) {
            total = total.checked_add(length as usize).ok_or(Code::Argument)?;
        }
        let texts = std::str::from_utf8(rest.get(..total).ok_or(Code::Argument)?).map_err(|_| Code::Argument)?;
        let mut end = 0;
        for length in words(lengths) {
            end += length as usize;
            if !texts.is_char_boundary(end) {
                return Err(Code::Argument);
            }
        }
        Ok(Self { lengths, texts })
    }

    #[must_use]
    pub fn entity_id(&self) -> &'a str {
        self.text(ENTITY)
    }

    /// The text in a slot; empty when the property is absent.
    ///
    /// # Panics
    /// When there is no such slot: the flag that the request was checked for has them all.
    #[must_use]
    pub fn text(&self, slot: u32) -> &'a str {
        let before = slot as usize * WORD;
        let start: usize = words(&self.lengths[..before]).map(|length| length as usize).sum();
        let length = word(&self.lengths[before..]) as usize;
        &self.texts[start..start + length]
    }
}

/// The word that the bytes begin with.
fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn words(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.chunks_exact(WORD).map(word)
}

/// Requests one after the other: each has the flag's index, the byte length of what follows, and then the request,
/// filled up to whole words.
pub struct Requests<'a>(&'a [u8]);

impl<'a> Requests<'a> {
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next flag's index, and the bytes of its request.
    ///
    /// # Errors
    /// `Code::Argument` when it reaches over the end.
    pub fn take(&mut self) -> Result<(u32, &'a [u8]), Code> {
        let (head, rest) = self.0.split_at_checked(2 * WORD).ok_or(Code::Argument)?;
        let length = word(&head[WORD..]) as usize;
        let request = rest.get(..length).ok_or(Code::Argument)?;
        // the last one need not be filled up
        self.0 = rest.get(length.next_multiple_of(WORD)..).unwrap_or_default();
        Ok((word(head), request))
    }
}

/// A request in the form that [`Request::decode`] takes.
///
/// # Panics
/// When a text has 4 GiB.
#[must_use]
pub fn encode<'a>(entity_id: &'a str, values: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let texts: Vec<_> = std::iter::once(entity_id).chain(values).collect();
    let mut bytes = Vec::new();
    for text in &texts {
        bytes.extend(u32::try_from(text.len()).expect("a text of less than 4 GiB").to_le_bytes());
    }
    for text in &texts {
        bytes.extend(text.as_bytes());
    }
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
        let texts: Vec<_> = (0..4).map(|slot| request.text(slot)).collect();
        assert_eq!(texts, ["é1", "", "b", "日本"]);
        assert_eq!(request.entity_id(), "é1");
    }

    #[test]
    fn is_refused_when_it_reaches_over_the_end() {
        let bytes = encode("entity", ["value"]);
        for length in 0..bytes.len() {
            assert!(Request::decode(&bytes[..length], 1).is_err(), "{length}");
        }
        assert!(Request::decode(&bytes, 10).is_err());
        assert!(Request::decode(&u32::MAX.to_le_bytes().repeat(64), 32).is_err());
    }

    #[test]
    fn is_refused_when_a_text_is_not_utf_8() {
        assert!(Request::decode(&[1, 0, 0, 0, 0xff], 0).is_err());
        let mut split = encode("é", [""]);
        (split[0], split[4]) = (1, 1);
        assert!(Request::decode(&split, 1).is_err());
    }

    #[test]
    fn requests_follow_each_other_in_whole_words() {
        let one = [[7, 0, 0, 0], [5, 0, 0, 0], *b"abcd", *b"e\0\0\0"].concat();
        let bytes = [one.clone(), one[..13].to_vec()].concat();
        let mut requests = Requests::new(&bytes);
        assert_eq!(requests.take(), Ok((7, &b"abcde"[..])));
        assert_eq!(requests.take(), Ok((7, &b"abcde"[..])));
        assert_eq!(requests.take(), Err(Code::Argument));
        assert_eq!(Requests::new(&one[..12]).take(), Err(Code::Argument));
    }
}
