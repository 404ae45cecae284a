//! This node's disk: the files, and where work that waits for them is done.

use std::io;
use std::sync::Arc;

use tokio::time::sleep;

use super::config::Threads;
use crate::files::Files;

/// The disk of one node. Clones are the same disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) threads: Threads,
}

impl Disk {
    /// Does work that waits for the disk, without holding up the runtime.
    ///
    /// # Errors
    /// As [`Threads::aside`].
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let done = self.threads.aside(work).await;
        self.settle().await;
        done
    }

    /// Lets the time pass that a simulated disk says its work took; a real one has taken it.
    pub(crate) async fn settle(&self) {
        let took = self.files.take_latency();
        if !took.is_zero() {
            sleep(took).await;
        }
    }
}
