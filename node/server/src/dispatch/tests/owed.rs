//! What is owed, and how it is rendered: pure.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quorate_core::state::TaskStatus;
use quorate_core::{Command, State};
use quorate_proto::agent as wire;

use super::super::assignment::{deltas, full_set};
use super::super::owed::{Owed, Sent, Standing, owed, owed_of, standing};
use super::{World, instance, observe, realm, register, session, start, stop, task};

#[test]
fn a_new_stream_is_owed_what_is_live_and_nothing_else() {
    let mut world = World::new();
    for (number, on) in [(1, 1), (2, 1), (3, 2)] {
        world.apply(start(number, instance(on))).unwrap();
    }
    world
        .apply(observe(instance(1), 1, 2, TaskStatus::Stopped))
        .unwrap();
    let all = owed(&world.state, instance(1), &Sent::default());
    assert_eq!(all.told, [(task(1), false)]);
    let full = full_set(&world.state, &realm(), &all);
    assert_eq!(full.applied_index, world.state.applied_index());
    assert_eq!(full.assignments.len(), 1);
}

#[test]
fn an_assignment_has_the_overrides_the_ports_and_the_fencing_token() {
    let mut world = World::new();
    world.apply(start(1, instance(1))).unwrap();
    let assigned = world.state.task(&task(1)).unwrap().assigned_index;
    let all = owed(&world.state, instance(1), &Sent::default());
    let assignment = full_set(&world.state, &realm(), &all).assignments.remove(0);
    assert_eq!(
        (assignment.fencing_index, assignment.incarnation),
        (assigned, 1)
    );
    assert_eq!(
        (assignment.known_status.as_str(), assignment.stop),
        ("PENDING", false)
    );
    assert_eq!(assignment.network_mode, "bridge");
    let container = &assignment.containers[0];
    assert_eq!(container.environment["COLOUR"], "red");
    assert_eq!(container.environment["AWS_REGION"], "us-east-1");
    assert_eq!(
        container.environment["AWS_EXECUTION_ENV"],
        "AWS_ECS_EXTERNAL"
    );
    let check = container.health_check.as_ref().unwrap();
    assert_eq!(check.command, ["CMD", "true"]);
    assert_eq!(
        (check.interval_s, check.timeout_s),
        (10, 5),
        "stated, and ECS's own"
    );
    assert_eq!((check.retries, check.start_period_s), (3, 0));
    let ports: Vec<_> = container
        .ports
        .iter()
        .map(|port| (port.container_port, port.host_port))
        .collect();
    assert_eq!(ports, [(80, 8082), (81, 8083)]);
    assert!(
        container
            .container_arn
            .starts_with("arn:aws:ecs:us-east-1:000000000000:container/default/")
    );
}

#[test]
fn a_task_is_told_once_stopped_once_and_forgotten_once() {
    let mut world = World::new();
    let mut sent = Sent::default();
    let mut next = |world: &World| {
        let tasks = BTreeSet::from([task(1)]);
        let owed = owed_of(&world.state, instance(1), &sent, &tasks);
        sent.note(&owed);
        owed
    };
    world.apply(start(1, instance(1))).unwrap();
    assert_eq!(next(&world).told, [(task(1), false)]);
    world
        .apply(observe(instance(1), 1, 1, TaskStatus::Running))
        .unwrap();
    assert_eq!(next(&world), Owed::default());
    world.apply(stop(1)).unwrap();
    assert_eq!(next(&world).told, [(task(1), true)]);
    assert_eq!(next(&world), Owed::default());
    world
        .apply(observe(instance(1), 1, 1, TaskStatus::Stopped))
        .unwrap();
    assert_eq!(next(&world).forgotten, [task(1)]);
    assert_eq!(next(&world), Owed::default());
}

#[test]
fn many_assignments_go_out_in_several_deltas() {
    let mut world = World::new();
    for number in 1..=33 {
        world.apply(start(number, instance(1))).unwrap();
    }
    let all = owed(&world.state, instance(1), &Sent::default());
    let deltas = deltas(&world.state, &realm(), &all);
    let sizes: Vec<_> = deltas.iter().map(|delta| delta.assignments.len()).collect();
    assert_eq!(sizes, [32, 1]);
}

#[test]
fn a_session_stands_until_the_state_says_otherwise() {
    let mut world = World::new();
    let now = |world: &World| standing(&world.state, instance(1), session(1));
    assert_eq!(now(&world), Standing::Current);
    let disconnect = Command::Disconnect {
        instance: instance(1),
        session: session(1),
    };
    world.apply(disconnect).unwrap();
    assert_eq!(now(&world), Standing::Lapsed);
    world.apply(register(1, 5)).unwrap();
    assert_eq!(now(&world), Standing::Superseded);
    let deregister = Command::DeregisterInstance {
        instance: instance(1),
        force: true,
    };
    world.apply(deregister).unwrap();
    assert_eq!(now(&world), Standing::Gone);
    assert_eq!(
        standing(&world.state, instance(9), session(1)),
        Standing::Gone
    );
}

/// What an agent makes of what it hears: the tasks it has to run, and those it has to stop.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listener(BTreeMap<String, bool>);

impl Listener {
    fn hear(&mut self, delta: wire::Delta) {
        for assignment in delta.assignments {
            self.0.insert(assignment.task_id, assignment.stop);
        }
        for task in delta.forgotten_task_ids {
            self.0.remove(&task);
        }
    }

    fn of_full_set(state: &State) -> Self {
        let all = owed(state, instance(1), &Sent::default());
        let full = full_set(state, &realm(), &all);
        let pairs = full
            .assignments
            .into_iter()
            .map(|assignment| (assignment.task_id, assignment.stop));
        Self(pairs.collect())
    }
}

fn any_command() -> impl Strategy<Value = Command> {
    (0..4_u8, 1..8_u128, 1..3_u128).prop_map(|(kind, number, on)| match kind {
        0 => start(number, instance(on)),
        1 => stop(number),
        2 => observe(instance(on), on, number, TaskStatus::Running),
        _ => observe(instance(on), on, number, TaskStatus::Stopped),
    })
}

proptest! {
    /// However reading is spread over time, deltas lead where a full set leads.
    #[test]
    fn deltas_lead_where_a_full_set_leads(steps in prop::collection::vec((any_command(), any::<bool>()), 1..60)) {
        let mut world = World::new();
        let (mut sent, mut listener, mut touched) = (Sent::default(), Listener::default(), BTreeSet::new());
        for (command, look) in steps {
            // Rejections are part of the story: they change nothing.
            let _ = world.apply(command);
            touched.extend((1..8).map(task));
            if look {
                let owed = owed_of(&world.state, instance(1), &sent, &std::mem::take(&mut touched));
                sent.note(&owed);
                deltas(&world.state, &realm(), &owed).into_iter().for_each(|delta| listener.hear(delta));
                prop_assert_eq!(&listener, &Listener::of_full_set(&world.state));
                prop_assert_eq!(super::super::owed::owed(&world.state, instance(1), &sent), Owed::default());
            }
        }
    }
}
