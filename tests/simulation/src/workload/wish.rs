//! What a client can wish for, and how the wish becomes a call's input.

use quorate_core::ids::ClusterName;
use rand::Rng;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::known::Known;
use super::mix::{Mix, pick};
use crate::promises::ATTEMPT;

/// Tasks or instances named in one call.
pub(super) const NAMED_MOST: usize = 4;

/// What a client can wish for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// CreateCluster.
    CreateCluster,
    /// DeleteCluster.
    DeleteCluster,
    /// DescribeClusters.
    DescribeClusters,
    /// ListClusters.
    ListClusters,
    /// RegisterTaskDefinition.
    Register,
    /// DeregisterTaskDefinition.
    Deregister,
    /// DescribeTaskDefinition.
    DescribeDefinition,
    /// ListTaskDefinitions.
    ListDefinitions,
    /// ListTaskDefinitionFamilies.
    ListFamilies,
    /// RunTask, mostly with a client token.
    RunTask,
    /// StartTask.
    StartTask,
    /// StopTask.
    StopTask,
    /// DescribeTasks.
    DescribeTasks,
    /// ListTasks.
    ListTasks,
    /// ListContainerInstances.
    ListInstances,
    /// DescribeContainerInstances.
    DescribeInstances,
    /// DeregisterContainerInstance.
    DeregisterInstance,
}

impl Kind {
    /// All kinds, and how often each is usual. Instances are few and do not come back, so that ending one is rare.
    pub(super) const ALL: [(Self, u32); 17] = [
        (Self::CreateCluster, 12),
        (Self::DeleteCluster, 8),
        (Self::DescribeClusters, 20),
        (Self::ListClusters, 6),
        (Self::Register, 16),
        (Self::Deregister, 8),
        (Self::DescribeDefinition, 14),
        (Self::ListDefinitions, 6),
        (Self::ListFamilies, 4),
        (Self::RunTask, 40),
        (Self::StartTask, 12),
        (Self::StopTask, 36),
        (Self::DescribeTasks, 40),
        (Self::ListTasks, 20),
        (Self::ListInstances, 12),
        (Self::DescribeInstances, 16),
        (Self::DeregisterInstance, 1),
    ];
}

/// A call that a client wishes to make, before it knows at which node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    pub(super) operation: &'static str,
    pub(super) body: Value,
    /// Whether it may be tried again as it is: it changes nothing, or has a token, or twice is as good as once.
    pub(super) is_repeatable: bool,
}

/// What the making of a wish needs.
pub(super) struct Wishing<'a> {
    pub(super) mix: &'a Mix,
    pub(super) rng: &'a mut SmallRng,
    pub(super) known: &'a Known,
    /// The mark of the wish; unlike any other.
    pub(super) mark: &'a str,
}

