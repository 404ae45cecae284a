//! Points in time and spans, as values. Nothing here reads a clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, as the leader stamped them into an entry.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// This time plus a span in milliseconds; the end of time at most.
    #[must_use]
    pub fn plus_ms(self, span_ms: u64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }

    /// This time minus a span in milliseconds; the epoch at least.
    #[must_use]
    pub fn minus_ms(self, span_ms: u64) -> Self {
        Self(self.0.saturating_sub(span_ms))
    }

    /// How many milliseconds lie between `earlier` and this time; 0 if it is not earlier.
    #[must_use]
    pub fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Seconds with fraction, as the ECS API gives timestamps (AWS JSON 1.1).
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds fit 53 bits for the next 285,000 years"
    )]
    pub fn as_epoch_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}
