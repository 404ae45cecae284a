//! What is on disk for each process, and how a process is known again: by number, start time and boot, since numbers are reused.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::Pid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::runtime::{ContainerSpec, Exit, Health, Key};

/// Directory of running and ended processes.
pub(super) const CONTAINERS: &str = "containers";
/// Directory of exits; apart from the others so that one look sees whether there are more.
pub(super) const EXITS: &str = "exits";
/// Directory of what health checks say, apart from the others for the same reason.
pub(super) const HEALTH: &str = "health";

/// The files of one process.
#[derive(Clone, Debug)]
pub(super) struct Files {
    id: String,
    home: PathBuf,
    directory: PathBuf,
    exit: PathBuf,
    health: PathBuf,
}

impl Files {
    /// The files of the container with `key`.
    pub(super) fn of(home: &Path, key: &Key) -> Self {
        Self::named(home, &format!("{}-{}", key.task, key.container))
    }

    /// The files of the process with the runtime id `id`.
    pub(super) fn named(home: &Path, id: &str) -> Self {
        let directory = home.join(CONTAINERS).join(id);
        Self {
            id: id.to_owned(),
            home: home.to_owned(),
            directory,
            exit: home.join(EXITS).join(format!("{id}.json")),
            health: home.join(HEALTH).join(format!("{id}.json")),
        }
    }

    /// The runtime id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The directory of all processes.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// A file beside the records.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes the directory; the specification comes last, so that there is all of it or none.
    pub(super) fn create(&self, spec: &ContainerSpec) -> io::Result<()> {
        fs::create_dir_all(self.path("work"))?;
        durable::write(&self.path("spec.json"), &serde_json::to_vec(spec)?)
    }

    /// The specification, if the process was made.
    pub(super) fn spec(&self) -> io::Result<Option<ContainerSpec>> {
        read(&self.path("spec.json"))
    }

    /// Who runs it, if it was started.
    pub(super) fn shim(&self) -> io::Result<Option<ShimRecord>> {
        read(&self.path("shim.json"))
    }

    /// Writes down who runs it.
    pub(super) fn write_shim(&self, record: &ShimRecord) -> io::Result<()> {
        durable::write(&self.path("shim.json"), &serde_json::to_vec(record)?)
    }

    /// How it ended, if it has.
    pub(super) fn exit(&self) -> io::Result<Option<Exit>> {
        read(&self.exit)
    }

    /// Writes down how it ended. The draft of it lies beside the other records: an agent that starts clears the directory of
    /// exits of all that belongs to no process, and must not take it from under a shim.
    pub(super) fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        durable::write_by_way_of(&self.directory, &self.exit, &serde_json::to_vec(exit)?)
    }

    /// What its health check says, once it has said something.
    pub(super) fn health(&self) -> io::Result<Option<Health>> {
        read(&self.health)
    }

    /// Writes down what its health check says, by the same way as its exit.
    pub(super) fn write_health(&self, health: &Health) -> io::Result<()> {
        durable::write_by_way_of(&self.directory, &self.health, &serde_json::to_vec(health)?)
    }

    /// Removes everything; the exit last, since without it the rest would look lost.
    pub(super) fn remove(&self) -> io::Result<()> {
        durable::remove_dir(&self.directory)?;
        durable::remove_file(&self.health)?;
        durable::remove_file(&self.exit)
    }
}

/// Makes the directories, and removes what crashes in the middle of making or removing have left.
pub(super) fn prepare(home: &Path) -> io::Result<()> {
    fs::create_dir_all(home.join(CONTAINERS))?;
    fs::create_dir_all(home.join(EXITS))?;
    fs::create_dir_all(home.join(HEALTH))?;
    let known = all(home)?;
    for files in &known {
        if files.spec()?.is_none() {
            files.remove()?;
        }
    }
    clear_words(home, &known)
}

