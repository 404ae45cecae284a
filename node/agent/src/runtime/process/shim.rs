//! The shim: a small process between the agent and a task's process. It outlives the agent, passes signals on, ends whatever its
//! process left behind, and writes down how it ended. It is this executable run as `process-shim`.
//!
//! `process-shim run HOME ID` is the shim; `process-shim exec HOME ID CGROUP...` is its child, which enters the cgroups, leads a
//! session of its own and becomes the task's process. `process-shim check HOME ID CGROUP...` is one too, and becomes a run of its
//! health check.

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper,
    setsid, waitpid,
};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal as UnixSignal, SignalKind, signal};
use tokio::time::sleep;

use super::cgroup::{Group, Limits};
use super::check::carry_out;
use super::launch;
use super::record::{self, Files, ProcessMark, ShimRecord, Stat};
use crate::clock;
use crate::runtime::{ContainerSpec, Exit, OUT_OF_MEMORY, StartError, output};

/// What a shim says on its standard output once its process runs; anything else is the reason why it does not.
pub(super) const STARTED: &str = "started";
/// The role of a run of a health check.
pub(super) const CHECK: &str = "check";
/// The file in which a process that could not be started leaves the reason.
const START_ERROR: &str = "start-error";
/// What a shell exits with when there is nothing to run.
const NOT_FOUND: u8 = 127;
/// The words were not those an agent would say.
const USAGE: u8 = 64;
/// Killed processes are looked for again after this, until there are none.
const SWEEP_AGAIN: Duration = Duration::from_millis(10);
/// More rounds than this are needed only by a process the kernel itself cannot end.
const SWEEP_ROUNDS: u32 = 500;

/// The entry of `process-shim`: `args` are the words after it. The binary must call this before it starts a runtime or threads.
pub fn shim_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = args.into_iter().collect();
    let [role, home, id, cgroups @ ..] = words.as_slice() else {
        return ExitCode::from(USAGE);
    };
    let Some(id) = id.to_str() else {
        return ExitCode::from(USAGE);
    };
    let files = Files::named(Path::new(home), id);
    match role.to_str() {
        Some("run") => run(&files),
        Some("exec") => become_process(&files, cgroups),
        Some(CHECK) => become_check(&files, cgroups),
        _ => ExitCode::from(USAGE),
    }
}

fn run(files: &Files) -> ExitCode {
    // Fails only for the leader of a group, which is then no child of the agent's group either.
    let _ = setsid();
    // Whatever its process abandons becomes a child of the shim, and can be found and waited for.
    let _ = set_child_subreaper(Some(getpid()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime.and_then(|runtime| runtime.block_on(supervise(files)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// The agent may be gone, and with it the reader.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

async fn supervise(files: &Files) -> io::Result<()> {
    let _lock = match record::lock(files) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            // An agent that died while it started this has come back; the first shim goes on.
            say(STARTED);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let spec = files
        .spec()?
        .ok_or_else(|| io::Error::other("there is nothing to run"))?;
    let signals = Signals::listen()?;
    let group = Group::create(files.id(), &Limits::of(&spec));
    let status = match start(files, &group) {
        Ok(child) => {
            let running = Cell::new(None);
            let checking = carry_out(spec.health_check.as_ref(), files, &group, &running);
            guard(child, signals, &group, checking, &running).await
        }
        Err(error) => Err(error),
    };
    sweep(&group).await;
    let exit = status.map(|status| exit(files, status, &group));
    group.remove().await;
    files.write_exit(&exit?)
}

fn start(files: &Files, group: &Group) -> io::Result<Child> {
    let log = |name| {
        File::options()
            .create(true)
            .append(true)
            .open(files.path(name))
    };
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["process-shim", "exec"])
        .arg(files.home())
        .arg(files.id())
        .args(group.directories());
    command
        .stdin(Stdio::null())
        .stdout(log("stdout")?)
        .stderr(log("stderr")?);
    let child = command.spawn()?;
    let pid = pid(&child)?;
    let cgroups = group.directories().to_vec();
    files.write_shim(&ShimRecord {
        shim: ProcessMark::of(getpid())?,
        process: ProcessMark::of(pid)?,
        cgroups,
    })?;
    Ok(child)
}

/// The number of a child that was not waited for.
pub(super) fn pid(child: &Child) -> io::Result<Pid> {
    let number = child.id().and_then(|id| i32::try_from(id).ok());
    number
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("a child that was not waited for has a number"))
}

/// What the agent, and the kernel, say to a shim. Listened to before anyone can know of it, since an unheard signal kills.
struct Signals {
    stop: UnixSignal,
    kill: UnixSignal,
    child: UnixSignal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            stop: signal(SignalKind::terminate())?,
            kill: signal(SignalKind::user_defined1())?,
            child: signal(SignalKind::child())?,
        })
    }
}

