//! What happened, in order: one line an event, and a hash over all of them that two runs of one seed must agree on.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_core::ids::NodeId;
use tokio::time::Instant;

/// Lines kept of a run whose whole trace nobody asked for: enough to see how it ended.
const LINES_KEPT: usize = 200;

/// Something that happened in the world and that promises may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A node began to run with what its disk holds.
    NodeStarted {
        /// Which.
        node: NodeId,
        /// Its how manieth life.
        life: u32,
    },
    /// A node ended without notice: what its disk had not synced may be lost.
    NodeCrashed {
        /// Which.
        node: NodeId,
        /// The life that ended.
        life: u32,
    },
    /// A node ended by itself or was not willing to start, and why.
    NodeStopped {
        /// Which.
        node: NodeId,
        /// The life that ended.
        life: u32,
        /// In its own words.
        why: String,
    },
    /// An agent began to run on a host.
    AgentStarted {
        /// Which host.
        host: u32,
        /// The how manieth agent there.
        life: u32,
    },
    /// An agent ended; its containers run on.
    AgentEnded {
        /// Which host.
        host: u32,
        /// The how manieth agent there.
        life: u32,
        /// Killed, or in its own words.
        why: String,
    },
    /// A container began to run.
    ContainerStarted {
        /// Where.
        host: u32,
        /// Which.
        id: String,
        /// Its task.
        task: String,
    },
    /// A container ended.
    ContainerEnded {
        /// Where.
        host: u32,
        /// Which.
        id: String,
        /// How.
        exit: i32,
    },
    /// A fault began or ended.
    Fault(String),
    /// The last fault has ended: from here on everything has to come to rest.
    FaultsOver,
    /// Anything else that should be in the trace: calls, messages.
    Note(String),
}

/// The trace of one run. Clones are the same trace.
#[derive(Clone)]
pub struct Trace {
    inner: Arc<Mutex<Recorder>>,
}

struct Recorder {
    began: Instant,
    hash: DefaultHasher,
    lines: VecDeque<String>,
    keep_all: bool,
    unheard: Vec<(Duration, Event)>,
}

impl Trace {
    /// A trace that begins now. It keeps its last lines, or all.
    #[must_use]
    pub fn begin(keep_all: bool) -> Self {
        let recorder = Recorder {
            began: Instant::now(),
            hash: DefaultHasher::new(),
            lines: VecDeque::new(),
            keep_all,
            unheard: Vec::new(),
        };
        Self {
            inner: Arc::new(Mutex::new(recorder)),
        }
    }

    /// Simulated time since the run began.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.inner.lock().began.elapsed()
    }

    /// Something happened.
    pub fn tell(&self, event: Event) {
        let mut inner = self.inner.lock();
        let at = inner.began.elapsed();
        inner.write(at, &event);
        if !matches!(event, Event::Note(_)) {
            inner.unheard.push((at, event));
        }
    }

    /// Something that is only for the trace.
    pub fn note(&self, text: impl fmt::Display) {
        self.tell(Event::Note(text.to_string()));
    }

    /// What the product logs, for readers: it is no part of the hash.
    pub fn log(&self, line: &str) {
        let mut inner = self.inner.lock();
        let at = inner.began.elapsed().as_secs_f64();
        inner.keep(format!("{at:>10.3}     | {line}"));
    }

    /// What happened since this was asked last, notes left out.
    #[must_use]
    pub fn news(&self) -> Vec<(Duration, Event)> {
        std::mem::take(&mut self.inner.lock().unheard)
    }

    /// The hash over all lines so far.
    #[must_use]
    pub fn hash(&self) -> String {
        format!("{:016x}", self.inner.lock().hash.finish())
    }

    /// The lines that were kept.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.inner.lock().lines.iter().cloned().collect()
    }
}

impl Recorder {
    fn write(&mut self, at: Duration, event: &Event) {
        let line = format!("{:>10.3} {event}", at.as_secs_f64());
        self.hash.write(line.as_bytes());
        self.hash.write_u8(b'\n');
        self.keep(line);
    }

    fn keep(&mut self, line: String) {
        if !self.keep_all && self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeStarted { node, life } => write!(f, "n{node}.{life} starts"),
            Self::NodeCrashed { node, life } => write!(f, "n{node}.{life} crashes"),
            Self::NodeStopped { node, life, why } => write!(f, "n{node}.{life} stops: {why}"),
            Self::AgentStarted { host, life } => write!(f, "a{host}.{life} starts"),
            Self::AgentEnded { host, life, why } => write!(f, "a{host}.{life} ends: {why}"),
            Self::ContainerStarted { host, id, task } => {
                write!(f, "h{host} container {id} of task {task} runs")
            }
            Self::ContainerEnded { host, id, exit } => {
                write!(f, "h{host} container {id} ended with {exit}")
            }
            Self::Fault(text) => write!(f, "fault: {text}"),
            Self::FaultsOver => f.write_str("faults over"),
            Self::Note(text) => f.write_str(text),
        }
    }
}
