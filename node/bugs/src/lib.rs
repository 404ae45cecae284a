//! Bugs seeded on purpose, to test the tests: the simulation must find each of them. A build without the feature `seeded`, as every
//! build is that leaves this house, has none of them: [`is_seeded`] is `false` there, and the compiler drops what hangs on it.

#[cfg(feature = "seeded")]
use std::sync::atomic::{AtomicU8, Ordering};

macro_rules! bugs {
    ($($(#[doc = $what:literal])+ $bug:ident = $name:literal,)+) => {
        /// A mistake that somebody could have made.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Bug {
            $($(#[doc = $what])+ $bug,)+
        }

        impl Bug {
            /// All there are.
            pub const ALL: &[Bug] = &[$(Bug::$bug,)+];

            /// Its name, for settings and tables.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Bug::$bug => $name,)+ }
            }

            /// What is wrong with it in place.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Bug::$bug => concat!($($what),+),)+ }
            }
        }
    };
}

bugs! {
    /// The log says that entries are on disk before they are.
    AckBeforeFlush = "ack-before-flush",
    /// A vote is given and not written down.
    VoteNotKept = "vote-not-kept",
    /// A flush that failed is taken for one that succeeded.
    FailedFlushAcknowledged = "failed-flush-acknowledged",
    /// A read is served from the local state, without asking whether that is still current.
    LocalRead = "local-read",
    /// A read joins a confirmation that began before it did.
    BarrierReused = "barrier-reused",
    /// A change that is tried again gets a new request id, and so may be made twice.
    FreshIdOnRetry = "fresh-id-on-retry",
    /// Requests that were carried out are not remembered.
    RequestsForgotten = "requests-forgotten",
    /// A state read from a snapshot knows no client tokens.
    TokensNotInSnapshot = "tokens-not-in-snapshot",
    /// What apply keeps has the order of a hash table.
    HashOrder = "hash-order",
    /// Tasks are started without taking their resources from the instance.
    NoReservation = "no-reservation",
    /// A late report brings an ended task back to life.
    StatusGoesBack = "status-goes-back",
    /// A new leader takes all instances that it has not heard itself for lost.
    LostTooEarly = "lost-too-early",
    /// What an agent said in an older conversation is believed, whatever it says in the present one.
    OlderSessionObeyed = "older-session-obeyed",
    /// An agent leaves running what the control plane has given up.
    GivenUpRunsOn = "given-up-runs-on",
    /// A service stops what it decided to stop, whatever it has lost meanwhile.
    LossesOverlooked = "losses-overlooked",
    /// What was decided about a service is carried out, whatever was carried out meanwhile.
    StepsNotCounted = "steps-not-counted",
    /// A task of a service counts as healthy as soon as it is there.
    HealthyFromStart = "healthy-from-start",
    /// An instance that is drained still gets tasks.
    DrainedTakesTasks = "drained-takes-tasks",
}

#[cfg(feature = "seeded")]
const NONE: u8 = u8::MAX;
#[cfg(feature = "seeded")]
static SEEDED: AtomicU8 = AtomicU8::new(NONE);

/// Seeds one bug, or none, in this process.
#[cfg(feature = "seeded")]
pub fn seed(bug: Option<Bug>) {
    SEEDED.store(bug.map_or(NONE, |bug| bug as u8), Ordering::Relaxed);
}

/// Whether this bug is in place.
#[cfg(feature = "seeded")]
#[must_use]
pub fn is_seeded(bug: Bug) -> bool {
    SEEDED.load(Ordering::Relaxed) == bug as u8
}

/// Whether this bug is in place: never in this build.
#[cfg(not(feature = "seeded"))]
#[must_use]
pub const fn is_seeded(_: Bug) -> bool {
    false
}
