//! The one place that reads the wall clock. Elapsed time is `tokio::time`'s, which a test may pause.

use std::time::{SystemTime, UNIX_EPOCH};

use quorate_core::Millis;

/// The wall clock now. A clock set before 1970 counts as 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn wall() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