impl Wishing<'_> {
    /// A wish of that kind; nothing if the client knows nothing to do it to.
    pub(super) fn make(&mut self, kind: Kind) -> Option<Wish> {
        let (operation, body) = match kind {
            Kind::CreateCluster => ("CreateCluster", json!({ "clusterName": self.cluster() })),
            Kind::DeleteCluster => ("DeleteCluster", json!({ "cluster": self.cluster() })),
            Kind::DescribeClusters => ("DescribeClusters", json!({ "clusters": self.clusters() })),
            Kind::ListClusters => ("ListClusters", self.paged(Map::new())),
            Kind::Register => ("RegisterTaskDefinition", self.definition()),
            Kind::Deregister => (
                "DeregisterTaskDefinition",
                json!({ "taskDefinition": self.known.definitions.pick(self.rng)? }),
            ),
            Kind::DescribeDefinition => (
                "DescribeTaskDefinition",
                json!({ "taskDefinition": self.usable() }),
            ),
            Kind::ListDefinitions => ("ListTaskDefinitions", self.definitions_listed()),
            Kind::ListFamilies => {
                let filter = self.some_member("status", &["ACTIVE", "INACTIVE", "ALL"]);
                ("ListTaskDefinitionFamilies", self.paged(filter))
            }
            Kind::RunTask => return self.run_task(),
            Kind::StartTask => return self.start_task(),
            Kind::StopTask => {
                let (cluster, task) = self.known.tasks.pick(self.rng)?;
                (
                    "StopTask",
                    json!({ "cluster": cluster, "task": task, "reason": self.mark }),
                )
            }
            Kind::DescribeTasks => {
                let (cluster, _) = self.known.tasks.pick(self.rng)?;
                let some = self.known.tasks.some(self.rng, NAMED_MOST).into_iter();
                let ids: Vec<String> = some
                    .filter(|(of, _)| *of == cluster)
                    .map(|(_, id)| id)
                    .collect();
                if ids.is_empty() {
                    return None;
                }
                ("DescribeTasks", json!({ "cluster": cluster, "tasks": ids }))
            }
            Kind::ListTasks => ("ListTasks", self.tasks_listed()),
            Kind::ListInstances => {
                let mut filter = self.some_member("status", &["ACTIVE", "DRAINING"]);
                filter.insert("cluster".into(), self.cluster().into());
                ("ListContainerInstances", self.paged(filter))
            }
            Kind::DescribeInstances => {
                let (cluster, id) = self.known.instances.pick(self.rng)?;
                (
                    "DescribeContainerInstances",
                    json!({ "cluster": cluster, "containerInstances": [id] }),
                )
            }
            Kind::DeregisterInstance => {
                let (cluster, id) = self.known.instances.pick(self.rng)?;
                let force = self.rng.random_ratio(1, 2);
                (
                    "DeregisterContainerInstance",
                    json!({ "cluster": cluster, "containerInstance": id, "force": force }),
                )
            }
        };
        Some(Wish {
            operation,
            body,
            is_repeatable: kind != Kind::Register,
        })
    }

    /// Mostly the default cluster, where the instances are.
    pub(super) fn cluster(&mut self) -> String {
        let default = ClusterName::default_cluster();
        match self.rng.random_range(0..self.mix.clusters + 3) {
            number if number < self.mix.clusters => format!("c{number}"),
            _ => default.to_string(),
        }
    }

    fn clusters(&mut self) -> Vec<String> {
        let mut names: Vec<String> = (0..self.rng.random_range(1..=2))
            .map(|_| self.cluster())
            .collect();
        names.dedup();
        names
    }

    fn family(&mut self) -> String {
        format!("f{}", self.rng.random_range(0..self.mix.families))
    }

    /// A family, or one of its revisions.
    pub(super) fn usable(&mut self) -> String {
        let family = self.family();
        let exact = self
            .rng
            .random_ratio(1, 3)
            .then(|| self.known.definitions.pick(self.rng))
            .flatten();
        exact.unwrap_or(family)
    }

    fn definition(&mut self) -> Value {
        let count = if self.rng.random_ratio(1, 4) { 2 } else { 1 };
        let containers: Vec<Value> = (0..count)
            .map(|number| {
                let image = pick(self.rng, &self.mix.images);
                let port = json!([{ "containerPort": 80 + number, "hostPort": 0 }]);
                let mut container = json!({
                    "name": format!("m{number}"),
                    "image": image,
                    "memory": 64 << self.rng.random_range(0..4),
                    "cpu": 64 << self.rng.random_range(0..4),
                    "essential": number == 0 || self.rng.random_ratio(1, 2),
                    "stopTimeout": self.rng.random_range(1..=3),
                    "portMappings": if self.rng.random_ratio(1, 2) { port } else { json!([]) },
                });
                if image.starts_with("sick") {
                    container["healthCheck"] = json!({ "command": ["CMD", "well"] });
                }
                container
            })
            .collect();
        json!({
            "family": self.family(),
            "networkMode": "bridge",
            "containerDefinitions": containers,
            "tags": [{ "key": ATTEMPT, "value": self.mark }],
        })
    }

    fn run_task(&mut self) -> Option<Wish> {
        if self.rng.random_ratio(1, self.mix.token_again_one_in.max(1)) {
            let mut body = self.known.tokens.pick(self.rng)?;
            if self.rng.random_ratio(1, 2) {
                // The same token for another wish, which must be told so.
                body["startedBy"] = self.mark.into();
            }
            return Some(run(body, true));
        }
        let has_token = self.rng.random_ratio(4, 5);
        let mut body = json!({
            "cluster": self.cluster(),
            "taskDefinition": self.usable(),
            "count": self.rng.random_range(1..=self.mix.count),
            "startedBy": self.mark,
        });
        if has_token {
            body["clientToken"] = format!("t-{}", self.mark).into();
        }
        Some(run(body, has_token))
    }

    fn start_task(&mut self) -> Option<Wish> {
        let (cluster, _) = self.known.instances.pick(self.rng)?;
        let some = self.known.instances.some(self.rng, NAMED_MOST).into_iter();
        let ids: Vec<String> = some
            .filter(|(of, _)| *of == cluster)
            .map(|(_, id)| id)
            .collect();
        if ids.is_empty() {
            return None;
        }
        let body = json!({
            "cluster": cluster, "taskDefinition": self.usable(), "containerInstances": ids, "startedBy": self.mark,
        });
        Some(Wish {
            operation: "StartTask",
            body,
            is_repeatable: false,
        })
    }

    fn tasks_listed(&mut self) -> Value {
        let mut filter = self.some_member("desiredStatus", &["RUNNING", "STOPPED"]);
        filter.insert("cluster".into(), self.cluster().into());
        if self.rng.random_ratio(1, 4) {
            filter.insert("family".into(), self.family().into());
        }
        if let Some((cluster, id)) = self
            .rng
            .random_ratio(1, 4)
            .then(|| self.known.instances.pick(self.rng))
            .flatten()
        {
            filter.insert("cluster".into(), cluster.into());
            filter.insert("containerInstance".into(), id.into());
        }
        self.paged(filter)
    }

    fn definitions_listed(&mut self) -> Value {
        let mut filter = self.some_member("status", &["ACTIVE", "INACTIVE"]);
        filter.extend(self.some_member("sort", &["ASC", "DESC"]));
        if self.rng.random_ratio(1, 2) {
            filter.insert("familyPrefix".into(), self.family().into());
        }
        self.paged(filter)
    }

    /// A member with one of `values`, or nothing.
    fn some_member(&mut self, member: &str, values: &[&str]) -> Map<String, Value> {
        let value = self.rng.random_ratio(1, 2).then(|| *pick(self.rng, values));
        value
            .map(|value| (member.to_owned(), Value::from(value)))
            .into_iter()
            .collect()
    }

    /// Now and then a short page.
    fn paged(&mut self, mut filter: Map<String, Value>) -> Value {
        if self.rng.random_ratio(1, 5) {
            filter.insert("maxResults".into(), self.rng.random_range(1..=10).into());
        }
        filter.into()
    }
}

