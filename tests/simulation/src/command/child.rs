//! One run in a process of its own: the side that starts it and the side that is it.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{Arguments, bugs};
use crate::plan::Plan;
use crate::run::{self, Breach, Verdict};

/// A run that takes longer than this has lost itself; a usual one takes about a second.
const PATIENCE: Duration = Duration::from_secs(120);
const ASKED_AGAIN: Duration = Duration::from_millis(5);

/// Runs the plan on standard input and prints the verdict, the last line of standard output.
pub(super) fn live(arguments: &Arguments) -> Result<()> {
    if let Some(bug) = &arguments.bug {
        bugs::seed(bug)?;
    }
    let trace = arguments.trace.as_deref();
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .context("read the plan")?;
    let plan: Plan = serde_json::from_str(&text).context("read the plan")?;
    run::listen_for_panics();
    let outcomes = run::run(plan, trace.is_some());
    if let Some(path) = trace {
        fs::write(path, outcomes.lines.join("\n") + "\n")
            .with_context(|| format!("write {}", path.display()))?;
    }
    println!("{}", serde_json::to_string(&outcomes.verdict)?);
    io::stdout().flush()?;
    // What is left of the world need not be taken down in order.
    std::process::exit(0)
}

/// Runs a plan in a process of its own. A process that dies or does not end is a broken promise as well.
pub(super) fn run(plan: &Plan, bug: Option<&str>, trace: Option<&Path>) -> Result<Verdict> {
    let mut command = Command::new(std::env::current_exe().context("find this program")?);
    command.arg("--child");
    if let Some(bug) = bug {
        command.arg("--bug").arg(bug);
    }
    if let Some(path) = trace {
        command.arg("--trace").arg(path);
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().context("start a run")?;
    let mut input = child.stdin.take().context("a child's input")?;
    input
        .write_all(serde_json::to_string(plan)?.as_bytes())
        .context("hand over the plan")?;
    drop(input);
    let began = Instant::now();
    while child.try_wait().context("wait for a run")?.is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().context("end a run")?;
            child.wait().context("end a run")?;
            return Ok(failed(
                plan,
                "ends",
                format!("the run took more than {PATIENCE:?}"),
            ));
        }
        std::thread::sleep(ASKED_AGAIN);
    }
    let output = child.wait_with_output().context("read a verdict")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().last().map(serde_json::from_str) {
        Some(Ok(verdict)) => Ok(verdict),
        Some(Err(error)) => bail!("a run's verdict cannot be read: {error}"),
        None => {
            let words = String::from_utf8_lossy(&output.stderr);
            let last = words.lines().rev().take(5).collect::<Vec<_>>().join("; ");
            Ok(failed(
                plan,
                "lives",
                format!("the process ended with {}: {last}", output.status),
            ))
        }
    }
}

fn failed(plan: &Plan, promise: &str, what: String) -> Verdict {
    Verdict {
        seed: plan.seed,
        broken: Some(Breach {
            promise: promise.to_owned(),
            what,
        }),
        hash: String::new(),
        simulated_ms: 0,
        cpu_ms: 0,
        applied: 0,
        calls: 0,
    }
}
