//! Commands about services, for logs of anything: few names and small counts, so that they meet.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use quorate_core::Command;
use quorate_core::Millis;
use quorate_core::command::{
    NewDeployment, NewEvent, NewService, NewTaskSet, ServiceStart, ServiceStep, ServiceStop,
    ServiceUpdate, TaskSetDeletion, TaskSetUpdate, Turn,
};
use quorate_core::documents::{
    Controller, Document, PauseHook, RevisionSpec, Scale, Scheduling, ServiceSpec, Stage,
};
use quorate_core::ids::{DeploymentId, ServiceKey, TaskSetKey};
use quorate_core::state::{Crowd, Moving, Stability, TaskSetToken, Topic};

use super::{cluster, definition, new_task, task};

fn key() -> impl Strategy<Value = ServiceKey> {
    (cluster(), select(vec!["web", "log"])).prop_map(|(cluster, name)| ServiceKey {
        cluster,
        name: name.parse().unwrap(),
    })
}

fn deployment() -> impl Strategy<Value = DeploymentId> {
    (1_u64..5).prop_map(DeploymentId)
}

fn deploy() -> impl Strategy<Value = NewDeployment> {
    (deployment(), definition()).prop_map(|(id, definition)| NewDeployment {
        id,
        document: Document::default(),
        spec: RevisionSpec {
            definition,
            launch_type: "EXTERNAL".into(),
            strategy: Vec::new(),
        },
    })
}

fn spec() -> impl Strategy<Value = ServiceSpec> {
    let kinds = (any::<bool>(), any::<bool>());
    (0_u64..4, kinds).prop_map(|(desired_count, (is_daemon, is_external))| ServiceSpec {
        controller: if is_external {
            Controller::External
        } else {
            Controller::Ecs
        },
        scheduling: if is_daemon {
            Scheduling::Daemon
        } else {
            Scheduling::Replica
        },
        desired_count,
        minimum_percent: 100,
        maximum_percent: 200,
        rebalances: !is_daemon,
        hooks: vec![PauseHook {
            stages: Stage::ALL.to_vec(),
            timeout_ms: 1000,
            rolls_back: is_daemon,
        }],
        ..ServiceSpec::default()
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    let fail = (deployment(), any::<bool>()).prop_map(|(deployment, tripped)| Turn::Fail {
        deployment,
        reason: "failed".into(),
        tripped,
    });
    let back = (deployment(), deployment()).prop_map(|(from, to)| Turn::RollBack {
        from,
        to,
        reason: "failed".into(),
        back_reason: "back".into(),
    });
    prop_oneof![
        (0_u64..4).prop_map(Turn::Want),
        deployment().prop_map(Turn::Recover),
        deployment().prop_map(Turn::Complete),
        deployment().prop_map(Turn::Retire),
        fail,
        back,
        (deployment(), select(Stage::ALL.to_vec()))
            .prop_map(|(deployment, stage)| Turn::Pause { deployment, stage }),
        deployment().prop_map(Turn::TimeOut),
        (task(), task()).prop_map(|(from, to)| Turn::Move(Moving { from, to })),
        Just(Turn::EndMove),
        (
            deployment(),
            select(vec![Stability::Stabilizing, Stability::SteadyState])
        )
            .prop_map(|(set, stability)| Turn::Stabilize { set, stability }),
        Just(Turn::End),
    ]
}

/// Steps that nobody decided: most are refused, and those that are not must leave the state whole.
fn step() -> impl Strategy<Value = ServiceStep> {
    let start =
        (deployment(), new_task()).prop_map(|(deployment, task)| ServiceStart { deployment, task });
    let stop = (task(), any::<bool>()).prop_map(|(task, is_failure)| ServiceStop {
        task,
        reason: "stopped".into(),
        is_failure,
    });
    let topic = option::of(select(vec![Topic::SteadyState, Topic::Blocked]));
    let event = (topic, option::of(deployment())).prop_map(|(topic, of)| NewEvent {
        topic,
        of,
        message: "said".into(),
    });
    let counts = (1_u64..4, 0_u64..3, 0_u64..3);
    let parts = (
        key(),
        counts,
        vec(start, 0..2),
        vec(stop, 0..2),
        vec(turn(), 0..3),
        vec(event, 0..3),
        option::of(0_u64..10_000),
    );
    parts.prop_map(
        |(key, (seen_steps, seen_changes, seen_losses), start, stop, turns, events, look_at)| {
            ServiceStep {
                key,
                seen_steps,
                seen_mark: 0,
                lost: Vec::new(),
                mark: 0,
                seen_changes,
                seen_losses,
                start,
                stop,
                turns,
                events,
                settled: vec![Topic::SteadyState],
                settled_of: vec![(DeploymentId(1), Topic::SteadyState)],
                look_at: look_at.map(Millis),
                wants_room: false,
                crowd: Crowd::Instance,
            }
        },
    )
}

fn task_set() -> impl Strategy<Value = Command> {
    let scale = || (0_u8..3).prop_map(|half| Scale::of_percent(f64::from(half) * 50.0).unwrap());
    let set = || (key(), deployment()).prop_map(|(service, id)| TaskSetKey { service, id });
    let token = option::of(0_u8..2).prop_map(|given| {
        given.map(|fingerprint| TaskSetToken {
            token: "a".into(),
            fingerprint: [fingerprint; 32],
        })
    });
    let create =
        (key(), deploy(), scale(), token).prop_map(|(service, deploy, scale, token)| NewTaskSet {
            service,
            deploy,
            scale,
            external_id: String::new(),
            token,
            tags: Vec::new(),
        });
    prop_oneof![
        3 => create.prop_map(|new| Command::CreateTaskSet(Box::new(new))),
        1 => (set(), scale()).prop_map(|(key, scale)| Command::UpdateTaskSet(TaskSetUpdate { key, scale })),
        1 => set().prop_map(Command::MakePrimary),
        1 => (set(), any::<bool>()).prop_map(|(key, force)| Command::DeleteTaskSet(TaskSetDeletion { key, force })),
    ]
}

pub(super) fn command() -> impl Strategy<Value = Command> {
    let deploys = option::weighted(0.6, deploy());
    let create = (key(), spec(), deploys, 0_u8..2).prop_map(|(key, spec, deploy, fingerprint)| {
        Command::CreateService(Box::new(NewService {
            key,
            document: Document::default(),
            spec,
            deploy,
            tags: Vec::new(),
            created_by: String::new(),
            fingerprint: [fingerprint; 32],
        }))
    });
    let update = (key(), 1_u64..3, spec(), option::of(deploy())).prop_map(
        |(key, seen_updates, spec, deploy)| {
            Command::UpdateService(Box::new(ServiceUpdate {
                key,
                seen_updates,
                document: Document::default(),
                spec,
                deploy,
            }))
        },
    );
    prop_oneof![
        3 => create,
        4 => task_set(),
        2 => update,
        1 => (key(), any::<bool>()).prop_map(|(service, force)| Command::DeleteService { service, force }),
        1 => (deployment(), any::<bool>())
            .prop_map(|(deployment, is_rollback)| Command::StopDeployment { deployment, is_rollback }),
        1 => (deployment(), any::<bool>()).prop_map(|(deployment, is_rollback)| Command::ContinueDeployment {
            deployment, hook: "PRE_SCALE_UP-1".into(), is_rollback,
        }),
        6 => step().prop_map(|step| Command::StepService(Box::new(step))),
        1 => (vec(task(), 0..3), option::of(1_u64..100_000))
            .prop_map(|(tasks, for_ms)| Command::ProtectTasks { tasks, for_ms }),
    ]
}
