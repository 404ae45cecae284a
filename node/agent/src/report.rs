//! What the control plane still has to be told. One report is under way at a time, sent again until it is acknowledged; what
//! changes meanwhile goes into the next. So a long absence costs memory for one report, whatever happened in it.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_proto::agent as wire;
use tokio::time::Instant;

use crate::runtime::TaskId;

/// A report whose acknowledgement takes longer than an election is sent again.
const SEND_AGAIN: Duration = Duration::from_secs(2);

/// The state of reporting within one session.
#[derive(Debug, Default)]
pub(crate) struct Reporter {
    seq: u64,
    /// What the control plane has committed, as far as this session knows.
    committed: BTreeMap<TaskId, wire::TaskObserved>,
    under_way: Option<UnderWay>,
    /// The node has sent its full set, and not yet had ours.
    owes_full: bool,
    /// Before the full set nothing is said.
    is_open: bool,
}

#[derive(Debug)]
struct UnderWay {
    report: wire::Report,
    tasks: BTreeMap<TaskId, wire::TaskObserved>,
    sent_at: Instant,
}

impl Reporter {
    /// A session begins, or ended: all that was said in an earlier one counts for nothing.
    pub(crate) fn start_over(&mut self) {
        *self = Self::default();
    }

    /// The node has sent a full set; it gets one in return.
    pub(crate) fn open(&mut self) {
        self.is_open = true;
        self.owes_full = true;
    }

    /// The report to send now, if any.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        current: impl FnOnce() -> BTreeMap<TaskId, wire::TaskObserved>,
    ) -> Option<wire::Report> {
        if !self.is_open {
            return None;
        }
        if let Some(under_way) = &mut self.under_way {
            let is_due = now >= under_way.sent_at + SEND_AGAIN;
            under_way.sent_at = if is_due { now } else { under_way.sent_at };
            return is_due.then(|| under_way.report.clone());
        }
        let mut tasks = current();
        self.committed.retain(|id, _| tasks.contains_key(id));
        let full = std::mem::take(&mut self.owes_full);
        tasks.retain(|id, observed| full || self.committed.get(id) != Some(observed));
        if tasks.is_empty() && !full {
            return None;
        }
        self.seq += 1;
        let report = wire::Report {
            seq: self.seq,
            tasks: tasks.values().cloned().collect(),
            full,
        };
        self.under_way = Some(UnderWay {
            report: report.clone(),
            tasks,
            sent_at: now,
        });
        Some(report)
    }

    /// The node has committed the report `seq`. Says which tasks it now knows as STOPPED.
    pub(crate) fn acknowledge(&mut self, seq: u64) -> Vec<TaskId> {
        let Some(under_way) = self
            .under_way
            .take_if(|under_way| under_way.report.seq == seq)
        else {
            return Vec::new();
        };
        let stopped = under_way
            .tasks
            .iter()
            .filter(|(_, observed)| observed.status == "STOPPED");
        let stopped = stopped.map(|(id, _)| id.clone()).collect();
        self.committed.extend(under_way.tasks);
        stopped
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tasks(status: &str) -> BTreeMap<TaskId, wire::TaskObserved> {
        let id = TaskId::parse(&"a".repeat(32)).unwrap();
        let status = status.to_owned();
        BTreeMap::from([(
            id,
            wire::TaskObserved {
                status,
                ..Default::default()
            },
        )])
    }

    #[test]
    fn one_report_is_under_way_and_the_next_says_what_changed_meanwhile() {
        let mut reporter = Reporter::default();
        let now = Instant::now();
        assert!(
            reporter.next(now, || tasks("PENDING")).is_none(),
            "before the full set nothing is said"
        );
        reporter.open();
        let first = reporter.next(now, || tasks("PENDING")).unwrap();
        assert!(first.full && first.seq == 1);
        assert!(reporter.next(now, || tasks("RUNNING")).is_none());
        assert_eq!(
            reporter.next(now + SEND_AGAIN, || tasks("STOPPED")),
            Some(first)
        );
        assert!(reporter.acknowledge(7).is_empty(), "not a number of ours");
        assert!(reporter.acknowledge(1).is_empty(), "it was PENDING then");
        let second = reporter.next(now, || tasks("STOPPED")).unwrap();
        assert_eq!((second.seq, second.full, second.tasks.len()), (2, false, 1));
        assert_eq!(reporter.acknowledge(2).len(), 1);
        assert!(
            reporter.next(now, || tasks("STOPPED")).is_none(),
            "nothing new"
        );
    }

    #[test]
    fn an_empty_full_report_is_said_too() {
        let mut reporter = Reporter::default();
        reporter.open();
        assert!(reporter.next(Instant::now(), BTreeMap::new).unwrap().full);
    }
}
