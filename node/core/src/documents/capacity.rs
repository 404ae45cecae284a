//! Capacity as users ask for it: what a cluster runs tasks on, and how they are shared out among capacity providers.

use serde::{Deserialize, Serialize};

use crate::ids::ProviderName;

/// ECS: entries of one strategy.
pub const STRATEGY_MAX: usize = 20;

/// One entry of a capacity provider strategy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyItem {
    /// Who gets tasks.
    pub provider: ProviderName,
    /// How many it gets before others get any.
    #[serde(default)]
    pub base: u64,
    /// Its part of the rest, relative to the weights of the others.
    #[serde(default)]
    pub weight: u64,
}

/// What a cluster runs tasks on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// The providers that are attached to it.
    pub providers: Vec<ProviderName>,
    /// Of tasks that are asked for with neither launch type nor strategy; empty if there is none.
    pub strategy: Vec<StrategyItem>,
}

/// The part of a capacity provider's document that placement acts on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSpec {
    /// The name of its Auto Scaling group, where it has one.
    pub group: Option<String>,
}

/// A strategy that ECS would refuse (InvalidParameterException).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// More than [`STRATEGY_MAX`].
    #[error(
        "A capacity provider strategy can contain a maximum of {STRATEGY_MAX} capacity providers."
    )]
    TooMany,
    /// A provider given twice.
    #[error(
        "A capacity provider strategy cannot contain the same capacity provider more than once: {0}."
    )]
    Twice(ProviderName),
    /// Two bases.
    #[error(
        "Only one capacity provider in a capacity provider strategy can have a base value greater than zero."
    )]
    Bases,
    /// No weight.
    #[error(
        "At least one capacity provider in a capacity provider strategy must have a weight value greater than zero."
    )]
    NoWeight,
    /// ECS's own providers beside others.
    #[error(
        "A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling groups and Fargate providers. Specify one or the other and try again."
    )]
    Mixed,
}

/// Checks a strategy as ECS does; an empty one is none.
pub fn check_strategy(strategy: &[StrategyItem]) -> Result<(), StrategyError> {
    if strategy.len() > STRATEGY_MAX {
        return Err(StrategyError::TooMany);
    }
    for (place, item) in strategy.iter().enumerate() {
        let is_twin = |other: &StrategyItem| other.provider == item.provider;
        if strategy[..place].iter().any(is_twin) {
            return Err(StrategyError::Twice(item.provider.clone()));
        }
    }
    if strategy.iter().filter(|item| item.base > 0).count() > 1 {
        return Err(StrategyError::Bases);
    }
    if !strategy.is_empty() && strategy.iter().all(|item| item.weight == 0) {
        return Err(StrategyError::NoWeight);
    }
    let reserved = strategy.iter().filter(|item| item.provider.is_reserved());
    if ![0, strategy.len()].contains(&reserved.count()) {
        return Err(StrategyError::Mixed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn item(provider: &str, base: u64, weight: u64) -> StrategyItem {
        StrategyItem {
            provider: provider.parse().unwrap(),
            base,
            weight,
        }
    }

    #[test]
    fn strategies_are_checked_as_ecs_does() {
        assert_eq!(check_strategy(&[]), Ok(()));
        let good = [item("a", 2, 0), item("b", 0, 1)];
        assert_eq!(check_strategy(&good), Ok(()));
        let many: Vec<_> = (0..21).map(|n| item(&format!("p{n}"), 0, 1)).collect();
        assert_eq!(check_strategy(&many), Err(StrategyError::TooMany));
        assert_eq!(check_strategy(&many[1..]), Ok(()));
        let twice = [item("a", 0, 1), item("a", 0, 1)];
        let twin = StrategyError::Twice("a".parse().unwrap());
        assert_eq!(check_strategy(&twice), Err(twin));
        let bases = [item("a", 1, 1), item("b", 1, 1)];
        assert_eq!(check_strategy(&bases), Err(StrategyError::Bases));
        let weightless = [item("a", 1, 0)];
        assert_eq!(check_strategy(&weightless), Err(StrategyError::NoWeight));
        let mixed = [item("a", 0, 1), item("FARGATE", 0, 1)];
        assert_eq!(check_strategy(&mixed), Err(StrategyError::Mixed));
    }
}
