//! Waiting for tasks, with the rules of the AWS waiters but without their pauses of six seconds.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::error::ClientError;

/// Reads are cheap for a node, and a task takes tenths of a second to start.
const POLL_PAUSE: Duration = Duration::from_millis(200);

/// What tasks are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// `lastStatus` RUNNING; a task that stops instead fails the wait.
    Running,
    /// `lastStatus` STOPPED.
    Stopped,
}

impl TaskStatus {
    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// Why a wait ended without what it waited for.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The time was over; holds how the tasks were seen last.
    #[error("after {limit:?} not every task is {}: {seen}", wanted.name())]
    TimedOut {
        /// What was waited for.
        wanted: TaskStatus,
        /// The time that was given.
        limit: Duration,
        /// Each task and its last status.
        seen: String,
    },
    /// A task can no longer become what was waited for.
    #[error("task {task} cannot become {} any more: {why}", wanted.name())]
    Impossible {
        /// What was waited for.
        wanted: TaskStatus,
        /// The ARN of the task.
        task: String,
        /// Its stop reason, or that it is missing.
        why: String,
    },
    /// A call failed in a way that waiting does not mend.
    #[error("describe the tasks")]
    Call(#[from] ClientError),
}

impl Client {
    /// Waits until all of these tasks (ids or ARNs) have the status, and gives their descriptions. Failures that
    /// pass, as during an election, are waited out.
    ///
    /// # Errors
    /// See [`WaitError`].
    pub async fn wait_tasks(
        &self,
        cluster: &str,
        tasks: &[String],
        wanted: TaskStatus,
        limit: Duration,
    ) -> Result<Vec<Value>, WaitError> {
        let deadline = Instant::now() + limit;
        let mut seen = "never seen".to_owned();
        loop {
            match self
                .describe("DescribeTasks", json!({"cluster": cluster}), "tasks", tasks)
                .await
            {
                Ok(mut answer) => {
                    if let Some(impossible) = first_impossible(&answer, wanted) {
                        return Err(impossible);
                    }
                    let Value::Array(described) = answer["tasks"].take() else {
                        unreachable!("describe() always gives an array")
                    };
                    if described.len() >= tasks.len()
                        && described
                            .iter()
                            .all(|task| task["lastStatus"] == wanted.name())
                    {
                        return Ok(described);
                    }
                    seen = summary(&described);
                }
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error.into()),
            }
            if Instant::now() + POLL_PAUSE >= deadline {
                return Err(WaitError::TimedOut {
                    wanted,
                    limit,
                    seen,
                });
            }
            sleep(POLL_PAUSE).await;
        }
    }
}

/// A missing task, or one that stopped where RUNNING is wanted.
fn first_impossible(answer: &Value, wanted: TaskStatus) -> Option<WaitError> {
    let impossible = |task: &Value, why: &Value| WaitError::Impossible {
        wanted,
        task: plain(task),
        why: plain(why),
    };
    let failures = answer["failures"].as_array().into_iter().flatten();
    let missing = failures
        .map(|failure| impossible(&failure["arn"], &failure["reason"]))
        .next();
    missing.or_else(|| {
        let mut tasks = answer["tasks"].as_array()?.iter();
        let stopped =
            tasks.find(|task| wanted == TaskStatus::Running && task["lastStatus"] == "STOPPED")?;
        Some(impossible(&stopped["taskArn"], &stopped["stoppedReason"]))
    })
}

fn summary(tasks: &[Value]) -> String {
    let one = |task: &Value| {
        let arn = plain(&task["taskArn"]);
        format!(
            "{} {}",
            arn.rsplit('/').next().unwrap_or_default(),
            plain(&task["lastStatus"])
        )
    };
    tasks.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn plain(value: &Value) -> String {
    value.as_str().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_task_fails_a_wait_for_running_only() {
        let answer = json!({"tasks": [{"taskArn": "t/1", "lastStatus": "STOPPED", "stoppedReason": "exit 3"}], "failures": []});
        assert!(first_impossible(&answer, TaskStatus::Stopped).is_none());
        let error = first_impossible(&answer, TaskStatus::Running).map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("task t/1 cannot become RUNNING any more: exit 3")
        );
    }

    #[test]
    fn a_missing_task_fails_every_wait() {
        let answer = json!({"tasks": [], "failures": [{"arn": "t/2", "reason": "MISSING"}]});
        assert!(first_impossible(&answer, TaskStatus::Stopped).is_some());
        assert!(first_impossible(&answer, TaskStatus::Running).is_some());
    }
}
