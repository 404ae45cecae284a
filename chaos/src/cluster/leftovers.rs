//! What agents leave behind on purpose: tasks go on when their agent is gone, so a cluster that is to vanish must end
//! them itself. Processes are known by their working directory or by the directory in their arguments, containers by
//! the account in their task's ARN.

use std::io;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::process::{ProcessId, mentioning, working_under};

/// What guards a task sees it die, puts away its cgroup and ends by itself; after this time it is ended too.
const GUARD_LIMIT: Duration = Duration::from_secs(5);

/// When what is still there after a kill is not only late.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The label that an agent puts on every container.
const TASK_LABEL: &str = "org.quorate.task-arn";

/// Ends every process that works under the directory of a cluster or was told of it. Gives how many are still there.
pub(super) fn end_processes(directory: &Path) -> usize {
    end_within(directory, GUARD_LIMIT)
}

/// Ends every process that works under the directory of an agent or was told of it, as a machine without power does: all at once, so that
/// nobody is left to write down how the others ended. Gives how many are still there.
pub(super) fn end_machine(directory: &Path) -> usize {
    end_within(directory, Duration::ZERO)
}

/// What guards a task has `guard_limit` to end by itself.
fn end_within(directory: &Path, guard_limit: Duration) -> usize {
    let start = Instant::now();
    loop {
        let tasks = working_under(directory);
        let mut left = mentioning(directory);
        left.extend(&tasks);
        if left.is_empty() || start.elapsed() > KILL_LIMIT {
            return left.len();
        }
        let doomed: &[ProcessId] = if start.elapsed() < guard_limit {
            &tasks
        } else {
            &left
        };
        for process in doomed {
            // It may have ended since we looked, and that is as good.
            let _ = process.signal(Signal::KILL);
        }
        sleep(LOOK_EVERY);
    }
}

/// Removes every container of a task of this account.
///
/// # Errors
/// Where the engine does not do as asked. An engine that is not there has no containers.
pub(super) fn end_containers(account: &str) -> io::Result<()> {
    let format = format!("{{{{.ID}}}} {{{{.Label \"{TASK_LABEL}\"}}}}");
    let filter = format!("label={TASK_LABEL}");
    let Ok(list) = docker(&[
        "ps",
        "--all",
        "--no-trunc",
        "--filter",
        &filter,
        "--format",
        &format,
    ]) else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(&list.stdout);
    let ids: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, arn)| arn.split(':').nth(4) == Some(account))
        .map(|(id, _)| id)
        .collect();
    if ids.is_empty() {
        return Ok(());
    }
    let mut remove = vec!["rm", "--force", "--volumes"];
    remove.extend(ids);
    docker(&remove).map(drop)
}

fn docker(arguments: &[&str]) -> io::Result<Output> {
    let output = Command::new("docker").args(arguments).output()?;
    if output.status.success() {
        return Ok(output);
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}
