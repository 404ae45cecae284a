//! DescribePlacement, Quorate's own: why a task is where it is, or where the next task of a service would go; a row for each instance.

use bytes::Bytes;
use quorate_core::explain::{self, Chooser};
use quorate_core::state::{Cluster, Rollout, Service, Task, Topic, WaitingTask};
use quorate_core::{Explained, forecast};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::exception::Exception;
use super::input::Input;
use super::render::explained::{choice, rows, rules};
use super::render::service::{Counts, event};
use super::{Scene, clusters, render, services, tasks};

/// Events that are shown with a service: what it said last is most likely about what is asked.
const EVENTS_SHOWN: usize = 5;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    cluster: Option<String>,
    task: Option<String>,
    service: Option<String>,
}

/// DescribePlacement.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let asked: Asked = input.read()?;
    let cluster = clusters::existing(scene, asked.cluster.as_deref())?;
    let shown = match (&asked.task, &asked.service) {
        (Some(task), None) => of_task(scene, cluster, task)?,
        (None, Some(service)) => of_service(scene, services::named(scene, cluster, service)?),
        (None, None) | (Some(_), Some(_)) => {
            return Err(Exception::invalid_parameter(
                "Either a task or a service must be given.",
            ));
        }
    };
    Ok(render::body(&shown))
}

fn of_task(
    scene: &Scene<'_>,
    cluster: &Cluster,
    text: &str,
) -> Result<Map<String, Value>, Exception> {
    let id = tasks::find(scene, cluster, text)?;
    if let Some(waiting) = id.and_then(|id| scene.state.waiting_task(&id)) {
        return of_waiting(scene, cluster, waiting);
    }
    let task = id.and_then(|id| scene.state.task(&id));
    let task = task.ok_or_else(Exception::task_not_found)?;
    let kept = scene.decisions.at(task.assigned_index);
    let decided =
        kept.and_then(|kept| explain::decided(&kept.before, kept.index, &kept.entry(), &task.id));
    let is_kept = decided.is_some();
    let why = decided.or_else(|| explain::again(scene.state, task));
    let why = why.ok_or_else(not_explained)?;
    let mut shown = shown(scene, cluster, &why);
    let mine = json!({
        "taskArn": scene.realm.task(&task.cluster, task.id),
        "containerInstanceArn": scene.realm.instance(&task.cluster, task.instance),
        "decidedAt": task.created_at.as_epoch_seconds(),
        "decisionKept": is_kept,
        "notes": notes(task, &why, is_kept),
    });
    add(&mut shown, mine);
    if let Some(key) = task.service_key() {
        shown.insert("serviceArn".into(), scene.realm.service(&key).into());
    }
    Ok(shown)
}

/// A task in PROVISIONING: what it waits for.
fn of_waiting(
    scene: &Scene<'_>,
    cluster: &Cluster,
    task: &WaitingTask,
) -> Result<Map<String, Value>, Exception> {
    let why = explain::waiting(scene.state, task).ok_or_else(not_explained)?;
    let mut shown = shown(scene, cluster, &why);
    let note = match task.stopped {
        None => "It waits for room with its capacity provider; here is what keeps it waiting.",
        Some(_) => "It was stopped before there was room; here is how it would be decided now.",
    };
    let mine = json!({
        "taskArn": scene.realm.task(&cluster.name, task.new.id),
        "decisionKept": false,
        "notes": [note],
    });
    add(&mut shown, mine);
    Ok(shown)
}

fn not_explained() -> Exception {
    Exception::client(
        "The placement of the task can not be explained: its definition or its capacity provider is gone.",
    )
}

/// What has to be said so that the rows are not misread.
fn notes(task: &Task, why: &Explained, is_kept: bool) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if !is_kept {
        notes.push("This decision is not kept any more; here is how it would be decided now.");
    }
    let is_best = why
        .why
        .winner
        .is_some_and(|one| one.instance == task.instance);
    match why.chooser {
        Chooser::Placement if is_kept && !is_best => notes.push(
            "By the state that its entry found, another instance would have been chosen: the state moved after the decision, or \
             the scheduler moved the task on purpose.",
        ),
        Chooser::Placement => {}
        Chooser::Caller => notes.push("The caller named the instance (StartTask)."),
        Chooser::Daemon => notes.push(DAEMON),
        Chooser::Unknown => notes.push(
            "What the call asked of placement is not known any more; the rules are those of the task definition alone.",
        ),
    }
    notes
}

const DAEMON: &str = "A DAEMON service has one task on each instance that it is meant for.";

fn of_service(scene: &Scene<'_>, service: &Service) -> Map<String, Value> {
    let (state, key) = (scene.state, &service.key);
    let cluster = state.cluster(&key.cluster);
    let next = explain::next(state, key).zip(cluster);
    let mut notes = Vec::new();
    let mut answer = match &next {
        Some((why, cluster)) => shown(scene, cluster, why),
        None => {
            notes.push("The service has no deployment that starts tasks.");
            Map::new()
        }
    };
    let primary = service.primary();
    if primary.is_some_and(|one| one.rollout == Rollout::Failed) {
        notes.push("Its deployment has failed and starts no more tasks.");
    }
    if next.is_some_and(|(why, _)| why.chooser == Chooser::Daemon) {
        notes.push(DAEMON);
    }
    let counts = Counts::of(state, service, None);
    let said = service.said.iter();
    let said = said.filter(|one| one.topic != Topic::SteadyState);
    let events = state.events_of(key).take(EVENTS_SHOWN);
    let mine = json!({
        "serviceArn": scene.realm.service(key),
        "status": service.status.as_str(),
        "desiredCount": service.spec.desired_count,
        "runningCount": counts.running,
        "pendingCount": counts.pending,
        "missingCount": forecast::missing(state, key),
        "blocked": said.map(|one| one.message.as_str()).collect::<Vec<_>>(),
        "events": events.map(event).collect::<Vec<_>>(),
        "notes": notes,
    });
    add(&mut answer, mine);
    answer
}

/// What both have: rules, rows, and who is chosen.
fn shown(scene: &Scene<'_>, cluster: &Cluster, why: &Explained) -> Map<String, Value> {
    let mut shown = Map::new();
    let mine = json!({
        "taskDefinitionArn": scene.realm.definition(&why.definition),
        "rules": rules(&why.rules),
        "containerInstances": rows(scene.realm, &cluster.name, why),
        "chosen": choice(scene.realm, &cluster.name, why),
    });
    add(&mut shown, mine);
    shown
}

fn add(to: &mut Map<String, Value>, members: Value) {
    if let Value::Object(members) = members {
        to.extend(members);
    }
}
