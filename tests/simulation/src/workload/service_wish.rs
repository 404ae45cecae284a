//! How a wish around services becomes a call's input.

use quorate_core::ids::ClusterName;
use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

use super::mix::pick;
use super::service_mix::{ServiceKind, ServiceMix};
use super::wish::{NAMED_MOST, Wish, Wishing};
use crate::promises::ATTEMPT;

/// The attribute by which clients tell instances apart, and its values.
const RACK: &str = "rack";
const RACKS: [&str; 2] = ["r0", "r1"];
/// A port that two tasks on one instance cannot both have.
const FIXED_PORT: u32 = 8080;

impl Wishing<'_> {
    /// A wish of that kind; nothing if the client knows nothing to do it to.
    pub(super) fn make_of_services(&mut self, kind: ServiceKind) -> Option<Wish> {
        let mix = self.mix.services.as_ref()?;
        let (operation, body) = match kind {
            ServiceKind::Register => ("RegisterTaskDefinition", self.serving(mix)),
            ServiceKind::Create => ("CreateService", self.service(mix)),
            ServiceKind::Update => ("UpdateService", self.update(mix)?),
            ServiceKind::Delete => {
                let (cluster, name) = self.known.services.pick(self.rng)?;
                let force = self.rng.random_ratio(3, 4);
                let body = json!({ "cluster": cluster, "service": name, "force": force });
                ("DeleteService", body)
            }
            ServiceKind::Describe => {
                let (cluster, name) = self.known.services.pick(self.rng)?;
                let body = json!({ "cluster": cluster, "services": [name] });
                ("DescribeServices", body)
            }
            ServiceKind::List => ("ListServices", json!({ "cluster": self.cluster() })),
            ServiceKind::ListTasks => {
                let (cluster, name) = self.known.services.pick(self.rng)?;
                (
                    "ListTasks",
                    json!({ "cluster": cluster, "serviceName": name }),
                )
            }
            ServiceKind::SetState => ("UpdateContainerInstancesState", self.set_state()?),
            ServiceKind::PutAttributes => {
                let value = *pick(self.rng, &RACKS);
                ("PutAttributes", self.attributes(Some(value))?)
            }
            ServiceKind::DeleteAttributes => ("DeleteAttributes", self.attributes(None)?),
            ServiceKind::ListAttributes => {
                let body = json!({ "cluster": self.cluster(), "targetType": "container-instance" });
                ("ListAttributes", body)
            }
            ServiceKind::Protect => ("UpdateTaskProtection", self.protect()?),
            ServiceKind::GetProtection => {
                ("GetTaskProtection", json!({ "cluster": self.cluster() }))
            }
            ServiceKind::ListDeployments
            | ServiceKind::DescribeDeployments
            | ServiceKind::DescribeRevisions
            | ServiceKind::StopDeployment
            | ServiceKind::ContinueDeployment => self.of_deployments(kind)?,
        };
        Some(Wish {
            operation,
            body,
            is_repeatable: kind != ServiceKind::Register,
        })
    }

    fn of_deployments(&mut self, kind: ServiceKind) -> Option<(&'static str, Value)> {
        Some(match kind {
            ServiceKind::ListDeployments => {
                let (cluster, name) = self.known.services.pick(self.rng)?;
                let body = json!({ "cluster": cluster, "service": name });
                ("ListServiceDeployments", body)
            }
            ServiceKind::DescribeDeployments => {
                let arns = self.known.deployments.some(self.rng, NAMED_MOST);
                let body = json!({ "serviceDeploymentArns": arns });
                (
                    "DescribeServiceDeployments",
                    (!arns.is_empty()).then_some(body)?,
                )
            }
            ServiceKind::DescribeRevisions => {
                let arn = self.known.revisions.pick(self.rng)?;
                (
                    "DescribeServiceRevisions",
                    json!({ "serviceRevisionArns": [arn] }),
                )
            }
            ServiceKind::StopDeployment => {
                let arn = self.known.deployments.pick(self.rng)?;
                let how = *pick(self.rng, &["ABORT", "ROLLBACK"]);
                let body = json!({ "serviceDeploymentArn": arn, "stopType": how });
                ("StopServiceDeployment", body)
            }
            _ => {
                let (arn, hook) = self.known.hooks.pick(self.rng)?;
                let action = *pick(self.rng, &["CONTINUE", "CONTINUE", "ROLLBACK"]);
                let body = json!({ "serviceDeploymentArn": arn, "hookId": hook, "action": action });
                ("ContinueServiceDeployment", body)
            }
        })
    }

    /// A definition of something that serves: it lives until it is stopped, unless it is ill.
    fn serving(&mut self, mix: &ServiceMix) -> Value {
        let is_ill = !mix.ill.is_empty() && self.rng.random_ratio(1, mix.ill_one_in.max(1));
        let image = if is_ill {
            pick(self.rng, &mix.ill).clone()
        } else {
            (*pick(self.rng, &["run", "run", "run", "deaf"])).to_owned()
        };
        let port = *pick(self.rng, &[0, 0, 0, 0, 0, 0, 0, FIXED_PORT]);
        let mut container = json!({
            "name": "m0",
            "image": image,
            "memory": 64 << self.rng.random_range(0..4),
            "cpu": 64 << self.rng.random_range(0..4),
            "stopTimeout": self.rng.random_range(1..=3),
            "portMappings": [{ "containerPort": 80, "hostPort": port }],
        });
        if self.rng.random_ratio(7, 8) || image.starts_with("sick") {
            container["healthCheck"] = json!({ "command": ["CMD", "well"] });
        }
        let rule = json!([{ "type": "memberOf", "expression": format!("attribute:{RACK} == r0") }]);
        let is_bound = self.rng.random_ratio(1, mix.rule_one_in.max(1) * 4);
        json!({
            "family": self.serving_family(mix),
            "networkMode": "bridge",
            "containerDefinitions": [container],
            "placementConstraints": if is_bound { rule } else { json!([]) },
            "tags": [{ "key": ATTEMPT, "value": self.mark }],
        })
    }

    fn serving_family(&mut self, mix: &ServiceMix) -> String {
        format!("g{}", self.rng.random_range(0..mix.families.max(1)))
    }

    /// Nearly always where the instances are.
    fn serving_cluster(&mut self) -> String {
        if self.rng.random_ratio(1, 8) {
            self.cluster()
        } else {
            ClusterName::default_cluster().to_string()
        }
    }

    /// What a service runs: mostly something that serves, now and then anything.
    fn served_definition(&mut self, mix: &ServiceMix) -> String {
        if self.rng.random_ratio(1, 8) {
            self.usable()
        } else {
            self.serving_family(mix)
        }
    }

    fn service(&mut self, mix: &ServiceMix) -> Value {
        let mut body = json!({
            "cluster": self.serving_cluster(),
            "serviceName": format!("s{}", self.rng.random_range(0..mix.names.max(1))),
            "taskDefinition": self.served_definition(mix),
            "deploymentConfiguration": self.configuration(mix),
            "healthCheckGracePeriodSeconds": *pick(self.rng, &[0, 0, 2, 10]),
        });
        if self.rng.random_ratio(1, mix.daemon_one_in.max(1)) {
            body["schedulingStrategy"] = "DAEMON".into();
        } else {
            body["desiredCount"] = self.desired(mix).into();
            body["placementStrategy"] = strategies(self.rng, mix);
        }
        if self.rng.random_ratio(1, mix.rule_one_in.max(1)) {
            let expression = format!("attribute:{RACK} == {}", *pick(self.rng, &RACKS));
            body["placementConstraints"] = if self.rng.random_ratio(1, 2) {
                json!([{ "type": "distinctInstance" }])
            } else {
                json!([{ "type": "memberOf", "expression": expression }])
            };
        }
        body
    }

    /// Now and then nothing.
    fn desired(&mut self, mix: &ServiceMix) -> u32 {
        if self.rng.random_ratio(1, 12) {
            0
        } else {
            self.rng.random_range(1..=mix.desired.max(1))
        }
    }

    fn configuration(&mut self, mix: &ServiceMix) -> Value {
        let (minimum, maximum) = *pick(self.rng, &mix.percents);
        let mut configuration =
            json!({ "minimumHealthyPercent": minimum, "maximumPercent": maximum });
        if self.rng.random_ratio(1, 2) {
            configuration["deploymentCircuitBreaker"] = breaker(self.rng);
        }
        if self.rng.random_ratio(1, mix.hook_one_in.max(1)) {
            let stage = *pick(
                self.rng,
                &["RECONCILE_SERVICE", "PRE_SCALE_UP", "POST_SCALE_UP"],
            );
            let action = *pick(self.rng, &["CONTINUE", "ROLLBACK"]);
            configuration["lifecycleHooks"] = json!([{
                "targetType": "PAUSE",
                "lifecycleStages": [stage],
                "timeoutConfiguration": { "timeoutInMinutes": 1, "action": action },
            }]);
        }
        configuration
    }

    fn update(&mut self, mix: &ServiceMix) -> Option<Value> {
        let (cluster, name) = self.known.services.pick(self.rng)?;
        let mut body = json!({ "cluster": cluster, "service": name });
        match self.rng.random_range(0..6) {
            0 | 1 => body["desiredCount"] = self.desired(mix).into(),
            2 | 3 => body["taskDefinition"] = self.served_definition(mix).into(),
            4 => body["forceNewDeployment"] = true.into(),
            _ => body["deploymentConfiguration"] = self.configuration(mix),
        }
        if self.rng.random_ratio(1, 4) {
            body["taskDefinition"] = self.served_definition(mix).into();
        }
        Some(body)
    }

    /// Instances come back into service more often than they leave it.
    fn set_state(&mut self) -> Option<Value> {
        let (cluster, id) = self.known.instances.pick(self.rng)?;
        let status = *pick(self.rng, &["DRAINING", "ACTIVE", "ACTIVE"]);
        Some(json!({ "cluster": cluster, "containerInstances": [id], "status": status }))
    }

    fn attributes(&mut self, value: Option<&str>) -> Option<Value> {
        let (cluster, id) = self.known.instances.pick(self.rng)?;
        let mut attribute =
            json!({ "name": RACK, "targetType": "container-instance", "targetId": id });
        if let Some(value) = value {
            attribute["value"] = value.into();
        }
        Some(json!({ "cluster": cluster, "attributes": [attribute] }))
    }

    fn protect(&mut self) -> Option<Value> {
        let (cluster, task) = self.known.tasks.pick(self.rng)?;
        Some(json!({
            "cluster": cluster,
            "tasks": [task],
            "protectionEnabled": self.rng.random_ratio(2, 3),
            "expiresInMinutes": self.rng.random_range(1..=2),
        }))
    }
}

