//! What the words of a command line say of a service, as members of CreateService and UpdateService.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::handed_in;

/// The flags of `create` and `update`. What no flag says is not sent, and the cluster decides.
#[derive(Args, Debug, Default)]
pub(super) struct Wanted {
    /// Definition to run: family, family:revision or ARN
    #[arg(long, value_name = "DEFINITION")]
    pub(super) task_definition: Option<String>,
    /// How many tasks
    #[arg(long, value_name = "N")]
    pub(super) desired_count: Option<u32>,
    /// Percent of the desired count that stay healthy while tasks are replaced
    #[arg(long, value_name = "PERCENT")]
    min: Option<u32>,
    /// Percent of the desired count that there may be while tasks are replaced
    #[arg(long, value_name = "PERCENT")]
    max: Option<u32>,
    /// Where tasks go: spread:FIELD, binpack:cpu, binpack:memory, random; in order of weight (repeatable), or none
    #[arg(long = "strategy", value_name = "TYPE[:FIELD]", value_parser = strategy)]
    strategies: Vec<Value>,
    /// Where tasks may go: distinctInstance, memberOf:EXPRESSION (repeatable), or none
    #[arg(long = "constraint", value_name = "TYPE[:EXPRESSION]", value_parser = constraint)]
    constraints: Vec<Value>,
    /// Give up a deployment whose tasks do not start; `=false` never does
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    circuit_breaker: Option<bool>,
    /// The same, and then go back to what ran before
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rollback: Option<bool>,
    /// All of the request as JSON, as for `aws ecs ... --cli-input-json` (`-`: standard input); flags win over it
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Name or ARN of the cluster [default: default]
    #[arg(long)]
    cluster: Option<String>,
}

impl Wanted {
    /// The request, but for what its operation alone takes.
    pub(super) fn members(&self) -> Result<Map<String, Value>, Failure> {
        let file = self.file.as_deref().map(handed_in::object).transpose()?;
        Ok(self.over(file.unwrap_or_default()))
    }

    /// What the flags say, over what stands in a file.
    fn over(&self, mut members: Map<String, Value>) -> Map<String, Value> {
        let plain = [
            (
                "taskDefinition",
                self.task_definition.as_ref().map(|text| json!(text)),
            ),
            ("desiredCount", self.desired_count.map(|count| json!(count))),
            ("placementStrategy", rules(&self.strategies)),
            ("placementConstraints", rules(&self.constraints)),
            ("cluster", self.cluster.as_ref().map(|text| json!(text))),
        ];
        put(&mut members, plain);
        members.entry("cluster").or_insert_with(|| json!("default"));

        let mut deployment = taken(&mut members, "deploymentConfiguration");
        let percents = [
            (
                "minimumHealthyPercent",
                self.min.map(|percent| json!(percent)),
            ),
            ("maximumPercent", self.max.map(|percent| json!(percent))),
            ("deploymentCircuitBreaker", self.breaker(&mut deployment)),
        ];
        put(&mut deployment, percents);
        if !deployment.is_empty() {
            members.insert("deploymentConfiguration".into(), Value::Object(deployment));
        }
        members
    }

    /// The circuit breaker, where a flag speaks of it. ECS wants both of its members.
    fn breaker(&self, deployment: &mut Map<String, Value>) -> Option<Value> {
        if self.circuit_breaker.is_none() && self.rollback.is_none() {
            return None;
        }
        let mut breaker = taken(deployment, "deploymentCircuitBreaker");
        let is_on = |member: &str| breaker.get(member) == Some(&json!(true));
        let rolls_back = self.rollback.unwrap_or_else(|| is_on("rollback"));
        let is_enabled = self
            .circuit_breaker
            .unwrap_or(rolls_back || is_on("enable"));
        breaker.insert("enable".into(), json!(is_enabled));
        breaker.insert("rollback".into(), json!(rolls_back && is_enabled));
        Some(Value::Object(breaker))
    }
}

fn put<const N: usize>(members: &mut Map<String, Value>, given: [(&str, Option<Value>); N]) {
    for (member, value) in given {
        if let Some(value) = value {
            members.insert(member.into(), value);
        }
    }
}

/// The object of that name, taken out; empty if there is none.
fn taken(members: &mut Map<String, Value>, member: &str) -> Map<String, Value> {
    match members.remove(member) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    }
}

/// The rules that were named; `none` among them stands for an empty list.
fn rules(named: &[Value]) -> Option<Value> {
    let rules: Vec<&Value> = named.iter().filter(|rule| !rule.is_null()).collect();
    (!named.is_empty()).then(|| json!(rules))
}

/// One strategy; `none` is null. What the types mean is the cluster's business.
fn strategy(text: &str) -> Result<Value, String> {
    rule(text, "field")
}

fn constraint(text: &str) -> Result<Value, String> {
    rule(text, "expression")
}

fn rule(text: &str, member: &str) -> Result<Value, String> {
    match text.split_once(':') {
        _ if text == "none" => Ok(Value::Null),
        None if text.is_empty() => Err("it is empty".to_owned()),
        None => Ok(json!({"type": text})),
        Some((kind, rest)) => Ok(json!({"type": kind, member: rest})),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else {
            panic!("{value} is no object")
        };
        object
    }

    #[test]
    fn what_no_flag_says_is_not_sent() {
        let members = Wanted::default().over(Map::new());
        assert_eq!(Value::Object(members), json!({"cluster": "default"}));
    }

    #[test]
    fn flags_win_over_the_file_member_by_member() {
        let file = json!({
            "cluster": "prod", "desiredCount": 2, "taskDefinition": "web",
            "deploymentConfiguration": {"maximumPercent": 150, "deploymentCircuitBreaker": {
                "enable": false, "rollback": false, "thresholdConfiguration": {"type": "COUNT", "value": 1}}},
        });
        let wanted = Wanted {
            desired_count: Some(5),
            min: Some(50),
            rollback: Some(true),
            ..Wanted::default()
        };
        let expected = json!({
            "cluster": "prod", "desiredCount": 5, "taskDefinition": "web",
            "deploymentConfiguration": {"minimumHealthyPercent": 50, "maximumPercent": 150, "deploymentCircuitBreaker": {
                "enable": true, "rollback": true, "thresholdConfiguration": {"type": "COUNT", "value": 1}}},
        });
        assert_eq!(Value::Object(wanted.over(object(file))), expected);
    }

    #[test]
    fn a_breaker_that_is_off_rolls_nothing_back() {
        let wanted = Wanted {
            circuit_breaker: Some(false),
            ..Wanted::default()
        };
        let breaker = json!({"deploymentCircuitBreaker": {"enable": true, "rollback": true}});
        let members = wanted.over(object(json!({"deploymentConfiguration": breaker})));
        assert_eq!(
            members["deploymentConfiguration"]["deploymentCircuitBreaker"],
            json!({"enable": false, "rollback": false})
        );
    }

    #[test]
    fn rules_are_a_type_and_what_follows() {
        assert_eq!(strategy("random"), Ok(json!({"type": "random"})));
        assert_eq!(
            constraint("memberOf:attribute:rack == r1"),
            Ok(json!({"type": "memberOf", "expression": "attribute:rack == r1"}))
        );
        assert!(strategy("").is_err());
        assert_eq!(rules(&[]), None);
        assert_eq!(rules(&[strategy("none").unwrap()]), Some(json!([])));
    }
}
