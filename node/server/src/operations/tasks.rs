//! Tasks that exist: DescribeTasks, ListTasks, StopTask. How they come to be is in `launch`.

use bytes::Bytes;
use quorate_core::ids::{InstanceId, TaskId};
use quorate_core::state::{Cluster, DesiredStatus, StopCode, Task, WaitingTask};
use quorate_core::{Command, Reply, State};
use serde::{Deserialize, Serialize};

use super::exception::Exception;
use super::input::{Input, check_length, check_list};
use super::page::{Order, Page, Paging};
use super::render::task::TaskJson;
use super::render::{self, Failure};
use super::{Intent, Outcome, Scene, clusters, instances, services};

/// ECS: tasks in one DescribeTasks.
pub(super) const DESCRIBED_MAX: usize = 100;
/// ECS: characters of a reason.
const REASON_MAX: usize = 1024;
/// stoppedReason where the caller gave none; clients know the text.
const REASON_DEFAULT: &str = "Task stopped by user";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Describe {
    cluster: Option<String>,
    tasks: Vec<String>,
    include: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct TasksAnswer<'a> {
    pub(super) tasks: Vec<TaskJson<'a>>,
    pub(super) failures: Vec<Failure>,
}

/// DescribeTasks.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let describe: Describe = input.read()?;
    check_list("Tasks", &describe.tasks, DESCRIBED_MAX)?;
    let cluster = clusters::existing(scene, describe.cluster.as_deref())?;
    let with_tags = describe.include.iter().any(|field| field == "TAGS");
    let mut answer = TasksAnswer {
        tasks: Vec::with_capacity(describe.tasks.len()),
        failures: Vec::new(),
    };
    for text in &describe.tasks {
        match find(scene, cluster, text)? {
            Some(id) => {
                let task = TaskJson::find(scene.state, scene.realm, id, with_tags);
                answer.tasks.extend(task);
            }
            None => answer.failures.push(Failure::missing_in(
                scene.realm,
                &cluster.name,
                "task",
                text,
            )),
        }
    }
    Ok(render::body(&answer))
}

/// The id of a task of `cluster`, placed or waiting, by id or ARN. An ARN of another cluster is a mistake, a text that is neither names nothing.
pub(super) fn find(
    scene: &Scene<'_>,
    cluster: &Cluster,
    text: &str,
) -> Result<Option<TaskId>, Exception> {
    let Ok(named) = scene.realm.parse_task(text) else {
        return Ok(None);
    };
    scene.check_cluster(named.cluster.as_ref(), cluster)?;
    let of = scene.state.cluster_of_task(&named.id);
    Ok((of == Some(&cluster.name)).then_some(named.id))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Stop {
    cluster: Option<String>,
    task: String,
    reason: Option<String>,
}

/// StopTask: in any status, as often as one likes.
pub(super) fn stop(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let stop: Stop = input.read()?;
    let reason = stop.reason.filter(|reason| !reason.is_empty());
    let reason = reason.unwrap_or_else(|| REASON_DEFAULT.to_owned());
    check_length("The reason", &reason, REASON_MAX)?;
    let cluster = clusters::existing(scene, stop.cluster.as_deref())?;
    let task = find(scene, cluster, &stop.task)?.ok_or_else(Exception::task_not_found)?;
    Ok(Intent::Change(Command::StopTask {
        task,
        code: StopCode::UserInitiated,
        reason,
    }))
}

#[derive(Serialize)]
struct Stopped<'a> {
    task: TaskJson<'a>,
}

/// The answer of StopTask.
pub(super) fn stopped(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Tasks(ids) = &outcome.reply else {
        return Err(outcome.strange());
    };
    let shown = ids
        .first()
        .and_then(|id| TaskJson::find(scene.state, scene.realm, *id, true));
    // Between two tries of one call the task may have been forgotten.
    let task = shown.ok_or_else(Exception::task_not_found)?;
    Ok(render::body(&Stopped { task }))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    cluster: Option<String>,
    container_instance: Option<String>,
    family: Option<String>,
    started_by: Option<String>,
    service_name: Option<String>,
    desired_status: Option<String>,
    launch_type: Option<String>,
    daemon_name: Option<String>,
    #[serde(flatten)]
    paging: Paging,
}