fn run(body: Value, is_repeatable: bool) -> Wish {
    Wish {
        operation: "RunTask",
        body,
        is_repeatable,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_client_that_knows_a_little_can_wish_for_everything() {
        let mut rng = SmallRng::seed_from_u64(3);
        let mix = Mix::draw(&mut rng);
        let mut known = Known::default();
        known.learn(
            "default",
            &json!({ "taskArns": ["task/default/1"], "containerInstanceArns": ["x/default/mi-1"] }),
        );
        known.learn("default", &json!({ "taskDefinitionArns": ["x/f0:1"] }));
        known
            .tokens
            .add(json!({ "clientToken": "t", "startedBy": "w0" }));
        for (kind, _) in Kind::ALL {
            let mut wishing = Wishing {
                mix: &mix,
                rng: &mut rng,
                known: &known,
                mark: "w1",
            };
            assert!(wishing.make(kind).is_some(), "{kind:?}");
        }
    }

    #[test]
    fn what_is_marked_is_marked_once() {
        let (mut rng, known) = (SmallRng::seed_from_u64(3), Known::default());
        let mix = Mix::draw(&mut rng);
        let mut wishing = Wishing {
            mix: &mix,
            rng: &mut rng,
            known: &known,
            mark: "w7",
        };
        let register = wishing
            .make(Kind::Register)
            .map(|wish| (wish.body["tags"][0]["value"].clone(), wish.is_repeatable));
        assert_eq!(register, Some(("w7".into(), false)));
        let run = std::iter::repeat_with(|| wishing.make(Kind::RunTask)).find_map(|wish| wish);
        assert_eq!(
            run.map(|wish| wish.body["startedBy"].clone()),
            Some("w7".into())
        );
    }
}
