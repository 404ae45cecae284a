//! The life of one object, as clients see it: a cluster, a revision, a task. All three are made, ended, and looked at.

use serde_json::Value;

use super::super::claims::last_part;
use super::search::Object;
use crate::history::{Call, Outcome};

/// What an object can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Life {
    Absent,
    Active,
    Ended,
}

/// Every state of a life.
pub(super) const ALL: [Life; 3] = [Life::Absent, Life::Active, Life::Ended];

/// What happens to an object, or is seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// It is made, or a cluster revived.
    Make,
    /// It is ended.
    End,
    /// It was to be ended, and there was none.
    EndOfNothing,
    /// It is looked at.
    See(Life),
    /// A task is looked at, which may end, and later be forgotten, by itself.
    SeeTask(Life),
}

/// A life as the search takes it.
pub(super) struct LifeOf;

impl Object for LifeOf {
    type State = Life;
    type What = Deed;

    fn after(state: Life, what: &Deed) -> Vec<Life> {
        match (*what, state) {
            (Deed::Make, _) => vec![Life::Active],
            (Deed::End, Life::Active | Life::Ended) => vec![Life::Ended],
            (Deed::End, Life::Absent) => Vec::new(),
            (Deed::EndOfNothing, _) => [state]
                .into_iter()
                .filter(|state| *state == Life::Absent)
                .collect(),
            (Deed::See(seen), _) => [state].into_iter().filter(|state| *state == seen).collect(),
            // Absent first, or after its end, which nobody need have seen.
            (Deed::SeeTask(seen), _) => {
                let by_itself = matches!(
                    (state, seen),
                    (Life::Active, Life::Ended | Life::Absent)
                        | (Life::Ended, Life::Ended | Life::Absent)
                );
                (state == seen || by_itself)
                    .then_some(seen)
                    .into_iter()
                    .collect()
            }
        }
    }
}

/// What a call did to, or saw of, which objects. A change without a known outcome may have happened; a refused one did not.
pub(super) fn deeds(call: &Call) -> Vec<(String, Deed)> {
    let mut deeds = all_deeds(call);
    deeds.retain(|(object, _)| object != BY_ITSELF);
    deeds
}

/// The one object that is revived without a client: by agents that join it.
const BY_ITSELF: &str = "cluster default";

fn all_deeds(call: &Call) -> Vec<(String, Deed)> {
    match (&call.outcome, call.output()) {
        (_, Some(output)) => done(call, output),
        (Outcome::Unknown, None) => wanted(call),
        (Outcome::Answered { status, .. }, None) if *status >= 500 && !call.is_void() => {
            wanted(call)
        }
        (Outcome::Answered { .. }, None) => refused(call),
    }
}

fn cluster(name: &str) -> String {
    format!("cluster {}", last_part(name))
}

fn revision(id: &str) -> String {
    format!("revision {}", last_part(id))
}

fn task(id: &str) -> String {
    format!("task {}", last_part(id))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn done(call: &Call, output: &Value) -> Vec<(String, Deed)> {
    let list = |member: &str| output[member].as_array().into_iter().flatten();
    let missing = |name: fn(&str) -> String, deed: Deed| {
        list("failures")
            .filter(|one| one["reason"] == "MISSING")
            .map(move |one| (name(text(&one["arn"])), deed))
    };
    let life = |one: &Value| {
        if one["status"] == "ACTIVE" {
            Life::Active
        } else {
            Life::Ended
        }
    };
    match call.operation.as_str() {
        "CreateCluster" => vec![(cluster(text(&output["cluster"]["clusterArn"])), Deed::Make)],
        "DeleteCluster" => vec![(cluster(text(&output["cluster"]["clusterArn"])), Deed::End)],
        "DescribeClusters" => list("clusters")
            .map(|one| (cluster(text(&one["clusterName"])), Deed::See(life(one))))
            .chain(missing(cluster, Deed::See(Life::Absent)))
            .collect(),
        "RegisterTaskDefinition" => vec![(
            revision(text(&output["taskDefinition"]["taskDefinitionArn"])),
            Deed::Make,
        )],
        "DeregisterTaskDefinition" => vec![(
            revision(text(&output["taskDefinition"]["taskDefinitionArn"])),
            Deed::End,
        )],
        "DescribeTaskDefinition" => {
            let one = &output["taskDefinition"];
            vec![(
                revision(text(&one["taskDefinitionArn"])),
                Deed::See(life(one)),
            )]
        }
        // A repeated RunTask shows the tasks of the first; whether they live it does not say.
        "RunTask" | "StartTask" if call.text("clientToken").is_empty() => list("tasks")
            .map(|one| (task(text(&one["taskArn"])), Deed::Make))
            .collect(),
        "StopTask" => vec![(task(text(&output["task"]["taskArn"])), Deed::End)],
        "DescribeTasks" => {
            let desired = |one: &Value| {
                if one["desiredStatus"] == "RUNNING" {
                    Life::Active
                } else {
                    Life::Ended
                }
            };
            list("tasks")
                .map(|one| (task(text(&one["taskArn"])), Deed::SeeTask(desired(one))))
                .chain(missing(task, Deed::SeeTask(Life::Absent)))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Only what names its object beforehand; nobody knows of the others.
fn wanted(call: &Call) -> Vec<(String, Deed)> {
    match call.operation.as_str() {
        "CreateCluster" => vec![(cluster(call.text("clusterName")), Deed::Make)],
        "DeleteCluster" => vec![(cluster(call.text("cluster")), Deed::End)],
        "DeregisterTaskDefinition" => vec![(revision(call.text("taskDefinition")), Deed::End)],
        "StopTask" => vec![(task(call.text("task")), Deed::End)],
        _ => Vec::new(),
    }
}

fn refused(call: &Call) -> Vec<(String, Deed)> {
    let nothing_there =
        call.operation == "DeleteCluster" && call.refusal() == Some("ClusterNotFoundException");
    nothing_there
        .then(|| (cluster(call.text("cluster")), Deed::EndOfNothing))
        .into_iter()
        .collect()
}
