//! Tags: pairs that users attach to clusters, task definitions, tasks and instances. ECS: at most 50 a resource.

use serde::{Deserialize, Serialize};

/// ECS's limit of tags on one resource.
pub const TAGS_MAX: usize = 50;

/// One pair. The value may be empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    /// 1 to 128 characters; `aws:` is reserved.
    pub key: String,
    /// 0 to 256 characters.
    #[serde(default)]
    pub value: String,
}

/// The tags of one resource, in the order given.
pub type Tags = Vec<Tag>;

/// Whether the key is one of those that only ECS itself gives: `aws:` in front, in any case.
#[must_use]
pub fn is_reserved(key: &str) -> bool {
    let start = key.get(..4);
    start.is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

/// Tags that ECS would refuse (InvalidParameterException).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// More than [`TAGS_MAX`].
    #[error("Tags can not have more than {TAGS_MAX} entries.")]
    TooMany,
    /// A key that is empty, too long or reserved.
    #[error("Invalid tag key {0:?}: keys have 1 to 128 characters and do not start with aws:.")]
    Key(String),
    /// A value that is too long.
    #[error("Invalid value of tag {0:?}: values have at most 256 characters.")]
    Value(String),
    /// A key given twice.
    #[error("Duplicate tag key {0:?}.")]
    Duplicate(String),
}

/// Checks tags as ECS does (operation TagResource).
pub fn check(tags: &[Tag]) -> Result<(), TagError> {
    if tags.len() > TAGS_MAX {
        return Err(TagError::TooMany);
    }
    for (place, tag) in tags.iter().enumerate() {
        if tag.key.is_empty() || tag.key.chars().count() > 128 || is_reserved(&tag.key) {
            return Err(TagError::Key(tag.key.clone()));
        }
        if tag.value.chars().count() > 256 {
            return Err(TagError::Value(tag.key.clone()));
        }
        if tags[..place].iter().any(|earlier| earlier.key == tag.key) {
            return Err(TagError::Duplicate(tag.key.clone()));
        }
    }
    Ok(())
}
