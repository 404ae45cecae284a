//! Which instances a capacity provider has. An instance says so itself, by attributes; nothing else is looked at, so that whether one
//! serves a provider never depends on another.

use std::fmt;

use crate::ids::ProviderName;
use crate::state::{Instance, State};

/// Attribute: the capacity provider that an instance is for.
pub const PROVIDER: &str = "quorate.capacity-provider";
/// Attribute: the Auto Scaling group that an instance is of. Only looked at where the other is not there.
pub const GROUP: &str = "quorate.auto-scaling-group";

/// The instances of a capacity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    provider: ProviderName,
    group: Option<String>,
}

impl Pool {
    /// Those of a provider that is there.
    #[must_use]
    pub fn of(state: &State, provider: &ProviderName) -> Option<Self> {
        let made = state.provider(provider);
        state.has_provider(provider).then(|| Self {
            provider: provider.clone(),
            group: made.and_then(|one| one.spec.group.clone()),
        })
    }

    /// Those that launch type FARGATE takes.
    #[must_use]
    pub fn fargate() -> Self {
        Self {
            provider: ProviderName::fargate(),
            group: None,
        }
    }

    /// Those that a task may run on, by its provider or else by its launch type; `None`: any.
    #[must_use]
    pub fn binding(
        state: &State,
        launch_type: &str,
        provider: Option<&ProviderName>,
    ) -> Option<Self> {
        match provider {
            Some(provider) => Self::of(state, provider),
            None => (launch_type == ProviderName::FARGATE).then(Self::fargate),
        }
    }

    /// Whether the instance is one of them: marked for it or, where the provider is ECS's own, for none.
    #[must_use]
    pub fn has(&self, instance: &Instance) -> bool {
        self.is_marked(instance) || self.provider.is_reserved() && is_free(instance)
    }

    /// Whether the instance is marked for it.
    #[must_use]
    pub fn is_marked(&self, instance: &Instance) -> bool {
        match (mark(instance, PROVIDER), mark(instance, GROUP)) {
            (Some(provider), _) => provider == self.provider.as_str(),
            (None, group) => group.is_some() && group == self.group.as_deref(),
        }
    }
}

fn mark<'a>(instance: &'a Instance, name: &str) -> Option<&'a str> {
    instance.attribute(name).filter(|value| !value.is_empty())
}

fn is_free(instance: &Instance) -> bool {
    mark(instance, PROVIDER).is_none() && mark(instance, GROUP).is_none()
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.provider, f)
    }
}
