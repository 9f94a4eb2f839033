//! Deserializers for documents and seeds where serde's defaults are too lenient: a list of values is not an object, a map has
//! unique keys, and a number fits in single precision.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A struct in the form of a JSON object.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// A map with arbitrary keys, in the order of the text.
pub struct Record<T>(pub Vec<(Box<str>, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Record<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RecordVisitor(PhantomData))
    }
}

struct RecordVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for RecordVisitor<T> {
    type Value = Record<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = HashSet::<Box<str>>::new();
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Box<str>>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(DUPLICATE));
            }
            entries.push((key, map.next_value()?));
        }
        Ok(Record(entries))
    }
}

/// The message about a duplicate key.
pub const DUPLICATE: &str = "occurs twice";

/// A list of objects; each is converted as soon as it is read.
struct ObjectsVisitor<Raw, T>(PhantomData<(Raw, T)>);

impl<'de, Raw: Deserialize<'de>, T: From<Raw>> Visitor<'de> for ObjectsVisitor<Raw, T> {
    type Value = Box<[T]>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Object(raw)) = list.next_element::<Object<Raw>>()? {
            values.push(T::from(raw));
        }
        Ok(values.into_boxed_slice())
    }
}

struct Objects<Raw, T>(Box<[T]>, PhantomData<Raw>);

impl<'de, Raw: Deserialize<'de>, T: From<Raw>> Deserialize<'de> for Objects<Raw, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = deserializer.deserialize_seq(ObjectsVisitor::<Raw, T>(PhantomData))?;
        Ok(Self(values, PhantomData))
    }
}

pub fn objects<'de, D, Raw, T>(deserializer: D) -> Result<Box<[T]>, D::Error>
where
    D: Deserializer<'de>,
    Raw: Deserialize<'de>,
    T: From<Raw>,
{
    Objects::<Raw, T>::deserialize(deserializer).map(|Objects(values, _)| values)
}

/// A list of objects, where null means an empty list.
pub fn optional_objects<'de, D, Raw, T>(deserializer: D) -> Result<Box<[T]>, D::Error>
where
    D: Deserializer<'de>,
    Raw: Deserialize<'de>,
    T: From<Raw>,
{
    let values = Option::<Objects<Raw, T>>::deserialize(deserializer)?;
    Ok(values.map(|Objects(values, _)| values).unwrap_or_default())
}

pub fn object<'de, D, Raw, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    Raw: Deserialize<'de>,
    T: From<Raw>,
{
    Object::<Raw>::deserialize(deserializer).map(|Object(raw)| T::from(raw))
}

pub fn optional_object<'de, D, Raw, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    Raw: Deserialize<'de>,
    T: From<Raw>,
{
    let value = Option::<Object<Raw>>::deserialize(deserializer)?;
    Ok(value.map(|Object(raw)| T::from(raw)))
}

/// A number in single precision. It is rounded to double precision first, like in JavaScript.
#[allow(clippy::cast_possible_truncation, reason = "a number beyond single precision becomes infinite")]
pub fn single<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let value = f64::deserialize(deserializer)? as f32;
    if value.is_finite() {
        // normalizes -0 to 0
        Ok(value + 0.0)
    } else {
        Err(D::Error::custom("a number beyond single precision"))
    }
}

/// Reads a string without keeping it.
pub fn text<'de, D, T>(deserializer: D, read: fn(&str) -> T) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(TextVisitor(read))
}

struct TextVisitor<T>(fn(&str) -> T);

impl<T> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(self.0(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Point {
        x: f32,
    }

    #[test]
    fn a_list_of_values_is_not_an_object() {
        assert!(serde_json::from_str::<Point>("[1]").is_ok());
        assert!(serde_json::from_str::<Object<Point>>("[1]").is_err());
        let Object(point) = serde_json::from_str::<Object<Point>>(r#"{"y":[],"x":1}"#).unwrap();
        assert!((point.x - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn a_record_keeps_its_order_and_rejects_duplicate_keys() {
        let Record(entries) = serde_json::from_str::<Record<u8>>(r#"{"b":1,"a":2}"#).unwrap();
        assert_eq!(entries, [("b".into(), 1), ("a".into(), 2)]);
        assert!(serde_json::from_str::<Record<u8>>(r#"{"a":1,"\u0061":2}"#).is_err());
    }

    #[test]
    fn a_number_fits_into_single_precision() {
        let read = |text: &str| single(&mut serde_json::Deserializer::from_str(text)).ok();
        assert_eq!(read("3.4028235e38"), Some(f32::MAX));
        assert_eq!(read("1e-400"), Some(0.0));
        assert_eq!(read("7.038531e-26").map(f32::to_bits), Some(0x15ae_43fe));
        assert_eq!(read("3.4028236e38"), None);
        assert_eq!(read("1e400"), None);
        assert_eq!(read("null"), None);
    }
}
