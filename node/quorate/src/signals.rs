//! How a process is told to end: SIGTERM, SIGINT or SIGHUP once to close in order, and once more to stop at once.

use std::io;
use std::process::exit;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Exit, Failure};

/// The signals that ask a process to end.
pub(crate) struct Endings {
    terminate: Stream,
    interrupt: Stream,
    hang_up: Stream,
}

impl Endings {
    /// From here on the signals no longer kill the process. To be called on a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next of them, whichever it is.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}

/// Runs `work` with a token that the first signal cancels; the second ends the process with exit code 130.
pub(crate) async fn until_told<T>(
    work: impl AsyncFnOnce(CancellationToken) -> T,
) -> Result<T, Failure> {
    let mut endings = Endings::new()
        .map_err(|error| Failure::new(Exit::Failed, "watch for signals").because(error))?;
    let token = CancellationToken::new();
    let work = work(token.clone());
    tokio::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return Ok(result),
            () = endings.next() => {
                if token.is_cancelled() {
                    exit(Exit::Interrupted as i32);
                }
                token.cancel();
            }
        }
    }
}

/// Binds this process to the one that started it: when that one dies, in whatever way, this one gets SIGTERM.
/// To be called on the main thread before others exist, for the kernel ties this to threads.
pub(crate) fn die_with(parent: i32) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|error| {
        Failure::new(Exit::Failed, "ask for a signal at the parent's death").because(error)
    })?;
    // It may have died before we asked.
    match getppid().map(Pid::as_raw_nonzero) {
        Some(now) if now.get() == parent => Ok(()),
        _ => Err(Failure::new(
            Exit::Failed,
            format!("the parent process {parent} is gone"),
        )),
    }
}