/// Waits for the process, and meanwhile checks how well it is and does what the agent's signals ask for.
async fn guard(
    mut child: Child,
    mut signals: Signals,
    group: &Group,
    checking: impl Future<Output = Infallible>,
    checked: &Cell<Option<Pid>>,
) -> io::Result<ExitStatus> {
    let leader = pid(&child)?;
    let mut checking = std::pin::pin!(checking);
    let mut is_stopping = false;
    say(STARTED);
    loop {
        tokio::select! {
            status = child.wait() => return status,
            // What is told to stop need not be well any more.
            never = &mut checking, if !is_stopping => match never {},
            _ = signals.stop.recv() => {
                is_stopping = true;
                signal_all(leader, Signal::TERM);
            }
            _ = signals.kill.recv() => {
                group.kill();
                signal_all(leader, Signal::KILL);
            }
            _ = signals.child.recv() => reap(&[Some(leader), checked.get()]),
        }
    }
}

/// The group of which the process is the leader; just after its start it leads none yet.
pub(super) fn signal_all(leader: Pid, signal: Signal) {
    if kill_process_group(leader, signal).is_err() {
        // Not there any more: then its end is about to be seen.
        let _ = kill_process(leader, signal);
    }
}

/// A container ends with its first process: ends all that are left, wherever they went.
async fn sweep(group: &Group) {
    for _ in 0..SWEEP_ROUNDS {
        let left = children();
        if left.is_empty() {
            return;
        }
        group.kill();
        for pid in left {
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(SWEEP_AGAIN).await;
        reap(&[]);
    }
}

/// Waits for abandoned processes that have ended; not for `except`, whose status is wanted elsewhere.
fn reap(except: &[Option<Pid>]) {
    let is_abandoned = |pid: &Pid| !except.contains(&Some(*pid));
    for pid in children().into_iter().filter(is_abandoned) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

fn children() -> Vec<Pid> {
    let own = getpid().as_raw_nonzero().get();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
    pids.filter(|pid| Stat::read(*pid).is_ok_and(|stat| stat.parent == own))
        .collect()
}

fn exit(files: &Files, status: ExitStatus, group: &Group) -> Exit {
    let at_ms = clock::wall_ms();
    if let Ok(reason) = fs::read_to_string(files.path(START_ERROR)) {
        return Exit {
            code: None,
            reason: StartError::CannotStart(reason).to_string(),
            never_started: true,
            at_ms,
            last_output: String::new(),
        };
    }
    // A shell's way to tell a signal.
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    let is_out_of_memory =
        status.signal() == Some(Signal::KILL.as_raw()) && group.ran_out_of_memory();
    let reason = if is_out_of_memory {
        OUT_OF_MEMORY.to_owned()
    } else {
        String::new()
    };
    let mut exit = Exit {
        code,
        reason,
        never_started: false,
        at_ms,
        last_output: String::new(),
    };
    if output::is_wanted(&exit) {
        exit.last_output = last_output(files);
    }
    exit
}

/// What cannot be read says nothing: how a process ended is worth more.
pub(super) fn last_output(files: &Files) -> String {
    output::tail_of_files(&files.path("stdout"), &files.path("stderr")).unwrap_or_default()
}

fn become_process(files: &Files, cgroups: &[OsString]) -> ExitCode {
    let reason = match prepare(files, cgroups) {
        Ok(spec) => launch::exec(&spec, &files.path("work")),
        Err(error) => format!("prepare the process: {error}"),
    };
    // Without this file the agent sees an exit with 127, which tells nearly as much.
    let _ = fs::write(files.path(START_ERROR), reason);
    ExitCode::from(NOT_FOUND)
}

fn become_check(files: &Files, cgroups: &[OsString]) -> ExitCode {
    let reason = match prepare(files, cgroups) {
        Ok(spec) => match &spec.health_check {
            Some(check) => launch::exec_beside(&spec, check.words(), &files.path("work")),
            None => "there is nothing to check".to_owned(),
        },
        Err(error) => format!("prepare the health check: {error}"),
    };
    say(&reason);
    ExitCode::from(NOT_FOUND)
}

fn prepare(files: &Files, cgroups: &[OsString]) -> io::Result<ContainerSpec> {
    let spec = files
        .spec()?
        .ok_or_else(|| io::Error::other("there is nothing to run"))?;
    setsid()?;
    Group::from_directories(cgroups.iter().map(PathBuf::from).collect()).enter()?;
    Ok(spec)
}
