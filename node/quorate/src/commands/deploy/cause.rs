//! Why a deployment does not get on: the first of its tasks that failed, else what the service says of placement.

use serde_json::Value;

use crate::render::{list, short, text};

/// The first cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// What went wrong.
    pub(super) what: String,
    /// Where there is more to read, if anywhere.
    pub(super) look: Option<String>,
    /// ARN of the task that failed.
    pub(super) task: Option<String>,
    /// What its containers printed last, line by line, once that was asked for.
    pub(super) printed: Vec<String>,
}

impl Cause {
    /// Of the tasks of a deployment that ended, the first that nobody had told to.
    pub(super) fn of_tasks(ended: &[Value]) -> Option<Self> {
        let at = |task: &Value| task["stoppedAt"].as_f64().unwrap_or(f64::MAX);
        let failed = ended.iter().filter(|task| has_failed(task));
        let first = failed.min_by(|one, other| {
            let (one_arn, other_arn) = (text(one, "/taskArn"), text(other, "/taskArn"));
            at(one)
                .total_cmp(&at(other))
                .then_with(|| one_arn.cmp(&other_arn))
        });
        first.map(Self::of_task)
    }

    fn of_task(task: &Value) -> Self {
        let (arn, instance) = (text(task, "/taskArn"), text(task, "/containerInstanceArn"));
        let reason = text(task, "/stoppedReason");
        let ends = list(task, "/containers").iter();
        let ends: Vec<String> = ends.filter_map(|one| end(one, &reason)).collect();
        let ends = match ends.as_slice() {
            [] => String::new(),
            some => format!(" ({})", some.join("; ")),
        };
        Self {
            what: format!(
                "task {} on {}: {reason}{ends}",
                short(&arn),
                short(&instance)
            ),
            look: output(task, short(&arn), short(&instance)),
            task: Some(arn),
            printed: Vec::new(),
        }
    }

    /// The same with what an answer of DescribeTaskOutput says of it.
    pub(super) fn with_output(mut self, answer: &Value) -> Self {
        let containers = list(answer, "/tasks")
            .iter()
            .flat_map(|task| list(task, "/containers"));
        let lines = containers.flat_map(|one| {
            let (name, printed) = (text(one, "/name"), text(one, "/lastOutput"));
            let lines: Vec<String> = printed
                .lines()
                .map(|line| format!("{name} | {line}"))
                .collect();
            lines
        });
        self.printed = lines.collect();
        self
    }

    /// Of a service's events since the deployment began, newest first: the last word on what is in the way.
    pub(super) fn of_events<'a>(mut newest_first: impl Iterator<Item = &'a str>) -> Option<Self> {
        // ECS's words: "was unable to place a task", "is unable to consistently start tasks".
        let found = newest_first.find(|message| message.contains(" unable to "));
        found.map(|message| Self {
            what: message.to_owned(),
            look: None,
            task: None,
            printed: Vec::new(),
        })
    }
}

/// Whether the task ended for a fault of its own, of its instance, or of its health.
fn has_failed(task: &Value) -> bool {
    match task["stopCode"].as_str() {
        Some("TaskFailedToStart" | "EssentialContainerExited" | "InfrastructureHealth") => true,
        _ => text(task, "/stoppedReason").starts_with("Task failed"),
    }
}

/// How a container ended, where that says more than the task's own reason.
fn end(container: &Value, known: &str) -> Option<String> {
    let (name, reason) = (text(container, "/name"), text(container, "/reason"));
    let code = container["exitCode"].as_i64();
    let code = code.map(|code| format!("exit code {code}"));
    let said = [code, Some(reason).filter(|reason| !known.contains(reason))];
    let said: Vec<String> = said.into_iter().flatten().collect();
    (!said.is_empty()).then(|| format!("{name}: {}", said.join(", ")))
}

