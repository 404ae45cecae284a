//! Shows the promises every moment, and remembers the first that was not kept.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Breach, breach, panics};
use crate::history::History;
use crate::moment::{Moment, Phase};
use crate::promises::{Broken, Settings, Watch};
use crate::trace::Trace;

/// How often a moment is looked at in which nothing was applied.
pub(super) const EVERY: Duration = Duration::from_millis(10);

/// What looks. Clones are the same.
#[derive(Clone)]
pub(super) struct Looking {
    inner: Arc<Mutex<Inner>>,
    broken: watch::Sender<Option<Breach>>,
    trace: Trace,
}

struct Inner {
    watch: Watch,
    phase: Phase,
    last: Option<Moment>,
}

impl Looking {
    pub(super) fn new(history: History, settings: &Settings, trace: Trace) -> Self {
        let inner = Inner {
            watch: Watch::new(history, settings),
            phase: Phase::Safety,
            last: None,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            broken: watch::Sender::new(None),
            trace,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.inner.lock().phase
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.inner.lock().phase = phase;
    }

    pub(super) fn look(&self, moment: &Moment) {
        let Inner { watch, last, .. } = &mut *self.inner.lock();
        for (at, event) in self.trace.news() {
            watch.hear(at, &event);
        }
        if let Some(panic) = panics::heard() {
            self.tell(breach("no panic", &panic));
        }
        if let Err(broken) = watch.look(moment) {
            self.tell(Breach::from(broken));
        }
        *last = Some(moment.clone());
    }

    fn tell(&self, breach: Breach) {
        self.broken.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(breach);
            is_first
        });
    }

    /// What was broken first.
    pub(super) fn breach(&self) -> Option<Breach> {
        self.broken.borrow().clone()
    }

    /// Waits for so long, or until a promise breaks.
    pub(super) async fn unbroken_for(&self, span: Duration) -> Result<(), Breach> {
        let mut broken = self.broken.subscribe();
        tokio::select! {
            biased;
            found = broken.wait_for(Option::is_some) => match found.ok().and_then(|found| found.clone()) {
                Some(breach) => Err(breach),
                None => Ok(()),
            },
            () = sleep(span) => Ok(()),
        }
    }

    pub(super) fn is_settled(&self, moment: &Moment) -> Result<(), String> {
        self.inner.lock().watch.is_settled(moment)
    }

    /// The last judgement, over everything that was seen.
    pub(super) fn settle(&self) -> Result<(), Breach> {
        if let Some(breach) = self.breach() {
            return Err(breach);
        }
        let Inner { watch, last, .. } = &mut *self.inner.lock();
        match last {
            Some(moment) => watch.settle(moment).map_err(Breach::from),
            None => Ok(()),
        }
    }
}

impl From<Broken> for Breach {
    fn from(broken: Broken) -> Self {
        breach(broken.promise, &broken.to_string())
    }
}
