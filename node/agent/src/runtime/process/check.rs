//! The health check of a process, run by its shim as Docker's engine runs its own: so it goes on while no agent is there, and what it
//! found is on disk.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use futures::FutureExt;
use futures::future::FusedFuture;
use rustix::process::{Pid, Signal};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::cgroup::Group;
use super::record::Files;
use super::shim::{CHECK, pid, signal_all};
use crate::runtime::{Health, HealthCheck, HealthStatus, OUTPUT_MOST};

/// What a check printed may still be on its way when it has ended.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// How the runs of a check add up. The rules are Docker's.
#[derive(Debug, Default)]
struct Streak {
    status: HealthStatus,
    failures: u64,
}

impl Streak {
    /// Takes one run, begun so long after the container's start, and says how well the container is by it.
    fn take(&mut self, check: &HealthCheck, since_start: Duration, passed: bool) -> HealthStatus {
        let is_starting = self.status == HealthStatus::Unknown
            && since_start < Duration::from_secs(check.start_period_s);
        if passed {
            self.failures = 0;
            self.status = HealthStatus::Healthy;
        } else if !is_starting {
            self.failures += 1;
            if self.failures >= check.retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        self.status
    }
}

/// Runs the check again and again, and writes down what it says whenever that changes. `running` is the process of the run under way.
pub(super) async fn carry_out(
    check: Option<&HealthCheck>,
    files: &Files,
    group: &Group,
    running: &Cell<Option<Pid>>,
) -> Infallible {
    let Some(check) = check else {
        return std::future::pending().await;
    };
    let began = Instant::now();
    let mut streak = Streak::default();
    let mut written = HealthStatus::default();
    loop {
        sleep(Duration::from_secs(check.interval_s)).await;
        let since_start = began.elapsed();
        let run = run(check, files, group, running).await;
        running.set(None);
        let (passed, output) = run.unwrap_or_else(|error| {
            let text = format!("run the health check: {error}");
            (false, text.into_bytes())
        });
        let status = streak.take(check, since_start, passed);
        // What could not be written is written after the next run.
        if status != written && files.write_health(&Health::new(status, &output)).is_ok() {
            written = status;
        }
    }
}

/// One run: whether it passed, and what it printed.
async fn run(
    check: &HealthCheck,
    files: &Files,
    group: &Group,
    running: &Cell<Option<Pid>>,
) -> io::Result<(bool, Vec<u8>)> {
    let (reader, writer) = io::pipe()?;
    let mut reader = pipe::Receiver::from_owned_fd(reader.into())?;
    let mut child = spawn(files, group, writer)?;
    let leader = pid(&child)?;
    running.set(Some(leader));
    let mut output = Vec::new();
    let limit = Duration::from_secs(check.timeout_s);
    if let Ok(status) = timeout(limit, end_of(&mut child, &mut reader, &mut output)).await {
        return Ok((status?, output));
    }
    signal_all(leader, Signal::KILL);
    child.wait().await?;
    let text = format!("Health check exceeded timeout ({}s)", check.timeout_s);
    Ok((false, text.into_bytes()))
}

fn spawn(files: &Files, group: &Group, output: io::PipeWriter) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["process-shim", CHECK])
        .arg(files.home())
        .arg(files.id())
        .args(group.directories())
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    command.spawn()
}

/// Whether the run came to a good end. What it left behind may hold the pipe open; nobody waits for that.
async fn end_of(
    child: &mut Child,
    reader: &mut pipe::Receiver,
    output: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut reading = std::pin::pin!(keep(reader, output).fuse());
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            () = &mut reading => {}
        }
    };
    if !reading.is_terminated() {
        let _ = timeout(LAST_WORDS, reading).await;
    }
    Ok(status.success())
}

/// Reads to the end, and keeps the beginning.
async fn keep(reader: &mut pipe::Receiver, output: &mut Vec<u8>) {
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = reader.read(&mut buffer).await {
        let room = OUTPUT_MOST.saturating_sub(output.len());
        output.extend_from_slice(&buffer[..read.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check that fails at the third failure in a row, and not in the first ten seconds.
    fn check() -> HealthCheck {
        HealthCheck {
            command: vec!["CMD".to_owned(), "true".to_owned()],
            interval_s: 5,
            timeout_s: 2,
            retries: 3,
            start_period_s: 10,
        }
    }

    /// What each of these runs makes of a container: `+` passes, `-` fails; one every five seconds, the first at five.
    fn after(check: &HealthCheck, runs: &str) -> String {
        let mut streak = Streak::default();
        let mut since_start = Duration::ZERO;
        let statuses = runs.chars().map(|run| {
            since_start += Duration::from_secs(check.interval_s);
            match streak.take(check, since_start, run == '+') {
                HealthStatus::Unknown => '?',
                HealthStatus::Healthy => 'H',
                HealthStatus::Unhealthy => 'U',
            }
        });
        statuses.collect()
    }

    #[test]
    fn health_follows_from_failures_in_a_row() {
        let no_start_period = HealthCheck {
            start_period_s: 0,
            ..check()
        };
        let once_is_enough = HealthCheck {
            retries: 1,
            ..no_start_period.clone()
        };
        let table = [
            (&no_start_period, "+", "H"),
            (&no_start_period, "---", "??U"),
            (&no_start_period, "--+---+", "??HHHUH"),
            (&no_start_period, "+--+--+-", "HHHHHHHH"),
            (&no_start_period, "----+", "??UUH"),
            (&once_is_enough, "-+-", "UHU"),
            // The first is begun in the start period; the second, at its end, is not.
            (&check(), "----", "???U"),
            // After a success failures count, in the start period too.
            (&check(), "+---", "HHHU"),
        ];
        for (check, runs, statuses) in table {
            assert_eq!(after(check, runs), statuses, "{runs} of {check:?}");
        }
    }
}
