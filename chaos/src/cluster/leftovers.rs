//! What agents leave behind on purpose: tasks go on when their agent is gone, so a cluster that is to vanish must end
//! them itself. Processes are known by their working directory, containers by the account in their task's ARN.

use std::io;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;

use super::process::working_under;

/// A killed process group can fork once more before the signal reaches it; it does not do so ten times.
const ROUNDS_MAX: usize = 10;

/// The label that an agent puts on every container.
const TASK_LABEL: &str = "org.quorate.task-arn";

/// Kills every process that works under the cluster's directory. Gives how many are still there.
pub(super) fn end_processes(directory: &Path) -> usize {
    for _ in 0..ROUNDS_MAX {
        let left = working_under(directory);
        if left.is_empty() {
            return 0;
        }
        for process in left {
            // It may have ended since we looked, and that is as good.
            let _ = process.signal(Signal::KILL);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    working_under(directory).len()
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
