//! Task protection: tasks that their services do not stop for scaling, deployments and draining. UpdateTaskProtection,
//! GetTaskProtection.

use bytes::Bytes;
use quorate_core::state::{Cluster, Task};
use quorate_core::{Command, Reply};
use serde::{Deserialize, Serialize};

use super::exception::Exception;
use super::input::{Input, check_list};
use super::render::{self, Failure};
use super::{Intent, Outcome, Scene, clusters, tasks};

/// ECS: tasks in one UpdateTaskProtection.
const UPDATED_MAX: usize = 10;
/// ECS: tasks in one GetTaskProtection.
const DESCRIBED_MAX: usize = 100;
/// ECS: minutes, unless the caller says otherwise.
const MINUTES: i64 = 120;
/// ECS: two days.
const MINUTES_MAX: i64 = 2880;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Update {
    cluster: Option<String>,
    tasks: Vec<String>,
    protection_enabled: bool,
    expires_in_minutes: Option<i64>,
}

/// UpdateTaskProtection: each call begins the time anew.
pub(super) fn update(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let update: Update = input.read()?;
    check_list("Tasks", &update.tasks, UPDATED_MAX)?;
    let minutes = update.expires_in_minutes.unwrap_or(MINUTES);
    let minutes = u64::try_from(minutes)
        .ok()
        .filter(|_| (1..=MINUTES_MAX).contains(&minutes))
        .ok_or_else(|| {
            let text = format!("expiresInMinutes must be between 1 and {MINUTES_MAX}.");
            Exception::invalid_parameter(text)
        })?;
    let cluster = clusters::existing(scene, update.cluster.as_deref())?;
    let (found, failures) = members(scene, cluster, &update.tasks)?;
    let command = Command::ProtectTasks {
        tasks: found.iter().map(|task| task.id).collect(),
        for_ms: update.protection_enabled.then_some(minutes * 60_000),
    };
    Ok(Intent::ChangeSome { command, failures })
}

/// Those of the named tasks that live and belong to a service; why the others are not among them.
fn members<'a>(
    scene: &Scene<'a>,
    cluster: &Cluster,
    named: &[String],
) -> Result<(Vec<&'a Task>, Vec<Failure>), Exception> {
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for text in named {
        let id = tasks::find(scene, cluster, text)?;
        let task = id.and_then(|id| scene.state.task(&id));
        let can_be = |task: &&Task| task.service.is_some() && task.holds_resources();
        match (id, task.filter(can_be)) {
            (Some(_), Some(task)) => found.push(task),
            (Some(id), None) => failures.push(Failure {
                arn: scene.realm.task(&cluster.name, id),
                reason: "TASK_NOT_VALID".into(),
                detail: Some("The task does not run, or no service started it.".into()),
            }),
            (None, _) => {
                failures.push(Failure::missing_in(
                    scene.realm,
                    &cluster.name,
                    "task",
                    text,
                ));
            }
        }
    }
    Ok((found, failures))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Protection {
    task_arn: String,
    protection_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_date: Option<f64>,
}

impl Protection {
    fn of(scene: &Scene<'_>, task: &Task) -> Self {
        let until = task
            .protected_until
            .filter(|_| task.is_protected(scene.state.now()));
        Self {
            task_arn: scene.realm.task(&task.cluster, task.id),
            protection_enabled: until.is_some(),
            expiration_date: render::seconds(until),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Protected {
    protected_tasks: Vec<Protection>,
    failures: Vec<Failure>,
}

/// The answer of UpdateTaskProtection.
pub(super) fn updated(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Tasks(ids) = &outcome.reply else {
        return Err(outcome.strange());
    };
    let known = ids.iter().filter_map(|id| scene.state.task(id));
    Ok(render::body(&Protected {
        protected_tasks: known.map(|task| Protection::of(scene, task)).collect(),
        failures: outcome.failures.clone(),
    }))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Describe {
    cluster: Option<String>,
    tasks: Vec<String>,
}

/// GetTaskProtection; with no tasks named, all that are protected.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let describe: Describe = input.read()?;
    let cluster = clusters::existing(scene, describe.cluster.as_deref())?;
    let now = scene.state.now();
    let (found, failures) = if describe.tasks.is_empty() {
        let all = scene.state.tasks_in(&cluster.name);
        let protected = all.filter(|task| task.holds_resources() && task.is_protected(now));
        (protected.take(DESCRIBED_MAX).collect(), Vec::new())
    } else {
        check_list("Tasks", &describe.tasks, DESCRIBED_MAX)?;
        members(scene, cluster, &describe.tasks)?
    };
    Ok(render::body(&Protected {
        protected_tasks: found
            .iter()
            .map(|task| Protection::of(scene, task))
            .collect(),
        failures,
    }))
}
