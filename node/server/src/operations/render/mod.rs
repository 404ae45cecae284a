//! State as the API shows it: values that borrow from the state and are serialised straight to bytes.

pub(super) mod capacity;
pub(super) mod cluster;
pub(super) mod definition;
mod event;
pub(super) mod explained;
pub(super) mod instance;
pub(super) mod rollout;
pub(super) mod service;
pub(super) mod task;
pub(super) mod task_set;

use bytes::Bytes;
use quorate_core::documents::{StrategyItem, Tag};
use quorate_core::events::{Event, Point};
use quorate_core::ids::ClusterName;
use quorate_core::{Millis, Realm};
use serde::Serialize;
use serde_json::{Value, json};

/// An event as the stream of events has it: one line.
pub(crate) fn event_shown(realm: &Realm, point: Point, told: &Event) -> Bytes {
    body(&event::event(realm, point, told))
}

/// The bytes of an answer.
pub(super) fn body(answer: &impl Serialize) -> Bytes {
    serde_json::to_vec(answer)
        .expect("answers have text keys and finite numbers")
        .into()
}

/// A list that is always empty here.
pub(super) type Nothing = [(); 0];

/// What a Describe or a placement could not serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Failure {
    pub(super) arn: String,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

impl Failure {
    /// Something asked for by ARN, name or id does not exist.
    pub(super) fn missing(arn: String) -> Self {
        Self {
            arn,
            reason: "MISSING".into(),
            detail: None,
        }
    }

    /// A task or an instance of `cluster` does not exist; `text` is how the caller named it.
    pub(super) fn missing_in(realm: &Realm, cluster: &ClusterName, kind: &str, text: &str) -> Self {
        if text.starts_with("arn:") {
            return Self::missing(text.to_owned());
        }
        let Realm { region, account } = realm;
        Self::missing(format!(
            "arn:aws:ecs:{region}:{account}:{kind}/{cluster}/{text}"
        ))
    }
}

/// The tags, if they were asked for.
pub(super) fn tags(tags: &[Tag], wanted: bool) -> &[Tag] {
    if wanted { tags } else { &[] }
}

/// A capacity provider strategy.
pub(super) fn strategy(strategy: &[StrategyItem]) -> Value {
    let items = strategy.iter().map(|item| {
        json!({"capacityProvider": item.provider.as_str(), "weight": item.weight, "base": item.base})
    });
    items.collect()
}

/// An optional time as the API gives it.
pub(super) fn seconds(at: Option<Millis>) -> Option<f64> {
    at.map(Millis::as_epoch_seconds)
}

/// A text, unless it is empty.
pub(super) fn text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
