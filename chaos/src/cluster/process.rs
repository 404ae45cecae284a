//! One process as the kernel sees it: started, signalled, alive or not. It is known by its number and its start time
//! together, so that a later process with the same number is never taken for it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::options::Lifetime;

/// What a child is given of our own environment: enough to find programs and the Docker engine, nothing that configures
/// the product behind a test's back.
const INHERITED: [&str; 4] = ["PATH", "HOME", "DOCKER_HOST", "RUST_BACKTRACE"];

/// A process that cannot be mistaken for a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process number.
    pub pid: i32,
    /// When it started, in the kernel's ticks since boot.
    pub started: u64,
}

/// What to start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Invocation {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) log: PathBuf,
}

impl Invocation {
    /// Starts it, with both output streams at the end of its log.
    pub(super) fn spawn(&self, lifetime: Lifetime) -> io::Result<Child> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = match lifetime {
            // setpriv asks the kernel for a signal at our death and becomes the program; a safe crate cannot ask itself.
            Lifetime::WithParent => {
                let mut command = Command::new("setpriv");
                command
                    .args(["--pdeathsig", "KILL", "--"])
                    .arg(&self.program);
                command
            }
            // A group of its own keeps the terminal's Ctrl-C away from it.
            Lifetime::Detached => {
                let mut command = Command::new(&self.program);
                command.process_group(0);
                command
            }
        };
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment);
        command.envs(
            INHERITED
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        );
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }
}

impl ProcessId {
    /// The process that has this number now.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        let (_, started) = stat(pid)?;
        Some(Self { pid, started })
    }

    /// Whether it still runs. A process that has ended but was not waited for does not.
    #[must_use]
    pub fn is_alive(self) -> bool {
        stat(self.pid)
            .is_some_and(|(state, started)| started == self.started && !matches!(state, 'Z' | 'X'))
    }

    /// Whether it is stopped by a signal.
    #[must_use]
    pub fn is_paused(self) -> bool {
        stat(self.pid).is_some_and(|(state, started)| started == self.started && state == 'T')
    }

    /// Sends a signal, if the process is alive.
    ///
    /// # Errors
    /// `NotFound` where it is not alive; else what the kernel says.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        if !self.is_alive() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the process does not run",
            ));
        }
        let pid = Pid::from_raw(self.pid).ok_or_else(|| io::Error::other("0 is no process"))?;
        Ok(kill_process(pid, signal)?)
    }
}

/// Every process whose working directory lies under `folder`.
pub(super) fn working_under(folder: &Path) -> Vec<ProcessId> {
    living(|pid| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(folder)))
}

/// Every process that has a path under `folder` among its arguments.
pub(super) fn mentioning(folder: &Path) -> Vec<ProcessId> {
    let is_told = |argument: &[u8]| Path::new(OsStr::from_bytes(argument)).starts_with(folder);
    living(|pid| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(is_told))
    })
}

/// The living processes, other than this one, whose numbers are chosen.
fn living(choose: impl Fn(u32) -> bool) -> Vec<ProcessId> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let chosen = numbers.filter(|pid| *pid != std::process::id() && choose(*pid));
    chosen
        .filter_map(ProcessId::of)
        .filter(|process| process.is_alive())
        .collect()
}

/// State letter and start time of a process number.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // The start time is the 22nd field; the state, already taken, was the third.
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(lifetime: Lifetime, folder: &Path) -> Child {
        let invocation = Invocation {
            program: PathBuf::from("sleep"),
            arguments: vec!["60".to_owned()],
            environment: BTreeMap::new(),
            log: folder.join("log"),
        };
        invocation.spawn(lifetime).unwrap()
    }

    #[test]
    fn a_killed_process_is_not_alive_even_before_it_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        for lifetime in [Lifetime::WithParent, Lifetime::Detached] {
            let mut child = sleeper(lifetime, folder.path());
            let process = ProcessId::of(child.id()).unwrap();
            assert!(process.is_alive());
            process.signal(Signal::KILL).unwrap();
            while process.is_alive() {
                std::thread::yield_now();
            }
            assert_eq!(
                process.signal(Signal::KILL).unwrap_err().kind(),
                io::ErrorKind::NotFound
            );
            child.wait().unwrap();
        }
    }

    #[test]
    fn another_life_of_a_number_is_another_process() {
        let own = ProcessId::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        let earlier = ProcessId {
            started: own.started - 1,
            ..own
        };
        assert!(!earlier.is_alive());
    }

    #[test]
    fn a_child_dies_with_the_thread_that_started_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let starter = std::thread::spawn(move || {
            let child = sleeper(Lifetime::WithParent, &path);
            // Only once setpriv has become the program is the signal asked for.
            while fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap() != "sleep\n" {
                std::thread::yield_now();
            }
            child
        });
        let mut child = starter.join().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success());
    }
}
