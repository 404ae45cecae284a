//! Containers as plain processes, for hosts without an engine: own session, own directory, own cgroup where that is allowed.
//! There is no image, no network and no file system of its own: the host's are used, and host ports are told by environment.
//!
//! `entryPoint` and `command` name an executable of the host. Without either, the image is taken as the path of one. The image
//! `quorate/sample-app` is this very executable, run as `sample-app`. `privileged`, `readonlyRootFilesystem`, `hostname` and
//! the network modes have no meaning here and are passed over.
//!
//! Every process runs under a shim (see [`shim`]), which outlives the agent and writes down how it ended. In the data directory:
//! `containers/TASK-NAME/{spec.json, shim.json, stdout, stderr, work/}`, and `exits/TASK-NAME.json` and `health/TASK-NAME.json`.

mod cgroup;
mod check;
mod launch;
mod record;
mod shim;

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use shim::shim_main;

use super::{
    ContainerSpec, Exit, Runtime, RuntimeError, Seen, Sighting, StartError, Started, StopSignal,
};
use crate::clock;
use record::{Files, ShimRecord};

/// This executable, which hands `process-shim ...` to [`shim_main`]. The link is resolved in the child, and leads to this program
/// though its file was replaced by an upgrade.
const SHIM: &str = "/proc/self/exe";
/// How long a shim may take to say that its process runs; only a machine in deep trouble needs a second.
const SHIM_WAIT: Duration = Duration::from_secs(20);
/// The rest of a file name's 255 bytes is for the task's id, temporary names and cgroups.
const NAME_MOST: usize = 128;
/// Every exit changes the directory of exits, and every change of health that of health; a look at one is a single call, however
/// many processes there are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The process runtime of one data directory.
pub(crate) struct Process {
    home: PathBuf,
}

impl Process {
    /// Opens the runtime in an agent's data directory.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, RuntimeError> {
        let home = data_dir.to_owned();
        record::prepare(&home).map_err(system("prepare the directory of processes"))?;
        Ok(Self { home })
    }

    /// Whether processes can be held to limits on this host.
    pub(crate) fn has_limits(&self) -> bool {
        cgroup::Limits::are_to_be_had()
    }

    fn sight(&self, files: &Files) -> Result<Option<Sighting>, RuntimeError> {
        let Some(spec) = files
            .spec()
            .map_err(system("read the record of a process"))?
        else {
            return Ok(None);
        };
        let state = self.state(files).map_err(system("look after a process"))?;
        let health = match &spec.health_check {
            None => None,
            Some(_) => {
                let said = files.health();
                Some(said.map_err(system("read what a health check says"))?)
            }
        };
        Ok(Some(Sighting {
            tag: spec.tag,
            runtime_id: files.id().to_owned(),
            state,
            health: health.map(Option::unwrap_or_default),
        }))
    }

    fn state(&self, files: &Files) -> std::io::Result<Seen> {
        if let Some(exit) = files.exit()? {
            return Ok(Seen::Exited(exit));
        }
        let Some(shim) = files.shim()? else {
            return Ok(Seen::Created);
        };
        if shim.shim.is_alive() {
            return Ok(Seen::Running);
        }
        // It may have written its last word between the two looks.
        if let Some(exit) = files.exit()? {
            return Ok(Seen::Exited(exit));
        }
        let exit = Exit {
            last_output: shim::last_output(files),
            ..end_without_shim(&shim)
        };
        files.write_exit(&exit)?;
        Ok(Seen::Exited(exit))
    }

    async fn launch(&self, files: &Files) -> Result<(), StartError> {
        let mut command = Command::new(SHIM);
        command
            .arg("process-shim")
            .arg("run")
            .arg(&self.home)
            .arg(files.id());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Neither this nor the end of the agent kills it; the runtime reaps it when it ends.
        command.kill_on_drop(false);
        let mut child = command
            .spawn()
            .map_err(|error| StartError::CannotStart(format!("start the shim: {error}")))?;
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        match timeout(SHIM_WAIT, lines.next_line()).await {
            Ok(Ok(Some(line))) if line == shim::STARTED => Ok(()),
            Ok(Ok(Some(line))) => Err(StartError::CannotStart(line)),
            Ok(Ok(None)) => Err(StartError::CannotStart(
                "the shim ended without a word".to_owned(),
            )),
            Ok(Err(error)) => Err(StartError::CannotStart(format!(
                "listen to the shim: {error}"
            ))),
            Err(late) => Err(StartError::CannotStart(format!("the shim: {late}"))),
        }
    }
}

