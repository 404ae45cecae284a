//! What one client knows: what it was told in answers, newest last.

use std::collections::{BTreeSet, VecDeque};

use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::Value;

/// Of each kind, so many are remembered: enough to meet again what others do something with at the same time.
const KEPT: usize = 24;

/// What one client knows.
#[derive(Default)]
pub(super) struct Known {
    /// Cluster and id.
    pub(super) tasks: Memory<(String, String)>,
    /// `family:revision`.
    pub(super) definitions: Memory<String>,
    /// Cluster and id.
    pub(super) instances: Memory<(String, String)>,
    /// Cluster and name.
    pub(super) services: Memory<(String, String)>,
    /// ARNs of service deployments.
    pub(super) deployments: Memory<String>,
    /// ARNs of service revisions.
    pub(super) revisions: Memory<String>,
    /// Hooks at which a service deployment waits: its ARN and the hook's id.
    pub(super) hooks: Memory<(String, String)>,
    /// RunTasks with a token, as they were sent.
    pub(super) tokens: Memory<Value>,
}

/// The newest of what was learnt, each once.
pub(super) struct Memory<T>(VecDeque<T>);

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: PartialEq + Clone> Memory<T> {
    pub(super) fn add(&mut self, one: T) {
        if self.0.contains(&one) {
            return;
        }
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(one);
    }

    /// One of them.
    pub(super) fn pick(&self, rng: &mut SmallRng) -> Option<T> {
        let place = (!self.0.is_empty()).then(|| rng.random_range(0..self.0.len()));
        place.and_then(|place| self.0.get(place)).cloned()
    }

    /// Some of them, each once.
    pub(super) fn some(&self, rng: &mut SmallRng, most: usize) -> Vec<T> {
        let count = rng.random_range(1..=most);
        let places: BTreeSet<usize> = (0..count)
            .map(|_| rng.random_range(0..self.0.len().max(1)))
            .collect();
        places
            .iter()
            .filter_map(|place| self.0.get(*place))
            .cloned()
            .collect()
    }
}

impl Known {
    /// Learns from an output.
    pub(super) fn learn(&mut self, cluster: &str, output: &Value) {
        let list = |member: &str| output[member].as_array().cloned().unwrap_or_default();
        let parts = |arns: Vec<Value>| {
            arns.iter()
                .filter_map(Value::as_str)
                .map(last_part)
                .collect::<Vec<_>>()
        };
        for task in list("tasks") {
            self.tasks.add((
                cluster.to_owned(),
                last_part(task["taskArn"].as_str().unwrap_or_default()),
            ));
        }
        for id in parts(list("taskArns")) {
            self.tasks.add((cluster.to_owned(), id));
        }
        for id in parts(list("containerInstanceArns")) {
            self.instances.add((cluster.to_owned(), id));
        }
        for id in parts(list("taskDefinitionArns")) {
            self.definitions.add(id);
        }
        if let Some(arn) = output["taskDefinition"]["taskDefinitionArn"].as_str() {
            self.definitions.add(last_part(arn));
        }
        for id in parts(list("serviceArns")) {
            self.services.add((cluster.to_owned(), id));
        }
        if let Some(arn) = output["service"]["serviceArn"].as_str() {
            self.services.add((cluster.to_owned(), last_part(arn)));
        }
        for deployment in list("serviceDeployments") {
            self.learn_deployment(&deployment);
        }
    }

    fn learn_deployment(&mut self, deployment: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let Some(arn) = text(&deployment["serviceDeploymentArn"]) else {
            return;
        };
        let hooks = deployment["lifecycleHookDetails"].as_array();
        let waiting = hooks.into_iter().flatten();
        let waiting = waiting.filter(|hook| hook["status"] == "AWAITING_ACTION");
        for id in waiting.filter_map(|hook| text(&hook["hookId"])) {
            self.hooks.add((arn.clone(), id));
        }
        if let Some(revision) = text(&deployment["targetServiceRevision"]["arn"]) {
            self.revisions.add(revision);
        }
        self.deployments.add(arn);
    }
}

fn last_part(arn: &str) -> String {
    arn.rsplit('/').next().unwrap_or(arn).to_owned()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_learnt_can_be_picked_and_the_oldest_is_forgotten() {
        let (mut known, mut rng) = (Known::default(), SmallRng::seed_from_u64(1));
        assert_eq!(known.tasks.pick(&mut rng), None);
        assert!(known.tasks.some(&mut rng, 3).is_empty());
        let arns: Vec<String> = (0..30)
            .map(|number| format!("arn:aws:ecs:r:1:task/c0/{number}"))
            .collect();
        known.learn("c0", &json!({ "taskArns": arns }));
        known.learn("c0", &json!({ "taskArns": arns[25..] }));
        assert_eq!(known.tasks.0.len(), KEPT);
        assert!(!known.tasks.0.contains(&("c0".to_owned(), "0".to_owned())));
        let some = known.tasks.some(&mut rng, 3);
        assert!((1..=3).contains(&some.len()));
    }
}
