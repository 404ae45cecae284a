//! JSON from outside: depth limited and no key twice in one object.
//!
//! A second key with the same name is how two parsers are made to read two different requests (one checks the first,
//! the other acts on the last), so it is refused like any malformed body.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::super::exception::{Exception, Kind};

/// Levels of nesting that a body may have. The deepest input of the model has 8; the rest is room for documents, and far
/// from what could exhaust a stack.
const DEPTH: usize = 64;

/// Parses a body, or refuses it as `SerializationException`.
pub(super) fn parse(body: &[u8]) -> Result<Value, Exception> {
    let mut source = serde_json::Deserializer::from_slice(body);
    let value = Level(DEPTH)
        .deserialize(&mut source)
        .and_then(|value| source.end().map(|()| value));
    value.map_err(|error| {
        Exception::new(
            Kind::Serialization,
            format!("The request body is not valid JSON: {error}"),
        )
    })
}

/// How many levels are left.
struct Level(usize);

impl Level {
    fn below<E: Error>(&self) -> Result<usize, E> {
        self.0
            .checked_sub(1)
            .ok_or_else(|| E::custom(format_args!("more than {DEPTH} levels of nesting")))
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Level(below))? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom("a key appears twice in one object"));
            }
            let value = entries.next_value_seed(Level(below))?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
