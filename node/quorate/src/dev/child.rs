//! Processes that are kept running until told to end: started again when they die, with a growing pause, and said so.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::layout::Member;
use crate::failure::{Exit, Failure};
use crate::render::print;

/// The pause before a dead child is started again, doubled each time up to the maximum. The first is longer than an
/// election, so that whoever kills the leader sees another node take over.
const PAUSE_MIN: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// A child that lived this long did not die of its start; its next pause is the shortest again.
const STEADY: Duration = Duration::from_secs(20);

/// How long a child may close after SIGTERM: a node hands over and flushes, an agent reports, each in well under a second.
const CLOSING: Duration = Duration::from_secs(10);

/// Exit codes that starting again cannot mend: usage, settings, data directory, disk, port.
const HOPELESS: [i32; 5] = [2, 64, 73, 74, 98];

/// How much of a log is shown when its process cannot run.
const LOG_LINES_SHOWN: usize = 5;

/// Processes that end together.
pub(crate) struct Group {
    members: Vec<Kept>,
    stop: CancellationToken,
    keepers: JoinSet<Result<(), Failure>>,
}

/// A member and the process it is now.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) member: Member,
    pid: watch::Receiver<Option<u32>>,
}

impl Kept {
    /// The process, if one is running.
    pub(crate) fn pid(&self) -> Option<u32> {
        *self.pid.borrow()
    }
}

impl Group {
    /// Starts every member and keeps each running.
    pub(crate) fn start(program: &Path, members: impl IntoIterator<Item = Member>) -> Self {
        let mut group = Self {
            members: Vec::new(),
            stop: CancellationToken::new(),
            keepers: JoinSet::new(),
        };
        for member in members {
            let (pid_sender, pid) = watch::channel(None);
            let keeper = Keeper {
                program: program.to_owned(),
                member: member.clone(),
                pid: pid_sender,
                stop: group.stop.clone(),
            };
            group.keepers.spawn(keeper.run());
            group.members.push(Kept { member, pid });
        }
        group
    }

    /// Each member, in the order they were given.
    pub(crate) fn members(&self) -> Vec<Kept> {
        self.members.clone()
    }

    /// Waits until a member cannot be kept running, and says why.
    pub(crate) async fn given_up(&mut self) -> Failure {
        loop {
            match self.keepers.join_next().await {
                Some(Ok(Err(failure))) => return failure,
                Some(Ok(Ok(()))) => {}
                Some(Err(panicked)) => {
                    return Failure::new(Exit::Failed, "keep a process running").because(panicked);
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Ends every member in order, or by force once its time is over.
    pub(crate) async fn end(&mut self) {
        self.stop.cancel();
        // A keeper that had given up has no process any more.
        while self.keepers.join_next().await.is_some() {}
    }
}

struct Keeper {
    program: PathBuf,
    member: Member,
    pid: watch::Sender<Option<u32>>,
    stop: CancellationToken,
}

impl Keeper {
    async fn run(self) -> Result<(), Failure> {
        let Member { name, log, .. } = &self.member;
        let mut pause = PAUSE_MIN;
        loop {
            let mut child = self.spawn().map_err(|error| {
                Failure::new(Exit::Failed, format!("start {name}")).because(error)
            })?;
            let pid = child.id();
            self.pid.send_replace(pid);
            let born = Instant::now();
            let status = tokio::select! {
                ended = child.wait() => ended.map_err(|error| Failure::new(Exit::Failed, format!("wait for {name}")).because(error))?,
                () = self.stop.cancelled() => { close(&mut child).await; return Ok(()) }
            };
            self.pid.send_replace(None);
            if let Some(code) = status.code().filter(|code| HOPELESS.contains(code)) {
                return Err(self.hopeless(code));
            }
            if born.elapsed() >= STEADY {
                pause = PAUSE_MIN;
            }
            let pid = pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
            print(&format!(
                "{name} (pid {pid}) ended: {}; it starts again in {pause:?}; its log: {}\n",
                cause(status),
                log.display()
            ))?;
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                () = self.stop.cancelled() => return Ok(()),
            }
        }
    }

    /// The process, in a group of its own so that Ctrl-C reaches only us, and bound to our life.
    fn spawn(&self) -> io::Result<Child> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.member.log)?;
        let inherited = std::env::vars_os().map(|(name, _)| name);
        let ours = inherited.filter(|name| name.to_string_lossy().starts_with("QUORATE_"));
        let mut command = Command::new(&self.program);
        for name in ours {
            command.env_remove(name);
        }
        command
            .args(&self.member.arguments)
            .args(["--die-with", &std::process::id().to_string()])
            .envs(self.member.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    fn hopeless(&self, code: i32) -> Failure {
        let Member { name, log, .. } = &self.member;
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n  ");
        let code = u8::try_from(code).expect("exit codes are bytes");
        Failure::with_code(
            code,
            format!("{name} cannot run; {} ends with\n  {tail}", log.display()),
        )
    }
}

/// SIGTERM, patience, SIGKILL.
async fn close(child: &mut Child) {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    // Without an id it has been waited for already; if the signal fails, it is just gone.
    let _gone = pid.map(|pid| kill_process(pid, Signal::TERM));
    if timeout(CLOSING, child.wait()).await.is_err() {
        let _gone = child.kill().await;
    }
}

fn cause(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shell(directory: &Path, script: &str) -> (PathBuf, Member) {
        let member = Member {
            name: "child".to_owned(),
            arguments: vec!["-c".to_owned(), script.to_owned(), "sh".to_owned()],
            variables: vec![("DIR".to_owned(), directory.display().to_string())],
            data_dir: directory.to_owned(),
            log: directory.join("log"),
        };
        (PathBuf::from("/bin/sh"), member)
    }

    async fn eventually(mut is_so: impl FnMut() -> bool) {
        timeout(Duration::from_secs(20), async {
            while !is_so() {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("it becomes so in time");
    }

    #[tokio::test]
    async fn a_child_that_dies_is_started_again() {
        let directory = tempfile::tempdir().unwrap();
        let (program, member) = shell(
            directory.path(),
            "echo life; [ -e $DIR/second ] || { touch $DIR/second; exit 1; }; sleep 60",
        );
        let mut group = Group::start(&program, [member.clone()]);
        eventually(|| {
            std::fs::read_to_string(&member.log).is_ok_and(|log| log.matches("life").count() == 2)
        })
        .await;
        let child = group.members().remove(0);
        eventually(|| child.pid().is_some()).await;
        let pid = Pid::from_raw(i32::try_from(child.pid().unwrap()).unwrap()).unwrap();
        group.end().await;
        assert!(
            rustix::process::test_kill_process(pid).is_err(),
            "the child is gone"
        );
    }

    #[tokio::test]
    async fn a_child_that_cannot_start_is_given_up_with_its_last_words() {
        let directory = tempfile::tempdir().unwrap();
        let (program, member) = shell(directory.path(), "echo the port is taken; exit 98");
        let failure = Group::start(&program, [member]).given_up().await;
        assert!(
            failure.code == 98 && failure.to_string().contains("the port is taken"),
            "{failure}"
        );
    }
}