impl Runtime for Process {
    fn version(&self) -> (&'static str, String) {
        ("process", env!("CARGO_PKG_VERSION").to_owned())
    }

    async fn list(&self, instances: &[String]) -> Result<Vec<Sighting>, RuntimeError> {
        let mut sightings = Vec::new();
        for files in record::all(&self.home).map_err(system("list processes"))? {
            let sighting = self.sight(&files)?;
            sightings
                .extend(sighting.filter(|sighting| instances.contains(&sighting.tag.instance_id)));
        }
        Ok(sightings)
    }

    async fn start(
        &self,
        spec: &ContainerSpec,
        cancel: &CancellationToken,
    ) -> Result<Started, StartError> {
        if cancel.is_cancelled() {
            return Err(StartError::Cancelled);
        }
        if spec.tag.key.container.len() > NAME_MOST {
            return Err(StartError::CannotCreate(format!(
                "a process has a name of at most {NAME_MOST} characters"
            )));
        }
        let files = Files::of(&self.home, &spec.tag.key);
        let cannot_create = |error: std::io::Error| StartError::CannotCreate(error.to_string());
        let known = files.spec().map_err(cannot_create)?;
        if known.is_none() {
            launch::check(spec).map_err(StartError::CannotStart)?;
            files.create(spec).map_err(cannot_create)?;
        }
        if self.state(&files).map_err(cannot_create)? == Seen::Created
            && let Err(error) = self.launch(&files).await
        {
            // Of what never ran nothing is worth keeping.
            files.remove().map_err(cannot_create)?;
            return Err(error);
        }
        Ok(Started {
            runtime_id: files.id().to_owned(),
            image_digest: String::new(),
            pull_ms: None,
        })
    }

    async fn signal(&self, runtime_id: &str, signal: StopSignal) -> Result<(), RuntimeError> {
        let files = Files::named(&self.home, runtime_id);
        let Some(shim) = files
            .shim()
            .map_err(system("read the record of a process"))?
        else {
            return Ok(());
        };
        // The shim alone can signal without fear of a reused number: it has not yet waited for its process.
        let signal = match signal {
            StopSignal::Stop => Signal::TERM,
            StopSignal::Kill => Signal::USR1,
        };
        let Ok(pidfd) = pidfd_open(shim.shim.pid(), PidfdFlags::empty()) else {
            return Ok(());
        };
        if shim.shim.is_alive() {
            pidfd_send_signal(pidfd, signal)
                .map_err(|error| system("signal the shim of a process")(error.into()))?;
        }
        Ok(())
    }

    async fn remove(&self, runtime_id: &str) -> Result<(), RuntimeError> {
        let files = Files::named(&self.home, runtime_id);
        if let Some(shim) = files
            .shim()
            .map_err(system("read the record of a process"))?
        {
            cgroup::Group::from_directories(shim.cgroups).remove().await;
        }
        files.remove().map_err(system("remove what a process left"))
    }

    async fn watch(&self, poke: Arc<Notify>) -> Infallible {
        let places = [record::EXITS, record::HEALTH].map(|place| self.home.join(place));
        let changed = || {
            places.each_ref().map(|place| {
                std::fs::metadata(place)
                    .and_then(|place| place.modified())
                    .ok()
            })
        };
        let mut known = changed();
        loop {
            sleep(LOOK_EVERY).await;
            let now = changed();
            if now != known {
                known = now;
                poke.notify_one();
            }
        }
    }
}

/// The shim was killed, or the machine was restarted: end what may be left, and say that the code is not known.
fn end_without_shim(record: &ShimRecord) -> Exit {
    cgroup::Group::from_directories(record.cgroups.clone()).kill();
    if record.process.is_alive() {
        // Its own group, since it leads a session; a failure means that it went by itself.
        let _ = rustix::process::kill_process_group(record.process.pid(), Signal::KILL);
    }
    let reason =
        "ContainerNotFoundError: the process was ended with its shim, its exit code is not known"
            .to_owned();
    Exit {
        code: None,
        reason,
        never_started: false,
        at_ms: clock::wall_ms(),
        last_output: String::new(),
    }
}

fn system(doing: &str) -> impl FnOnce(std::io::Error) -> RuntimeError {
    let doing = doing.to_owned();
    move |source| RuntimeError::System { doing, source }
}