/// Removes exits and words of checks that belong to none of `known`.
fn clear_words(home: &Path, known: &[Files]) -> io::Result<()> {
    for directory in [EXITS, HEALTH] {
        for entry in fs::read_dir(home.join(directory))? {
            let path = entry?.path();
            let is_its = |files: &Files| files.exit == path || files.health == path;
            if !known.iter().any(is_its) {
                durable::remove_file(&path)?;
            }
        }
    }
    Ok(())
}

/// The files of all processes.
pub(super) fn all(home: &Path) -> io::Result<Vec<Files>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(home.join(CONTAINERS))? {
        if let Ok(id) = entry?.file_name().into_string() {
            found.push(Files::named(home, &id));
        }
    }
    Ok(found)
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a shim writes down when its process has been started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShimRecord {
    pub(super) shim: ProcessMark,
    pub(super) process: ProcessMark,
    /// Cgroups that are to be removed in the end.
    pub(super) cgroups: Vec<PathBuf>,
}

/// One process and no other, ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessMark {
    number: i32,
    /// Clock ticks from boot to its start.
    start: u64,
    boot: String,
}

impl ProcessMark {
    /// Marks a process that is there now; for the caller's own children, which cannot be mistaken before they are waited for.
    pub(super) fn of(pid: Pid) -> io::Result<Self> {
        let status = Stat::read(pid)?;
        Ok(Self {
            number: pid.as_raw_nonzero().get(),
            start: status.start,
            boot: boot()?,
        })
    }

    /// Its number.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.number).expect("taken from a Pid, which is never 0")
    }

    /// True while it runs; a zombie does not.
    pub(super) fn is_alive(&self) -> bool {
        let is_same_boot = boot().is_ok_and(|boot| boot == self.boot);
        is_same_boot
            && Stat::read(self.pid()).is_ok_and(|stat| stat.start == self.start && !stat.is_dead)
    }
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// What is read from `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) parent: i32,
    pub(super) is_dead: bool,
    start: u64,
}

impl Stat {
    /// Reads it for one process.
    pub(super) fn read(pid: Pid) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
        Self::parse(&text).ok_or_else(|| io::Error::other("/proc/PID/stat in a form not known"))
    }

    fn parse(text: &str) -> Option<Self> {
        // The name in parentheses may hold anything, parentheses and spaces too.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let is_dead = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let start = fields.nth(17)?.parse().ok()?;
        Some(Self {
            parent,
            is_dead,
            start,
        })
    }
}

/// A lock that a shim holds while it lives: there is one shim for one process.
pub(super) fn lock(files: &Files) -> io::Result<File> {
    let file = File::create(files.path("lock"))?;
    file.try_lock()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_exit_written_while_an_agent_starts_is_not_lost() {
        let home = tempfile::tempdir().unwrap();
        prepare(home.path()).unwrap();
        let files = Files::named(home.path(), "task-main");
        fs::create_dir(files.path("")).unwrap();
        let exit = Exit {
            code: Some(137),
            reason: String::new(),
            never_started: false,
            at_ms: 1,
            last_output: String::new(),
        };
        std::thread::scope(|scope| {
            let shim = scope.spawn(|| (0..200).try_for_each(|_| files.write_exit(&exit)));
            while !shim.is_finished() {
                clear_words(home.path(), std::slice::from_ref(&files)).unwrap();
            }
            shim.join().unwrap().unwrap();
        });
        assert_eq!(files.exit().unwrap(), Some(exit));
    }

    #[test]
    fn a_process_is_known_again_and_not_mistaken() {
        let own = ProcessMark::of(rustix::process::getpid()).unwrap();
        assert!(own.is_alive());
        assert!(
            !ProcessMark {
                start: own.start + 1,
                ..own.clone()
            }
            .is_alive()
        );
        assert!(
            !ProcessMark {
                boot: "another".to_owned(),
                ..own
            }
            .is_alive()
        );
        let line = "7 (a) b (c)) Z 3 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 0";
        assert_eq!(
            Stat::parse(line),
            Some(Stat {
                parent: 3,
                is_dead: true,
                start: 4711
            })
        );
    }
}
