//! What a look has come to so far, and how it becomes a step.

use std::collections::BTreeSet;

use super::TASKS_PER_STEP;
use super::sight::{Member, Sight, Standing};
use super::words;
use crate::command::{NewEvent, ServiceStart, ServiceStep, ServiceStop, Turn};
use crate::ids::{DeploymentId, TaskId};
use crate::mint::Mint;
use crate::state::{Crowd, Topic};
use crate::time::Millis;

/// ECS: the same message is not said again within six hours, unless its cause changed.
const SAY_AGAIN_MS: u64 = 6 * 60 * 60 * 1000;

/// What is to be done.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) start: Vec<ServiceStart>,
    pub(super) stop: Vec<ServiceStop>,
    pub(super) turns: Vec<Turn>,
    /// A deployment fails or comes back, or the number wanted changes: what should move is seen after that.
    pub(super) is_turning_back: bool,
    /// There is more to do than one step takes.
    pub(super) has_more: bool,
    /// A row of failures ends with this step: what may move is seen after it.
    pub(super) recovers: bool,
    pub(super) wants_room: bool,
    /// All is as it should be, but perhaps not where it should be.
    pub(super) is_steady: bool,
    pub(super) crowd: Crowd,
    /// The rules of placement can not be read: no room would help.
    pub(super) is_unplaceable: bool,
    /// Tasks that other parts of the step start or stop.
    taken: usize,
    stopped: BTreeSet<TaskId>,
    events: Vec<NewEvent>,
    topics: BTreeSet<Topic>,
    settled: BTreeSet<(Option<DeploymentId>, Topic)>,
    look_at: Option<Millis>,
}

impl Plan {
    /// Looks again at `at`, or before.
    pub(super) fn look_at(&mut self, at: Option<Millis>) {
        self.look_at = self.look_at.into_iter().chain(at).min();
    }

    /// Says something that happened.
    pub(super) fn say(&mut self, message: String) {
        self.events.push(NewEvent {
            topic: None,
            of: None,
            message,
        });
    }

    /// Says something that goes on: once, until its cause changes.
    pub(super) fn say_about(&mut self, sight: &Sight<'_>, topic: Topic, message: String) {
        self.topics.insert(topic);
        let service = sight.service;
        if !service.has_said(topic, &message, sight.now, SAY_AGAIN_MS) {
            self.events.push(NewEvent {
                topic: Some(topic),
                of: sight.set,
                message,
            });
        }
    }

    /// How many more tasks this step takes.
    pub(super) fn room(&self) -> usize {
        TASKS_PER_STEP.saturating_sub(self.taken + self.start.len() + self.stop.len())
    }

    pub(super) fn is_stopping(&self, task: &TaskId) -> bool {
        self.stopped.contains(task)
    }

    /// Stops a task, unless the step is full or stops it already.
    pub(super) fn stop(&mut self, sight: &Sight<'_>, member: &Member<'_>) -> bool {
        self.stop_for(member, words::stop_reason(sight, member))
    }

    /// The same, for a reason of its own.
    pub(super) fn stop_for(&mut self, member: &Member<'_>, reason: String) -> bool {
        if self.room() == 0 {
            self.has_more = true;
            return false;
        }
        if !self.stopped.insert(member.task.id) {
            return false;
        }
        self.stop.push(ServiceStop {
            task: member.task.id,
            reason,
            is_failure: member.standing == Standing::Unhealthy,
        });
        true
    }

    /// The part of the step that another task set's moves are, in the room that is left.
    pub(super) fn part(&self) -> Self {
        Self {
            taken: self.start.len() + self.stop.len(),
            ..Self::default()
        }
    }

    /// Takes a part in that is closed.
    pub(super) fn add(&mut self, part: Self) {
        self.start.extend(part.start);
        self.stop.extend(part.stop);
        self.turns.extend(part.turns);
        self.events.extend(part.events);
        self.settled.extend(part.settled);
        self.has_more |= part.has_more;
        self.recovers |= part.recovers;
        self.wants_room |= part.wants_room;
        self.look_at(part.look_at);
    }

    /// All is decided about what `sight` shows: what moves is said, and what holds no more may be said again.
    pub(super) fn close(&mut self, sight: &Sight<'_>) {
        words::moves(sight, self);
        let mine = sight.service.said.iter().filter(|one| one.of == sight.set);
        let topics = mine.map(|said| said.topic);
        let over = |topic: &Topic| !self.topics.contains(topic) && self.is_over(sight, *topic);
        let settled: Vec<Topic> = topics.filter(over).collect();
        let settled = settled.into_iter().map(|topic| (sight.set, topic));
        self.settled.extend(settled);
        if self.topics.contains(&Topic::SteadyState) {
            self.look_at(Some(self.say_again_at(sight)));
        }
    }

    pub(super) fn into_step(self, sight: &Sight<'_>, mint: &mut Mint) -> ServiceStep {
        let service = sight.service;
        let settled = self.settled.iter();
        let settled_of = settled.clone();
        let later = self.look_at.map(|at| at.max(sight.now.plus_ms(1)));
        let at_once = self.is_turning_back || self.has_more || self.recovers;
        ServiceStep {
            key: service.key.clone(),
            seen_steps: service.steps,
            seen_mark: service.step_mark,
            mark: mint.request().as_u128() as u64,
            seen_changes: service.changes,
            seen_losses: service.losses,
            lost: Vec::new(),
            start: self.start,
            stop: self.stop,
            turns: self.turns,
            events: self.events,
            settled: settled
                .filter(|(of, _)| of.is_none())
                .map(|(_, topic)| *topic)
                .collect(),
            settled_of: settled_of
                .filter_map(|(of, topic)| Some(((*of)?, *topic)))
                .collect(),
            look_at: if at_once { Some(sight.now) } else { later },
            wants_room: self.wants_room,
            crowd: self.crowd,
        }
    }

    /// Whether what was said about the topic holds no more, so that the same may be said as news.
    fn is_over(&self, sight: &Sight<'_>, topic: Topic) -> bool {
        match topic {
            Topic::SteadyState => true,
            Topic::Placement => {
                !self.start.is_empty() || sight.staying().count() as u64 >= sight.desired
            }
            Topic::StartImpaired => sight.current().is_none_or(|one| one.failed_in_row == 0),
            Topic::Blocked => !self.start.is_empty() || !self.stop.is_empty() || sight.is_steady(),
            Topic::Rebalancing => sight.is_steady(),
        }
    }

    /// The steady state is announced again when the last time is long ago.
    fn say_again_at(&self, sight: &Sight<'_>) -> Millis {
        let steady = |topic: Topic| topic == Topic::SteadyState;
        let is_said_now = self.events.iter().any(|one| one.topic.is_some_and(steady));
        let mut said = sight.service.said.iter();
        let before = said.find(|said| steady(said.topic) && said.of == sight.set);
        let last = before.filter(|_| !is_said_now);
        last.map_or(sight.now, |said| said.at).plus_ms(SAY_AGAIN_MS)
    }
}
