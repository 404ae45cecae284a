//! What a look at a deployment shows: how far it is, what is news, and whether it is over. Answers in, a view out; nothing is asked
//! or printed here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::cause::Cause;
use crate::render::{list, text};

/// ECS: without a health check, a task is healthy once it has been RUNNING for so long.
const STEADY: Duration = Duration::from_secs(40);

/// Tasks of a larger service are not looked at one by one: that would cost the cluster more than it tells.
const TASKS_MAX: u64 = 500;

/// What is watched.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) cluster: String,
    pub(super) service: String,
    /// `ecs-svc/N`, also `startedBy` of its tasks.
    pub(super) deployment: String,
    /// The ARN of the service deployment.
    pub(super) arn: String,
    /// `family:revision`
    pub(super) definition: String,
    /// Whether its tasks are healthy when checks say so.
    pub(super) has_health_check: bool,
}

/// What the cluster answered at one look.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The service, of DescribeServices.
    pub(super) service: Value,
    /// The service deployment, of DescribeServiceDeployments; null if it is not there any more.
    pub(super) rollout: Value,
    /// Tasks of the service that are to run, if they are to be looked at.
    pub(super) tasks: Option<Vec<Value>>,
    /// Tasks of the service that are to stop, or have, if they are to be looked at.
    pub(super) ended: Vec<Value>,
}

/// How far a deployment is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Of the service deployment: `IN_PROGRESS` ...
    pub(super) status: String,
    pub(super) desired: u64,
    pub(super) running: u64,
    pub(super) pending: u64,
    /// Unknown during a rollback, and where there are too many tasks to look at.
    pub(super) healthy: Option<u64>,
    pub(super) failed: u64,
    /// The lifecycle hook that it waits at.
    pub(super) hook: Option<String>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Completed,
    /// Why not.
    Failed(String),
}

/// What there is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Since the command began.
    pub(super) at: Duration,
    pub(super) progress: Progress,
    /// Whether the progress differs from that of the last look.
    pub(super) is_news: bool,
    /// Events that were not seen before, oldest first.
    pub(super) events: Vec<String>,
    /// The first cause of trouble, when it is seen for the first time.
    pub(super) cause: Option<Cause>,
    pub(super) verdict: Option<Verdict>,
}

/// What has been seen so far.
#[derive(Debug)]
pub(super) struct Watch {
    target: Target,
    progress: Progress,
    events: BTreeSet<String>,
    /// Since when each task was seen RUNNING, by our own clock: the cluster's may differ.
    running_since: BTreeMap<String, Duration>,
    failure: Option<Cause>,
    complaint: Option<Cause>,
}

