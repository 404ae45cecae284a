//! What users author: kept verbatim as JSON, and beside it the part that Quorate acts on, parsed once.

pub mod capacity;
pub mod definition;
pub mod launch;
pub mod overrides;
pub mod scale;
pub mod service;
pub mod tags;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use capacity::{
    Capacity, ProviderSpec, STRATEGY_MAX, StrategyError, StrategyItem, check_strategy,
};
pub use definition::{
    ContainerSpec, DefinitionError, DefinitionSpec, HealthCheck, NetworkMode, PortSpec, Protocol,
};
pub use launch::{Launch, LaunchContainer};
pub use overrides::{ContainerOverride, Overrides};
pub use scale::Scale;
pub use service::{
    Breaker, Controller, PauseHook, Propagation, RevisionSpec, Scheduling, ServiceConstraint,
    ServiceSpec, ServiceStrategy, Stage, Threshold,
};
pub use tags::{Tag, TagError, Tags};

/// A JSON object as its author wrote it, members in the order of their names. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Document(Arc<str>);

impl Document {
    /// The document that holds `object`.
    #[must_use]
    pub fn new(object: &Map<String, Value>) -> Self {
        Self(
            serde_json::to_string(object)
                .expect("a JSON object always has a text")
                .into(),
        )
    }

    /// The JSON text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The object again.
    #[must_use]
    pub fn object(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).expect("made from an object in new()")
    }
}

impl Default for Document {
    /// The empty object.
    fn default() -> Self {
        Self::new(&Map::new())
    }
}
