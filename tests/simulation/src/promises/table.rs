//! The table of all promises: what each says, who asks for it, and what it deliberately does not look at.

use std::time::Duration;

use super::Promise;
use super::assignment::Assignment;
use super::bounds::Bounds;
use super::contact::Contact;
use super::convergence::Convergence;
use super::durability::Durability;
use super::election::Election;
use super::lease::Lease;
use super::linear::Linear;
use super::lives::Lives;
use super::members::Members;
use super::order::Order;
use super::placement::Placed;
use super::reads::Reads;
use super::replicas::Replicas;
use super::reports::Reports;
use super::resources::Held;
use super::restore::Restore;
use super::revisions::Revisions;
use super::status::Forward;
use super::tokens::Tokens;
use super::twins::Twins;

/// What promises have to know of the run they judge.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Samples are drawn from it.
    pub seed: u64,
    /// How long the nodes wait before they give up the tasks of a silent instance.
    pub lost_after: Duration,
}

/// A promise, as people read of it.
pub struct Row {
    /// Its number and a word for it.
    pub name: &'static str,
    /// What is promised.
    pub says: &'static str,
    /// Who asks for it.
    pub source: &'static str,
    /// What it does not look at, on purpose.
    pub leaves_out: &'static str,
    pub(super) make: fn(&Settings) -> Box<dyn Promise>,
}

macro_rules! rows {
    ($($name:literal, $make:expr, $says:literal, $source:literal, $leaves_out:literal;)*) => {
        /// All promises.
        pub const TABLE: &[Row] = &[$(Row {
            name: $name,
            says: $says,
            source: $source,
            leaves_out: $leaves_out,
            make: |settings| {
                let make: fn(&Settings) -> _ = $make;
                Box::new(make(settings))
            },
        },)*];
    };
}

