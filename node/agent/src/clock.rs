//! The agent's one view of wall time and of entropy. Elapsed time is `tokio::time::Instant` everywhere else, so that a paused
//! runtime can drive the agent through hours in a moment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// The clock on an agent's wall: wall time is for what is shown to people. One decision depends on it, and it may be late: how long ended
/// containers are kept, since a runtime tells their end in wall time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Clock({})", self.wall_ms())
    }
}

impl Clock {
    /// The system's.
    #[must_use]
    pub fn system() -> Self {
        Self::new(wall_ms)
    }

    /// One that `read` reads, in Unix milliseconds. It may jump.
    pub fn new(read: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Now, in Unix milliseconds.
    #[must_use]
    pub fn wall_ms(&self) -> i64 {
        (self.0)()
    }
}

/// The system's wall time as Unix milliseconds, for the runtimes of this machine, whose containers live by it.
pub(crate) fn wall_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A name nobody else has: a session, a first registration.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn unique() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// Somewhere between half of `span` and all of it, so that many agents that lost one node do not return as one.
pub(crate) fn jittered(span: Duration) -> Duration {
    span.mul_f64(dice().random_range(0.5..1.0))
}

/// An index below `count`; where an agent starts in the list of nodes.
pub(crate) fn index_below(count: usize) -> usize {
    if count < 2 {
        0
    } else {
        dice().random_range(0..count)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn dice() -> SmallRng {
    SmallRng::from_os_rng()
}
