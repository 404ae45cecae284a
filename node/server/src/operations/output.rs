//! DescribeTaskOutput, Quorate's own: what containers that failed printed last. ECS has no such call; there one looks into the logs, if the
//! definition sends them anywhere.

use bytes::Bytes;
use quorate_core::state::{Container, Task};
use serde::{Deserialize, Serialize};

use super::exception::Exception;
use super::input::{Input, check_list};
use super::render::{self, Failure};
use super::tasks::{DESCRIBED_MAX, find};
use super::{Scene, clusters};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    cluster: Option<String>,
    tasks: Vec<String>,
}

#[derive(Default, Serialize)]
struct Answer<'a> {
    tasks: Vec<Told<'a>>,
    failures: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    task_arn: String,
    containers: Vec<Printed<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Printed<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    last_output: &'a str,
}

/// DescribeTaskOutput: at most 20 lines and 1 KiB of each container that ended with another code than 0, as long as the stopped task is kept.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let asked: Asked = input.read()?;
    check_list("Tasks", &asked.tasks, DESCRIBED_MAX)?;
    let cluster = clusters::existing(scene, asked.cluster.as_deref())?;
    let mut answer = Answer::default();
    for text in &asked.tasks {
        let id = find(scene, cluster, text)?;
        match id {
            // One that waits for room has printed nothing.
            Some(id) => answer
                .tasks
                .extend(scene.state.task(&id).map(|task| told(scene, task))),
            None => {
                let (realm, name) = (scene.realm, &cluster.name);
                let missing = Failure::missing_in(realm, name, "task", text);
                answer.failures.push(missing);
            }
        }
    }
    Ok(render::body(&answer))
}

fn told<'a>(scene: &Scene<'_>, task: &'a Task) -> Told<'a> {
    Told {
        task_arn: scene.realm.task(&task.cluster, task.id),
        containers: task.containers.iter().map(printed).collect(),
    }
}

fn printed(container: &Container) -> Printed<'_> {
    Printed {
        name: &container.name,
        exit_code: container.exit_code,
        last_output: &container.last_output,
    }
}
