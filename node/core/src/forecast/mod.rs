//! What would come of a change: it is made on a copy of the state, and the leader's duties are done there, with agents that do as they
//! should, until nothing moves any more. The scheduler is the real one; only time and agents are stand-ins.
//!
//! What it takes for granted: tasks start, become healthy and end as told; nobody else changes anything; an instance whose agent is not
//! connected stays so, and is given up when it has been silent for long enough.

mod agents;
mod outcome;

use std::collections::BTreeSet;

use crate::apply;
use crate::command::{Change, Command, Entry, Item, Rejection};
use crate::duties::{Heard, Policy, duties};
use crate::ids::{ClusterName, InstanceId, ServiceKey, TaskId};
use crate::mint::Mint;
use crate::state::{Instance, InstanceStatus, State};
use crate::time::Millis;

pub use crate::duties::services::explain::missing;
pub use outcome::{Count, Short};

/// How long an agent takes to do what it is told.
const AGENT_MS: u64 = 1000;
/// Without a move for so long, nothing will move: longer than the longest gap after failures (27 minutes).
const REST_MS: u64 = 30 * 60 * 1000;
/// Points in time that are looked at; a change of thousands of tasks takes some hundred.
const LOOKS_MAX: usize = 5000;
/// Rounds of duties at one point in time: each does up to 64 steps of services.
const ROUNDS_MAX: usize = 1000;
/// Moves that are told of.
const MOVES_MAX: usize = 10_000;

/// What would come of a change.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// What moves, in order.
    pub moves: Vec<Move>,
    /// Services that end with fewer tasks than they want.
    pub short: Vec<Short>,
    /// Services that move or fall short, as they end.
    pub counts: Vec<Count>,
    /// Whether it came to rest, or was given up after too many moves.
    pub is_at_rest: bool,
    /// The state in which it ends.
    pub state: State,
}

/// One task that starts or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// How long after the change.
    pub after_ms: u64,
    /// What happens.
    pub what: What,
    /// To which task; one that starts has an id of the copy's, not the one it will get.
    pub task: TaskId,
    /// Where.
    pub instance: InstanceId,
    /// Of which service.
    pub service: Option<ServiceKey>,
}

/// What happens to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It is started.
    Start,
    /// It is told to stop.
    Stop,
    /// It is given up with its instance.
    Lose,
}

impl What {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Stop => "STOP",
            Self::Lose => "LOSE",
        }
    }
}

/// The instances of a cluster that have an attribute with that value are cut off: agents gone, to be given up by the duty.
#[must_use]
pub fn loses(state: &State, cluster: &ClusterName, attribute: &str, value: &str) -> Vec<Command> {
    let live = state
        .instances_in(cluster)
        .filter(|instance| instance.status != InstanceStatus::Inactive);
    live.filter(|instance| instance.attribute(attribute) == Some(value))
        .map(|instance| Command::Disconnect {
            instance: instance.id,
            session: instance.session,
        })
        .collect()
}

/// What would come of `change` in `cluster` from `now` on.
///
/// # Errors
/// If a command of the change is refused.
pub fn forecast(
    state: &State,
    cluster: &ClusterName,
    change: &[Command],
    policy: &Policy,
    now: Millis,
    mint: &mut Mint,
) -> Result<Forecast, Rejection> {
    let now = now.max(state.now());
    let mut run = Run {
        state: state.clone(),
        cluster,
        policy,
        mint,
        began_at: now,
        now,
        moved_at: now,
        moves: Vec::new(),
        restless: state.tasks().map(|task| task.id).collect(),
        agents_at: None,
    };
    for command in change {
        run.work_in(command)?;
    }
    let is_at_rest = run.goes_on();
    let (moves, state) = (run.moves, run.state);
    Ok(Forecast {
        short: outcome::short(&state, cluster),
        counts: outcome::counts(&state, cluster, &moves),
        moves,
        is_at_rest,
        state,
    })
}

/// A forecast that is under way.
struct Run<'a> {
    state: State,
    cluster: &'a ClusterName,
    policy: &'a Policy,
    mint: &'a mut Mint,
    began_at: Millis,
    now: Millis,
    moved_at: Millis,
    moves: Vec<Move>,
    /// Tasks of which an agent may have something to report.
    restless: BTreeSet<TaskId>,
    /// When agents have done what they have to do.
    agents_at: Option<Millis>,
}

