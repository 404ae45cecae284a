//! Wall clocks: one for each machine, each wrong in its own way, and each may jump. Elapsed time is the runtime's and the same for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

/// What the right time is when a run begins, in Unix milliseconds: 2026-11-22.
const BEGINNING_MS: i64 = 1_795_305_600_000;

/// The wall clock of one machine. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct WallClock {
    began: Instant,
    wrong_by_ms: Arc<AtomicI64>,
}

impl WallClock {
    /// A clock in a run that begins now.
    #[must_use]
    pub fn new(wrong_by_ms: i64) -> Self {
        Self {
            began: Instant::now(),
            wrong_by_ms: Arc::new(AtomicI64::new(wrong_by_ms)),
        }
    }

    /// What it shows, in Unix milliseconds.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        let elapsed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let wall = BEGINNING_MS + elapsed + self.wrong_by_ms.load(Ordering::Relaxed);
        u64::try_from(wall).unwrap_or_default()
    }

    /// It jumps, forwards or backwards.
    pub fn jump(&self, by_ms: i64) {
        self.wrong_by_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// It is set right.
    pub fn set_right(&self) {
        self.wrong_by_ms.store(0, Ordering::Relaxed);
    }
}