/// Where all that the task printed can be read: the instance keeps it for a while.
fn output(task: &Value, id: &str, instance: &str) -> Option<String> {
    let containers = list(task, "/containers").iter();
    let failed = containers.filter(|one| one["exitCode"].as_i64().is_some_and(|code| code != 0));
    let runtime_ids = failed.map(|one| text(one, "/runtimeId"));
    let runtime_id = runtime_ids.into_iter().find(|id| !id.is_empty())?;
    // The process runtime names containers by their tasks, Docker's engine does not.
    Some(if runtime_id.starts_with(id) {
        format!(
            "all its output is on {instance}: stdout and stderr in containers/{runtime_id} of the agent's data directory"
        )
    } else {
        format!("all its output is on {instance}: docker logs {runtime_id}")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(id: &str, at: f64, code: &str, reason: &str, container: &Value) -> Value {
        json!({"taskArn": format!("arn:aws:ecs:us-east-1:000000000000:task/default/{id}"), "stoppedAt": at, "stopCode": code,
            "containerInstanceArn": "arn:aws:ecs:us-east-1:000000000000:container-instance/default/mi-1",
            "stoppedReason": reason, "containers": [container]})
    }

    #[test]
    fn the_first_task_that_failed_is_the_cause() {
        let exited = |code: u8, id: &str| json!({"name": "app", "exitCode": code, "runtimeId": id});
        let tasks = [
            task(
                "03",
                9.0,
                "EssentialContainerExited",
                "Essential container in task exited",
                &exited(7, "03-app"),
            ),
            task(
                "02",
                5.0,
                "EssentialContainerExited",
                "Essential container in task exited",
                &exited(3, "02-app"),
            ),
            task(
                "01",
                1.0,
                "ServiceSchedulerInitiated",
                "Scaling activity initiated by (deployment ecs-svc/1)",
                &exited(0, ""),
            ),
        ];
        let cause = Cause::of_tasks(&tasks);
        let expected = Cause {
            what: "task 02 on mi-1: Essential container in task exited (app: exit code 3)".to_owned(),
            look: Some("all its output is on mi-1: stdout and stderr in containers/02-app of the agent's data directory".to_owned()),
            task: Some("arn:aws:ecs:us-east-1:000000000000:task/default/02".to_owned()),
            printed: Vec::new(),
        };
        assert_eq!(cause.as_ref(), Some(&expected));
        let told = json!({"tasks": [{"containers": [{"name": "app", "lastOutput": "starting\nno such file"}, {"name": "log"}]}]});
        let printed = cause.map(|cause| cause.with_output(&told).printed);
        let expected = ["app | starting", "app | no such file"].map(str::to_owned);
        assert_eq!(printed, Some(expected.to_vec()));
        assert_eq!(Cause::of_tasks(&tasks[2..]), None);
    }

    #[test]
    fn what_never_ran_has_a_reason_and_no_output() {
        let container = json!({"name": "app", "reason": "CannotPullContainerError: no such image"});
        let never = task(
            "01",
            1.0,
            "TaskFailedToStart",
            "Task failed to start",
            &container,
        );
        let expected = Cause {
            what: "task 01 on mi-1: Task failed to start (app: CannotPullContainerError: no such image)".to_owned(),
            look: None,
            task: Some("arn:aws:ecs:us-east-1:000000000000:task/default/01".to_owned()),
            printed: Vec::new(),
        };
        assert_eq!(Cause::of_tasks(&[never]), Some(expected));
        let reason = "CannotPullContainerError: no such image";
        let never = task("01", 1.0, "TaskFailedToStart", reason, &container);
        let cause = Cause::of_tasks(&[never]).map(|cause| cause.what);
        assert_eq!(
            cause,
            Some(format!("task 01 on mi-1: {reason}")),
            "said once"
        );
        let container = json!({"name": "app", "exitCode": 1, "runtimeId": "4f5e"});
        let sick = task(
            "01",
            1.0,
            "ServiceSchedulerInitiated",
            "Task failed container health checks",
            &container,
        );
        let look = Cause::of_tasks(&[sick]).and_then(|cause| cause.look);
        assert_eq!(
            look.as_deref(),
            Some("all its output is on mi-1: docker logs 4f5e")
        );
    }

    #[test]
    fn without_tasks_the_newest_complaint_is_the_cause() {
        let events = [
            "(service web) has reached a steady state.",
            "(service web) was unable to place a task because ...",
        ];
        let cause = Cause::of_events(events.into_iter());
        assert_eq!(cause.map(|cause| cause.what).as_deref(), Some(events[1]));
        assert_eq!(Cause::of_events(events[..1].iter().copied()), None);
    }
}