impl Run<'_> {
    /// Until nothing moves any more; false if that takes too long.
    fn goes_on(&mut self) -> bool {
        for _ in 0..LOOKS_MAX {
            if !self.lead() || self.moves.len() >= MOVES_MAX {
                return false;
            }
            let next = self.next();
            let Some(at) = next.filter(|at| at.since_ms(self.moved_at) <= REST_MS) else {
                return true;
            };
            self.now = at;
            if self.agents_at.is_some_and(|due| due <= at) {
                self.agents_at = None;
                for report in agents::reports(&self.state, &self.restless) {
                    self.work_in(&report)
                        .expect("made from the instance's own session");
                }
            }
        }
        false
    }

    /// Does what a leader owes now; false if it comes to no end.
    fn lead(&mut self) -> bool {
        for _ in 0..ROUNDS_MAX {
            let heard = self.heard();
            let owed = duties(&self.state, &heard, self.policy, self.now, self.mint);
            if owed.is_empty() {
                return true;
            }
            for command in owed {
                self.tell(&command);
                // A step that others outran is refused, and found again in the next round.
                let _ = self.work_in(&command);
            }
        }
        false
    }

    /// Whoever is connected is heard; the others have been silent since their streams broke.
    fn heard(&self) -> Heard {
        let live = || {
            let all = self.state.instances();
            all.filter(|one| one.status != InstanceStatus::Inactive)
        };
        if live().all(|one| one.connected) {
            return Heard::default();
        }
        let silence = |one: &Instance| {
            if one.connected {
                0
            } else {
                self.now.since_ms(one.connection_changed_at)
            }
        };
        Heard {
            office_ms: u64::MAX,
            silent_ms: live().map(|one| (one.id, silence(one))).collect(),
        }
    }

    /// When something may happen next.
    fn next(&mut self) -> Option<Millis> {
        let state = &self.state;
        self.restless
            .retain(|id| agents::report(state, id).is_some());
        if self.restless.is_empty() {
            self.agents_at = None;
        } else {
            self.agents_at.get_or_insert(self.now.plus_ms(AGENT_MS));
        }
        let look = state.services_due(Millis(u64::MAX)).next();
        let look = look.and_then(|service| service.look_at);
        let cut_off = state
            .instances()
            .filter(|one| one.status != InstanceStatus::Inactive && !one.connected)
            .filter(|one| state.live_tasks_on(&one.id).next().is_some());
        let given_up = cut_off.map(|one| {
            let since = one.connection_changed_at;
            since.plus_ms(self.policy.lost_after_ms)
        });
        let next = given_up.chain(look).chain(self.agents_at).min();
        next.map(|at| at.max(self.now.plus_ms(1)))
    }

    fn work_in(&mut self, command: &Command) -> Result<(), Rejection> {
        let entry = Entry {
            at: self.now,
            items: vec![Item {
                request: self.mint.request(),
                command: command.clone(),
            }],
        };
        let index = self.state.applied_index() + 1;
        let mut applied = apply(&mut self.state, index, &entry);
        for change in &applied.changes {
            if let Change::Task { task, .. } = change {
                self.restless.insert(*task);
            }
        }
        applied.outcomes.remove(0).map(drop)
    }

    /// Notes what a duty moves, from the state that it finds.
    fn tell(&mut self, command: &Command) {
        let mut moved = Vec::new();
        if let Command::StepService(step) = command
            && step.key.cluster == *self.cluster
        {
            let service = Some(&step.key);
            let starts = step.start.iter().map(|start| &start.task);
            moved.extend(starts.map(|new| self.moved(What::Start, new.id, new.instance, service)));
            let stops = step
                .stop
                .iter()
                .filter_map(|stop| self.state.task(&stop.task));
            moved.extend(stops.map(|one| self.moved(What::Stop, one.id, one.instance, service)));
        }
        if let Command::LoseInstance { instance, .. } = command {
            let lost = self.state.live_tasks_on(instance);
            let lost = lost.filter(|task| task.cluster == *self.cluster);
            moved.extend(lost.map(|task| {
                self.moved(What::Lose, task.id, *instance, task.service_key().as_ref())
            }));
        }
        if !moved.is_empty() {
            self.moved_at = self.now;
            self.moves.extend(moved);
        }
    }

    fn moved(
        &self,
        what: What,
        task: TaskId,
        instance: InstanceId,
        service: Option<&ServiceKey>,
    ) -> Move {
        Move {
            after_ms: self.now.since_ms(self.began_at),
            what,
            task,
            instance,
            service: service.cloned(),
        }
    }
}
