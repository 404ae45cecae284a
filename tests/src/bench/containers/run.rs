//! Containers by hand: `docker run`, four at a time. As fast as the engine goes.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bollard::Docker;
use tokio::task::spawn_blocking;

use super::{COMMAND, IMAGE, Sample, none_left};

const LABEL: &str = "org.quorate.bench";
const AT_A_TIME: usize = 4;

/// Starts them, and gives how long it took.
pub(super) async fn start(containers: usize) -> Result<Sample> {
    let begin = move || -> Result<Sample> {
        let began = Instant::now();
        let begun = AtomicUsize::new(0);
        let worker = || -> Result<Vec<f64>> {
            let mut ends = Vec::new();
            while begun.fetch_add(1, Ordering::Relaxed) < containers {
                let words = ["run", "--detach", "--label", LABEL, IMAGE];
                docker(&[&words[..], &COMMAND].concat())?;
                ends.push(began.elapsed().as_secs_f64());
            }
            Ok(ends)
        };
        let ends = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(worker)).collect();
            let ends = workers
                .into_iter()
                .map(|worker| worker.join().expect("a worker does not panic"));
            ends.collect::<Result<Vec<_>>>()
        })?;
        let ends = ends.concat();
        Ok(Sample {
            who: "docker run",
            containers,
            first_s: ends.iter().copied().fold(f64::INFINITY, f64::min),
            all_s: ends.iter().copied().fold(0.0, f64::max),
        })
    };
    spawn_blocking(begin).await?
}

/// Removes them.
pub(super) async fn end(engine: &Docker) -> Result<()> {
    spawn_blocking(|| {
        let listed = docker(&[
            "ps",
            "--all",
            "--quiet",
            "--filter",
            &format!("label={LABEL}"),
        ])?;
        let mut words = vec!["rm", "--force"];
        words.extend(listed.split_whitespace());
        docker(&words)
    })
    .await??;
    none_left(engine, "docker run", LABEL).await
}

fn docker(words: &[&str]) -> Result<String> {
    let mut command = Command::new("docker");
    let output = command.args(words).stdin(Stdio::null()).output();
    let output = output.context("docker")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "docker {}: {said}",
        words.join(" ")
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