impl Filter {
    /// ECS: `startedBy` is the only filter where it is one at all. Clients join it with a desired status, and ECS lets them.
    fn check(&self) -> Result<(), Exception> {
        let others = [
            &self.container_instance,
            &self.family,
            &self.service_name,
            &self.launch_type,
            &self.daemon_name,
        ];
        if self.started_by.is_some() && others.iter().any(|other| other.is_some()) {
            return Err(Exception::invalid_parameter(
                "startedBy must be the only filter.",
            ));
        }
        Ok(())
    }

    /// PENDING is a legal wish and never a desired status, hence no task has it.
    fn wants(&self, task: &Row<'_>) -> bool {
        let desired = self
            .desired_status
            .as_deref()
            .unwrap_or(DesiredStatus::Running.as_str());
        let is = |wanted: &Option<String>, have: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == have)
        };
        task.desired.as_str() == desired
            && is(&self.family, task.family)
            && is(&self.started_by, task.started_by)
            && is(&self.launch_type, task.launch_type)
            // There are no daemons yet, so that no task is one's.
            && self.daemon_name.is_none()
    }

    fn page<'a>(&self, tasks: impl Iterator<Item = Row<'a>>) -> Result<Page<Row<'a>>, Exception> {
        let wanted = tasks.filter(|task| self.wants(task));
        self.paging
            .page::<_, TaskId>(Order::Ascending, wanted, |task| task.id)
    }
}

/// What filters and pages look at.
struct Row<'a> {
    id: TaskId,
    desired: DesiredStatus,
    family: &'a str,
    started_by: &'a str,
    launch_type: &'a str,
}

impl<'a> Row<'a> {
    fn of(task: &'a Task) -> Self {
        Self {
            id: task.id,
            desired: task.desired,
            family: task.definition.family.as_str(),
            started_by: &task.started_by,
            launch_type: &task.launch_type,
        }
    }

    fn of_waiting(task: &'a WaitingTask) -> Self {
        let wish = &task.new.wish;
        Self {
            id: task.new.id,
            desired: task.desired(),
            family: wish.definition.family.as_str(),
            started_by: &task.new.started_by,
            launch_type: wish.provider.launch_type(),
        }
    }

    /// The tasks of a cluster, placed and waiting, by id.
    fn all(state: &'a State, cluster: &'a Cluster) -> impl Iterator<Item = Self> {
        let mut placed = state.tasks_in(&cluster.name).map(Self::of).peekable();
        let waiting = state.waiting_tasks().map(Self::of_waiting);
        let is_here = |row: &Self| state.cluster_of_task(&row.id) == Some(&cluster.name);
        let mut waiting = waiting.filter(is_here).peekable();
        std::iter::from_fn(move || {
            let is_next = waiting
                .peek()
                .is_some_and(|one| placed.peek().is_none_or(|other| one.id < other.id));
            if is_next {
                waiting.next()
            } else {
                placed.next()
            }
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    task_arns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// ListTasks, by task id.
pub(super) fn list(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let filter: Filter = input.read()?;
    let cluster = clusters::existing(scene, filter.cluster.as_deref())?;
    filter.check()?;
    let instance: Option<InstanceId> = filter
        .container_instance
        .as_deref()
        .map(|text| instances::named(scene, cluster, text).map(|instance| instance.id))
        .transpose()?;
    let service = filter
        .service_name
        .as_deref()
        .map(|text| services::named(scene, cluster, text).map(|service| &service.key))
        .transpose()?;
    let is_on = |task: &&Task| instance.is_none_or(|instance| task.instance == instance);
    let page = match (service, &instance) {
        (Some(service), _) => {
            let tasks = scene.state.tasks_of(service).filter(is_on);
            filter.page(tasks.map(Row::of))?
        }
        (None, Some(instance)) => filter.page(scene.state.tasks_on(instance).map(Row::of))?,
        (None, None) => filter.page(Row::all(scene.state, cluster))?,
    };
    Ok(render::body(&Listed {
        task_arns: page
            .items
            .iter()
            .map(|task| scene.realm.task(&cluster.name, task.id))
            .collect(),
        next_token: page.next_token,
    }))
}
