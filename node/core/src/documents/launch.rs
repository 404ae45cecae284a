//! What an agent is told to run: a definition with the overrides of one task worked in.

use super::definition::{ContainerSpec, DefinitionSpec, NetworkMode};
use super::overrides::{ContainerOverride, Overrides};

/// A task, ready to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// How its containers see the network.
    pub network_mode: NetworkMode,
    /// Task-level CPU units; 0 = not set.
    pub cpu_units: u64,
    /// Task-level memory, MiB; 0 = not set.
    pub memory_mib: u64,
    /// In the definition's order.
    pub containers: Vec<LaunchContainer>,
}

/// A container, ready to be run: the definition's, with overrides worked in.
pub type LaunchContainer = ContainerSpec;

impl Launch {
    /// Works `overrides` into `definition`.
    #[must_use]
    pub fn new(definition: &DefinitionSpec, overrides: &Overrides) -> Self {
        let number = |text: &Option<String>| text.as_deref().and_then(|t| t.trim().parse().ok());
        let containers = definition.containers.iter().map(|container| {
            let mut container = container.clone();
            let mine = |o: &&ContainerOverride| o.name.as_deref() == Some(container.name.as_str());
            if let Some(change) = overrides.container_overrides.iter().find(mine) {
                work_in(&mut container, change);
            }
            container
        });
        Self {
            network_mode: definition.network_mode,
            cpu_units: number(&overrides.cpu).unwrap_or(definition.cpu_units),
            memory_mib: number(&overrides.memory).unwrap_or(definition.memory_mib),
            containers: containers.collect(),
        }
    }

    /// CPU units that this launch takes from its instance.
    #[must_use]
    pub fn cpu_reserved(&self) -> u64 {
        if self.cpu_units > 0 {
            self.cpu_units
        } else {
            sum(self.containers.iter().map(|c| c.cpu_units))
        }
    }

    /// Memory (MiB) that this launch takes from its instance.
    #[must_use]
    pub fn memory_reserved(&self) -> u64 {
        if self.memory_mib > 0 {
            self.memory_mib
        } else {
            sum(self.containers.iter().map(ContainerSpec::memory_reserved))
        }
    }

    /// GPUs that this launch takes from its instance.
    #[must_use]
    pub fn gpus_reserved(&self) -> u64 {
        sum(self.containers.iter().map(|c| c.gpus))
    }
}

/// What fits nowhere is asked for by its author, and refused by placement.
fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

fn work_in(container: &mut LaunchContainer, change: &ContainerOverride) {
    if let Some(command) = &change.command {
        container.command.clone_from(command);
    }
    for pair in &change.environment {
        container
            .environment
            .insert(pair.name.clone(), pair.value.clone());
    }
    container.cpu_units = change.cpu.unwrap_or(container.cpu_units);
    container.memory_mib = change.memory.unwrap_or(container.memory_mib);
    container.memory_reservation_mib = change
        .memory_reservation
        .unwrap_or(container.memory_reservation_mib);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn overrides_change_what_they_name_and_nothing_else() {
        let definition = DefinitionSpec::parse(
            &serde_json::from_str(
                r#"{"containerDefinitions":[{"name":"a","image":"x","memory":64,"command":["old"],
                "environment":[{"name":"A","value":"1"},{"name":"B","value":"2"}]},{"name":"b","image":"y","memory":32}]}"#,
            )
            .unwrap(),
        )
        .unwrap();
        let overrides = Overrides::parse(
            &serde_json::from_str(
                r#"{"containerOverrides":[{"name":"a","command":["new"],"memory":128,"environment":[{"name":"B","value":"3"}]}]}"#,
            )
            .unwrap(),
        )
        .unwrap();
        let launch = Launch::new(&definition, &overrides);
        assert_eq!(launch.containers[0].command, ["new"]);
        assert_eq!(
            launch.containers[0]
                .environment
                .get("A")
                .map(String::as_str),
            Some("1")
        );
        assert_eq!(
            launch.containers[0]
                .environment
                .get("B")
                .map(String::as_str),
            Some("3")
        );
        assert_eq!(launch.memory_reserved(), 128 + 32);
        assert_eq!(launch.containers[1], definition.containers[1]);
    }
}