fn strategies(rng: &mut SmallRng, mix: &ServiceMix) -> Value {
    if !rng.random_ratio(1, mix.rule_one_in.max(1)) {
        return json!([]);
    }
    let all = [
        json!([{ "type": "random" }]),
        json!([{ "type": "binpack", "field": "memory" }]),
        json!([{ "type": "spread", "field": "instanceId" }]),
        json!([{ "type": "spread", "field": format!("attribute:{RACK}") }]),
    ];
    pick(rng, &all).clone()
}

fn breaker(rng: &mut SmallRng) -> Value {
    let (kind, value) = *pick(
        rng,
        &[
            ("COUNT", 2),
            ("BOUNDED_PERCENT", 50),
            ("UNBOUNDED_PERCENT", 50),
        ],
    );
    json!({
        "enable": true,
        "rollback": rng.random_ratio(1, 2),
        "resetOnHealthyTask": rng.random_ratio(1, 2),
        "thresholdConfiguration": { "type": kind, "value": value },
    })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::known::Known;
    use super::super::mix::Mix;
    use super::*;

    #[test]
    fn a_client_that_knows_a_little_can_wish_for_everything() {
        let mut rng = SmallRng::seed_from_u64(3);
        let mut mix = Mix::draw(&mut rng);
        mix.services = Some(ServiceMix::draw(&mut rng));
        let mut known = Known::default();
        let hook = json!({ "hookId": "h1", "status": "AWAITING_ACTION" });
        let deployment = json!({
            "serviceDeploymentArn": "x/default/s0/1",
            "targetServiceRevision": { "arn": "x/default/s0/1" },
            "lifecycleHookDetails": [hook],
        });
        let output = json!({
            "taskArns": ["task/default/1"],
            "containerInstanceArns": ["x/default/mi-1"],
            "serviceArns": ["x/default/s0"],
            "serviceDeployments": [deployment],
        });
        known.learn("default", &output);
        for (kind, _) in ServiceKind::ALL {
            let mut wishing = Wishing {
                mix: &mix,
                rng: &mut rng,
                known: &known,
                mark: "w1",
            };
            let wish = wishing.make_of_services(kind);
            assert!(wish.is_some(), "{kind:?}");
        }
    }
}
