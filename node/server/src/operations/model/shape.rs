//! Shapes as the checker walks them: names resolved to indexes once, so that a check follows no strings but the caller's.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{Model, Operation};

/// A shape's place in [`Shapes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShapeId(usize);

/// All shapes of a model.
#[derive(Debug)]
pub(super) struct Shapes(Vec<Shape>);

impl Shapes {
    pub(super) fn get(&self, id: ShapeId) -> &Shape {
        &self.0[id.0]
    }
}

/// What a value must look like.
#[derive(Debug)]
pub(super) enum Shape {
    Structure(Structure),
    /// Any JSON at all.
    Document,
    List {
        member: ShapeId,
        length: Bounds,
    },
    Map {
        value: ShapeId,
    },
    String {
        allowed: Vec<String>,
        length: Bounds,
        pattern: Option<Pattern>,
    },
    Integer {
        range: Bounds,
    },
    Long {
        range: Bounds,
    },
    Double {
        range: Bounds,
    },
    Boolean,
    /// Seconds since 1970 with a fraction.
    Timestamp,
}

/// An object with members of their own shapes.
#[derive(Debug)]
pub(super) struct Structure {
    pub(super) members: HashMap<String, ShapeId>,
    pub(super) required: Vec<String>,
    /// At most one member may be set.
    pub(super) is_union: bool,
}

/// Inclusive limits of a number or a length. Every limit of the model is exact as a float.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
}

/// The patterns that the model uses, each as a rule for one character; a length is the shape's own affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Letters, separators and numbers of any script, and `_ . : / = + - @`.
    Tag,
    /// ASCII letters and digits, and `. * -`.
    InstanceType,
}

impl Pattern {
    fn parse(source: &str) -> Result<Self, String> {
        match source {
            r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)" => Ok(Self::Tag),
            r"[a-zA-Z0-9\.\*\-]+" => Ok(Self::InstanceType),
            other => Err(format!("pattern {other} has no rule here")),
        }
    }

    pub(super) fn matches(self, text: &str) -> bool {
        match self {
            Self::Tag => text.chars().all(|c| {
                c.is_alphanumeric()
                    || (c.is_whitespace() && !c.is_control())
                    || "_.:/=+-@".contains(c)
            }),
            Self::InstanceType => text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".*-".contains(c)),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    target_prefix: String,
    operations: BTreeMap<String, OperationSource>,
    shapes: BTreeMap<String, ShapeSource>,
}

#[derive(Deserialize)]
struct OperationSource {
    input: String,
    output: String,
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct ShapeSource {
    r#type: String,
    #[serde(default)]
    members: BTreeMap<String, String>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    union: bool,
    #[serde(default)]
    document: bool,
    member: Option<String>,
    value: Option<String>,
    #[serde(default, rename = "enum")]
    allowed: Vec<String>,
    min: Option<f64>,
    max: Option<f64>,
    pattern: Option<String>,
}

impl Model {
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        let source: Source = serde_json::from_str(source).map_err(|error| error.to_string())?;
        let ids: HashMap<&str, ShapeId> = source
            .shapes
            .keys()
            .enumerate()
            .map(|(index, name)| (name.as_str(), ShapeId(index)))
            .collect();
        let id = |name: &str| {
            ids.get(name)
                .copied()
                .ok_or_else(|| format!("no shape {name}"))
        };
        let shapes = source
            .shapes
            .iter()
            .map(|(name, shape)| {
                shape
                    .resolve(&id)
                    .map_err(|error| format!("shape {name}: {error}"))
            })
            .collect::<Result<_, _>>()?;
        let operations = source
            .operations
            .iter()
            .map(|(name, operation)| {
                let (input, output) = (id(&operation.input)?, id(&operation.output)?);
                Ok((
                    name.clone(),
                    Operation {
                        input,
                        output,
                        errors: operation.errors.clone(),
                    },
                ))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            target_prefix: source.target_prefix,
            operations,
            shapes: Shapes(shapes),
        })
    }
}

impl ShapeSource {
    fn resolve(&self, id: &impl Fn(&str) -> Result<ShapeId, String>) -> Result<Shape, String> {
        let bounds = Bounds {
            min: self.min,
            max: self.max,
        };
        let of = |reference: &Option<String>| {
            id(reference.as_deref().ok_or("a reference is missing")?)
        };
        Ok(match self.r#type.as_str() {
            "structure" if self.document => Shape::Document,
            "structure" => Shape::Structure(Structure {
                members: self
                    .members
                    .iter()
                    .map(|(name, shape)| Ok((name.clone(), id(shape)?)))
                    .collect::<Result<_, String>>()?,
                required: self.required.clone(),
                is_union: self.union,
            }),
            "list" => Shape::List {
                member: of(&self.member)?,
                length: bounds,
            },
            "map" => Shape::Map {
                value: of(&self.value)?,
            },
            "string" => Shape::String {
                allowed: self.allowed.clone(),
                length: bounds,
                pattern: self.pattern.as_deref().map(Pattern::parse).transpose()?,
            },
            "integer" => Shape::Integer { range: bounds },
            "long" => Shape::Long { range: bounds },
            "double" => Shape::Double { range: bounds },
            "boolean" => Shape::Boolean,
            "timestamp" => Shape::Timestamp,
            other => return Err(format!("type {other} has no rule here")),
        })
    }
}
