//! ExecuteCommand, which needs a channel into the container that Quorate does not have: it says so, after what ECS itself would refuse.

use bytes::Bytes;
use serde::Deserialize;

use super::exception::{Exception, Kind};
use super::input::Input;
use super::{Scene, clusters, tasks};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Asked {
    cluster: Option<String>,
    task: String,
    container: Option<String>,
}

/// ExecuteCommand.
pub(super) fn refuse(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let asked: Asked = input.read()?;
    let cluster = clusters::existing(scene, asked.cluster.as_deref())?;
    let id = tasks::find(scene, cluster, &asked.task)?;
    let task = id.and_then(|id| scene.state.task(&id));
    let task = task.ok_or_else(Exception::task_not_found)?;
    if let Some(name) = &asked.container
        && !task.containers.iter().any(|one| one.name == *name)
    {
        return Err(Exception::invalid_parameter(format!(
            "The task has no container {name:?}."
        )));
    }
    if !task.enable_execute_command {
        // ECS's text; the CLI's checker looks for it.
        return Err(Exception::invalid_parameter(
            "The execute command failed because execute command was not enabled when the task was run or the execute command \
             agent isn\u{2019}t running. Wait and try again or run a new task with execute command enabled and try again.",
        ));
    }
    Err(Exception::new(
        Kind::UnsupportedFeature,
        "ExecuteCommand is not supported by Quorate yet: use docker exec on the task's container instance.",
    ))
}
