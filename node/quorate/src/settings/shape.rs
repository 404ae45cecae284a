//! How what was given becomes a value: flags and variables are texts, and a file may use texts as well.

use figment::value::{Dict, Num, Value};

/// How the text of a flag or a variable becomes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As it is, even if it looks like a number: an account begins with zeros.
    Text,
    Number,
    /// Separated by commas.
    Texts,
    Numbers,
    /// `K=V`, separated by commas.
    Pairs,
}

impl Shape {
    /// A text or a list of texts, as flags and variables give them, in this shape; anything else as it is, so that a
    /// file may use TOML's own types.
    pub(super) fn value(self, given: Value) -> Value {
        let texts = match &given {
            Value::String(_, text) => Some(vec![text.as_str()]),
            Value::Array(_, elements) => elements.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let Some(texts) = texts else { return given };
        let parts = || {
            texts
                .iter()
                .flat_map(|text| text.split(','))
                .map(str::trim)
                .filter(|part| !part.is_empty())
        };
        match self {
            Self::Text => Value::from(texts.join(",")),
            Self::Number => number(texts.join(",").trim()),
            Self::Texts => parts().map(Value::from).collect::<Vec<_>>().into(),
            Self::Numbers => parts().map(number).collect::<Vec<_>>().into(),
            Self::Pairs => {
                let pair = |part: &str| {
                    part.split_once('=')
                        .map(|(key, value)| (key.to_owned(), Value::from(value)))
                };
                parts()
                    .map(pair)
                    .collect::<Option<Dict>>()
                    .map_or(given, Value::from)
            }
        }
    }
}

/// A number, or the text as it is, which is then refused with the place it came from.
fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(
        |_| Value::from(text),
        |number| Value::from(Num::U64(number)),
    )
}