impl Watch {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            progress: Progress::default(),
            events: BTreeSet::new(),
            running_since: BTreeMap::new(),
            failure: None,
            complaint: None,
        }
    }

    /// Whether the next look has to include the tasks that are to run.
    pub(super) fn wants_tasks(service: &Value, rollout: &Value) -> bool {
        let counts = ["runningCount", "pendingCount"].map(|count| number(service, count));
        !is_rolling_back(rollout) && counts[0] + counts[1] <= TASKS_MAX
    }

    /// Whether the next look has to include those that ended: something failed, and it is not known what was first.
    pub(super) fn wants_ended(&self, service: &Value, rollout: &Value) -> bool {
        let failed = listed(service, &self.target.deployment)
            .map_or(0, |deployment| number(deployment, "failedTasks"));
        let is_well = matches!(
            rollout["status"].as_str(),
            Some("PENDING" | "IN_PROGRESS" | "SUCCESSFUL")
        );
        self.failure.is_none() && (failed > 0 || !is_well)
    }

    /// What is in the way of the deployment, as far as it has been seen.
    pub(super) fn cause(&self) -> Option<&Cause> {
        self.failure.as_ref().or(self.complaint.as_ref())
    }

    /// The progress seen last.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Takes in what was seen so long after the command began.
    pub(super) fn see(&mut self, seen: &Seen, at: Duration) -> View {
        let events = self.news(seen);
        let was_known = self.failure.is_some();
        self.find_cause(seen);
        let progress = self.progress_of(seen, at);
        let is_news = progress != self.progress;
        self.progress = progress.clone();
        View {
            at,
            progress,
            is_news,
            events,
            cause: self.failure.clone().filter(|_| !was_known),
            verdict: verdict(&seen.rollout),
        }
    }

    /// Events since the deployment began that were not seen before, oldest first.
    fn news(&mut self, seen: &Seen) -> Vec<String> {
        let newest_first = since(seen).filter(|event| self.events.insert(text(event, "/id")));
        let mut news: Vec<String> = newest_first.map(|event| text(event, "/message")).collect();
        news.reverse();
        news
    }

    fn find_cause(&mut self, seen: &Seen) {
        if self.failure.is_none() {
            let mut ended = seen.ended.clone();
            ended.retain(|task| task["startedBy"] == *self.target.deployment);
            self.failure = Cause::of_tasks(&ended);
        }
        let messages = since(seen).filter_map(|event| event["message"].as_str());
        self.complaint = Cause::of_events(messages);
    }

    fn progress_of(&mut self, seen: &Seen, at: Duration) -> Progress {
        // What comes back is PRIMARY then.
        let focus = if is_rolling_back(&seen.rollout) {
            list(&seen.service, "/deployments").first()
        } else {
            listed(&seen.service, &self.target.deployment)
        };
        let count = |member: &str| focus.map_or(0, |deployment| number(deployment, member));
        let failed = listed(&seen.service, &self.target.deployment);
        let is_complete = seen.rollout["status"] == "SUCCESSFUL";
        let tasks = seen.tasks.as_ref().map(|tasks| self.healthy(tasks, at));
        Progress {
            status: text(&seen.rollout, "/status"),
            desired: count("desiredCount"),
            running: count("runningCount"),
            pending: count("pendingCount"),
            // The cluster has just said that all are.
            healthy: tasks.map(|healthy| {
                if is_complete {
                    count("runningCount")
                } else {
                    healthy
                }
            }),
            failed: failed.map_or(self.progress.failed, |one| number(one, "failedTasks")),
            hook: hook(&seen.rollout),
        }
    }

    /// How many of the deployment's tasks are healthy, by the rules of ECS.
    fn healthy(&mut self, tasks: &[Value], at: Duration) -> u64 {
        let mut healthy = 0;
        for task in tasks {
            let is_ours = task["startedBy"] == *self.target.deployment;
            if !is_ours || task["lastStatus"] != "RUNNING" {
                continue;
            }
            let since = self.running_since.entry(text(task, "/taskArn"));
            let since = *since.or_insert(at);
            let is_healthy = if self.target.has_health_check {
                task["healthStatus"] == "HEALTHY"
            } else {
                at.saturating_sub(since) >= STEADY
            };
            healthy += u64::from(is_healthy);
        }
        healthy
    }
}

fn number(value: &Value, member: &str) -> u64 {
    value[member].as_u64().unwrap_or(0)
}

/// One of `deployments[]`.
fn listed<'a>(service: &'a Value, deployment: &str) -> Option<&'a Value> {
    let mut listed = list(service, "/deployments").iter();
    listed.find(|one| one["id"] == deployment)
}

/// The service's events since the deployment began, newest first.
fn since(seen: &Seen) -> impl Iterator<Item = &Value> {
    let begun = seen.rollout["createdAt"].as_f64().unwrap_or(f64::MAX);
    let events = list(&seen.service, "/events").iter();
    events.filter(move |event| event["createdAt"].as_f64().is_some_and(|at| at >= begun))
}

fn is_rolling_back(rollout: &Value) -> bool {
    let status = rollout["status"].as_str().unwrap_or_default();
    matches!(
        status,
        "ROLLBACK_IN_PROGRESS" | "ROLLBACK_SUCCESSFUL" | "ROLLBACK_FAILED"
    )
}

fn hook(rollout: &Value) -> Option<String> {
    let mut hooks = list(rollout, "/lifecycleHookDetails").iter();
    let waits = hooks.find(|hook| hook["status"] == "AWAITING_ACTION")?;
    Some(text(waits, "/hookId"))
}

/// Whether it is over, and how. A status that is not known here is not the end.
fn verdict(rollout: &Value) -> Option<Verdict> {
    let failed = |how: &str| {
        let reason = text(rollout, "/statusReason");
        let colon = if reason.is_empty() { "" } else { ": " };
        Some(Verdict::Failed(format!("{how}{colon}{reason}")))
    };
    match rollout["status"].as_str() {
        Some("SUCCESSFUL") => Some(Verdict::Completed),
        Some("STOPPED") => failed("it was given up"),
        Some("ROLLBACK_SUCCESSFUL") => failed("it was rolled back"),
        Some("ROLLBACK_FAILED") => failed("it failed, and so did its rollback"),
        Some(_) => None,
        None => failed("the cluster does not know it any more"),
    }
}

#[cfg(test)]
mod tests;