rows! {
    "I1 durability", |_| Durability::default(),
    "What was acknowledged, or shown by any node, is there from then on",
    "Raft paper, 5.4 (state machine safety) and 8; etcd's robustness tests: no acknowledged write is lost",
    "STOPPED tasks, which may be forgotten after an hour of the cluster's time; which hour that is while clocks jump";

    "I2 reads", |_| Reads,
    "A read shows a state that was the newest at some moment between question and answer, on whichever node it is answered",
    "Herlihy and Wing, Linearizability (1990); Raft dissertation, 6.4. ECS itself only promises eventual consistency (RunTask)",
    "Times, tags, attributes, overrides, texts; how new what a write shows beside its effect is";

    "I2 search", |settings| Linear::new(settings.seed),
    "What clients were told of one cluster, revision or task has an order in which each call happens between its begin and its end",
    "Wing and Gong, Testing and Verifying Concurrent Objects (1993); Lowe, Testing for Linearizability (2017)",
    "More than samples; windows of more than 64 overlapping calls; the default cluster, which agents make as well; orders over several objects (the half above has them)";

    "I3 election", |_| Election::default(),
    "A term has one leader; terms never go back; a new leader has all that was committed, and commits with a majority",
    "Raft paper, figure 3: election safety, leader completeness; openraft's leader_id_std",
    "Commit and applied over a restart, which begins with the snapshot; leaders that come and go between two looks";

    "I4 order", |_| Order::default(),
    "Snapshot, applied, committed, last follow each other; a disk that comes back holds what its node acknowledged",
    "Raft paper, 5.3 and figure 2 (persistent state); openraft's storage rules",
    "What a disk acknowledged to a leader that is not the newest: a later one may have had it thrown away; where the log was purged";

    "I5 assignment", |_| Assignment::default(),
    "A task is assigned once, to one instance, for its whole life, and only that instance runs it, by that assignment",
    "ECS, task lifecycle: a task is never moved, its replacement is another task; design: fencing index",
    "Which service a task is of: the half below has it";

    "I5 members", |_| Members,
    "A task is of one service and one of its deployments, for life, and runs what that deployment brought",
    "ECS, services and service revisions: a task belongs to the deployment that started it",
    "Tasks that outlive their revision, which is kept as long as anything needs it";

    "I6 twins", |_| Twins::default(),
    "A container of a task starts once: never a second one beside it, nor one after it",
    "ECS, task lifecycle: STOPPED is final; design: the runtime's labels are the agent's memory",
    "Copies of a machine, which run what the original runs until one of them is told; what a client asked for twice without a token";

    "I7 convergence", |_| Convergence,
    "When nothing is broken any more, all nodes agree, no task waits or lingers, what runs is what should, and services have what they want",
    "ECS, task lifecycle and service scheduler: steady state; Kubernetes, controllers: the observed becomes the desired",
    "How long it takes, beyond what the run allows; services that wait for room, hooks, protection, percentages, or for tasks that do not live";

    "I8 status", |_| Forward,
    "Statuses, versions and times go forward only; how a task or container ended is said once",
    "ECS, task lifecycle and DescribeTasks: lastStatus, version, stopCode, exitCode",
    "Which of the eight statuses a task passes through";

    "I8 reports", |_| Reports,
    "A container that is said to run has run, and an exit code is one that it ended with",
    "ECS, DescribeTasks: what an agent reports is what happened",
    "Reasons and times; containers that never started";

    "I8 services", |_| Lives,
    "Services and their deployments go forward only; one that is INACTIVE has no tasks and no deployments",
    "ECS, DeleteService and service deployments: status",
    "What is said in events";

    "I9 restore", |_| Restore,
    "A state that is written as a snapshot and read back is the same; a node that restarts shows what was there before",
    "Raft paper, 7 (log compaction)",
    "The bytes: equal states have equal bytes by a property of quorate-core";

    "I10 bounds", |_| Bounds::default(),
    "No decision of the scheduler leaves fewer healthy tasks than the minimum, more tasks than the maximum, or more of a deployment than are wanted",
    "ECS, deployment configuration: ceil of minimumHealthyPercent, floor of maximumPercent; a lost task is replaced once",
    "Steps of several entries in which an author had a say; what became healthy, or well again, between a decision and its being carried out";

    "I11 placement", |_| Placed,
    "A service's task starts on an ACTIVE, connected instance for which its constraints hold; a DAEMON's where none that is as new and well is",
    "ECS, task placement: constraints, attributes, container instance draining, DAEMON",
    "Which of the instances that may be chosen is; tasks that clients place by StartTask";

    "I11 resources", |_| Held,
    "What tasks hold of an instance is counted exactly and fits; a host port is held once; State::check finds nothing",
    "ECS, DescribeContainerInstances: registered and remaining resources",
    "Whether the host really has what its agent registered";

    "I11 lease", |settings| Lease::new(settings.lost_after),
    "An instance is not given up before its newest session could have been silent for long enough",
    "Gray and Cheriton, Leases (1989); design: lost-after, by monotonic clocks only",
    "Signs of life after the registration: only the leader knows of them";

    "I12 replicas", |_| Replicas::default(),
    "Nodes that applied the same entries have the same state, and what stands at an index never changes",
    "Raft paper, 5.4.3 (state machine safety)",
    "Between samples, tables that no operation shows (tokens, requests): they are compared at restarts, jumps and now and then";

    "I13 contact", |_| Contact::default(),
    "Soon after the last fault every agent is connected, and stays so",
    "ECS, container instances: agentConnected; the agent's own back-off",
    "How soon while there are faults";

    "I15 tokens", |_| Tokens::default(),
    "A wish is carried out once; a token gives the same tasks again, and other parameters a conflict; a clear no changed nothing",
    "ECS, RunTask: clientToken, ConflictException; AWS, Ensuring idempotency",
    "Tokens after a day, when they are forgotten; calls without marks";

    "I16 revisions", |_| Revisions::default(),
    "Revisions of a family rise with each registration, also as clients see it, and none is given twice",
    "ECS, RegisterTaskDefinition: revision",
    "Gaps: a revision of a call that was never answered";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_promise_of_the_design_is_there_and_says_what_it_leaves_out() {
        let numbers: BTreeSet<&str> = TABLE
            .iter()
            .filter_map(|row| row.name.split(' ').next())
            .collect();
        let wanted = [
            "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13",
            "I15", "I16",
        ];
        assert_eq!(numbers, BTreeSet::from(wanted));
        let names: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len());
        assert!(
            TABLE
                .iter()
                .all(|row| ![row.says, row.source, row.leaves_out].contains(&""))
        );
    }
}
