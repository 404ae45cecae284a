//! What holds of every placement: it is the one that a judge would choose, and `apply` takes it.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use quorate_core::command::{Asked, Reservation};
use quorate_core::documents::{PortSpec, ServiceConstraint, ServiceStrategy};
use quorate_core::ids::{ClusterName, InstanceId, TaskId};
use quorate_core::placement::{
    Constraint, Need, Over, Plan, Pool, Rules, Strategy as Choice, ZONE, place_on, why,
};
use quorate_core::{Command, Millis, Problem, State, explain, place};

use super::world::crowd::started;
use super::world::judge::{self, Case};
use super::world::{after, crowd, entry, next, wish};
use super::{config, later, world};

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn placement_agrees_with_a_judge_and_apply_takes_it(
        state in crowd::crowd(),
        need in need(),
        (rules, said) in wish::rules(),
        provider in option::weighted(0.3, world::capacity::provider()),
        seed in any::<u64>(),
        count in 0_usize..12,
    ) {
        let pool = provider.and_then(|name| Pool::of(&state, &name));
        let rules = pool.map_or(rules.clone(), |pool| rules.within(pool));
        let cluster = ClusterName::default_cluster();
        let problem = Problem { state: &state, cluster: &cluster, need: &need, group: "family:web", rules: &rules, seed, count };
        agrees(&Case { problem: &problem, said: said.as_ref() })?;
    }

    #[test]
    fn placement_agrees_with_a_judge_in_any_state(log in world::log(), cluster in world::cluster(), need in need(), count in 0_usize..8) {
        let state = after(&log);
        let rules = Rules::default();
        let problem = Problem { state: &state, cluster: &cluster, need: &need, group: "family:web", rules: &rules, seed: 0, count };
        agrees(&Case { problem: &problem, said: None })?;
    }
}

/// Many instances, on most of which the group has a task already: levels too large to be sorted.
fn throng(sizes: &[u64], mates: &[bool]) -> State {
    let mut state = State::default();
    next(&mut state, &world::beginning());
    for (number, memory_mib) in (100..).zip(sizes) {
        let mut new = world::plain(number);
        new.resources.memory_mib = *memory_mib;
        let zone = ["one", "two"][number as usize % 2];
        new.attributes.insert(ZONE.into(), zone.into());
        let register = Command::RegisterInstance(Box::new(new));
        next(&mut state, &entry(Millis(2000), number, register));
    }
    for (number, _) in (100..).zip(mates).filter(|(_, is_mate)| **is_mate) {
        let reserved = Reservation {
            memory_mib: 100,
            ..Reservation::default()
        };
        let on = InstanceId::from_u128(number);
        let tasks = vec![started(
            TaskId::from_u128(number),
            on,
            "family:web",
            reserved,
        )];
        let start = Command::StartTasks {
            token: None,
            tasks,
            asked: None,
        };
        next(&mut state, &entry(Millis(2000), number + 10_000, start));
    }
    state
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn both_ways_of_placing_agree_where_levels_are_large(
        (sizes, mates) in (100_usize..200).prop_flat_map(|count| (vec(select(vec![100_u64, 300, 400, 1000]), count), vec(prop::bool::weighted(0.9), count))),
        by_zone in any::<bool>(),
        count in 1_usize..400,
    ) {
        let state = throng(&sizes, &mates);
        prop_assert_eq!(state.check(), []);
        let host = Choice::Spread(Over::Instance);
        // Said twice, it is the same wish, but no longer one that the indexes are for.
        let zone = if by_zone { Choice::of_services() } else { Vec::new() };
        let slow = Rules { strategies: [zone.clone(), vec![host.clone(), host]].concat(), ..Rules::default() };
        let fast = Rules { strategies: zone, ..Rules::default() };
        let need = Need { memory_mib: 100, ..Need::default() };
        let cluster = ClusterName::default_cluster();
        let of = |rules| place(&Problem { state: &state, cluster: &cluster, need: &need, group: "family:web", rules, seed: 0, count });
        prop_assert_eq!(of(&slow), of(&fast));
    }
}

fn agrees(case: &Case<'_>) -> Result<(), TestCaseError> {
    let problem = case.problem;
    let plan = place(problem);
    prop_assert!(plan.placed.len() <= problem.count);
    for (number, placed) in plan.placed.iter().enumerate() {
        let earlier = &plan.placed[..number];
        prop_assert_eq!(judge::best(case, earlier), Some(placed.instance));
        prop_assert_eq!(judge::wrong_ports(problem, earlier, placed), None);
    }
    let refused: Vec<_> = plan.refused.iter().map(|one| one.instance).collect();
    if plan.placed.len() < problem.count {
        prop_assert_eq!(judge::best(case, &plan.placed), None);
        prop_assert_eq!(refused, judge::asked(problem));
    } else {
        prop_assert_eq!(refused, []);
    }
    for instance in problem.state.instances() {
        let is_here = instance.cluster == *problem.cluster;
        let fits = place_on(problem, instance).is_ok();
        prop_assert!(!is_here || fits == judge::takes(case, instance));
    }
    explained(problem, &plan)?;
    apply_takes(problem, &plan)
}

/// `why` tells of the placement that is really made, leaves no instance out, and says of those that took nothing what `place` says.
fn explained(problem: &Problem<'_>, plan: &Plan) -> Result<(), TestCaseError> {
    let why = why(problem);
    let mut told: Vec<_> = why.rows.iter().map(|row| row.instance).collect();
    told.sort();
    prop_assert_eq!(told, judge::asked(problem));
    let one = place(&Problem {
        count: 1,
        ..*problem
    });
    let chosen = one.placed.first().map(|placed| placed.instance);
    prop_assert_eq!(why.winner.map(|winner| winner.instance), chosen);
    prop_assert!(problem.count == 0 || plan.placed.first() == one.placed.first());
    let refused: BTreeMap<_, _> = why
        .rows
        .iter()
        .filter_map(|row| Some((row.instance, row.verdict.as_ref().err()?)))
        .collect();
    let said: BTreeMap<_, _> = one
        .refused
        .iter()
        .map(|one| (one.instance, &one.why))
        .collect();
    prop_assert!(chosen.is_some() || refused == said);
    let fitting: Vec<_> = why
        .rows
        .iter()
        .filter_map(|row| row.verdict.as_ref().ok())
        .collect();
    prop_assert!(fitting.is_sorted());
    prop_assert_eq!(
        why.winner.and_then(|winner| winner.over),
        fitting.get(1).map(|score| score.id)
    );
    Ok(())
}

pub(crate) fn need() -> impl Strategy<Value = Need> {
    let port = (world::port(), any::<bool>()).prop_map(|(host, is_dynamic)| PortSpec {
        container_port: 80,
        host_port: if is_dynamic { 0 } else { host.port },
        protocol: host.protocol,
        name: None,
    });
    let attribute = prop_oneof![Just("gpu".to_owned()), Just("arm".to_owned())];
    let gpus = prop_oneof![3 => Just(0_u64), 1 => 1_u64..3];
    let attributes = prop_oneof![3 => Just(Vec::new()), 1 => vec(attribute, 0..2)];
    let parts = (0_u64..300, 0_u64..300, gpus, vec(port, 0..3), attributes);
    parts.prop_map(|(cpu_units, memory_mib, gpus, ports, attributes)| Need {
        cpu_units,
        memory_mib,
        gpus,
        ports,
        attributes,
    })
}

/// What was placed fits, by the rules of `apply`.
fn apply_takes(problem: &Problem<'_>, plan: &Plan) -> Result<(), TestCaseError> {
    let (state, need) = (problem.state, problem.need);
    let is_usable = |state: &State| {
        let cluster = state.cluster(problem.cluster)?;
        let definition = state.definition(&"web:1".parse().ok()?)?;
        Some(cluster.status.as_str() == "ACTIVE" && definition.status.as_str() == "ACTIVE")
    };
    if is_usable(state) != Some(true) {
        return Ok(());
    }
    let tasks = (1000..)
        .zip(&plan.placed)
        .map(|(number, placed): (u128, _)| {
            let instance: InstanceId = placed.instance;
            let reserved = Reservation {
                cpu_units: need.cpu_units,
                memory_mib: need.memory_mib,
                gpus: need.gpus,
                ports: placed.ports.clone(),
            };
            let id = TaskId::from_u128(number << 64);
            let mut new = started(id, instance, problem.group, reserved);
            new.cluster.clone_from(problem.cluster);
            new
        });
    let tasks: Vec<_> = tasks.collect();
    let ids: Vec<TaskId> = tasks.iter().map(|new| new.id).collect();
    let asked = Some(Box::new(asked(problem)));
    let start = Command::StartTasks {
        token: None,
        tasks,
        asked,
    };
    let start = entry(later(state), 0, start);
    let (before, mut state) = (state, state.clone());
    let applied = next(&mut state, &start);
    prop_assert!(applied.outcomes[0].is_ok(), "{:?}", applied.outcomes);
    prop_assert_eq!(state.check(), []);
    // Ports and attributes are asked of the definition later, and this one has none; nor has the task a provider.
    let of_provider = |one: &Constraint| matches!(one, Constraint::Capacity(_));
    let is_of_provider = problem.rules.constraints.iter().any(of_provider);
    if need.ports.is_empty() && need.attributes.is_empty() && !is_of_provider {
        for (id, placed) in ids.iter().zip(&plan.placed) {
            let index = state.applied_index();
            let told = explain::decided(before, index, &start, id).unwrap();
            let winner = told.why.winner.map(|winner| winner.instance);
            prop_assert_eq!(winner, Some(placed.instance));
        }
    }
    Ok(())
}

/// What a call says that asks for this.
fn asked(problem: &Problem<'_>) -> Asked {
    let constraint = |one: &Constraint| match one {
        Constraint::DistinctInstance => Some(("distinctInstance", String::new())),
        Constraint::MemberOf(expression) => Some(("memberOf", expression.to_string())),
        Constraint::Capacity(_) => None,
    };
    let constraints = problem.rules.constraints.iter().filter_map(constraint);
    let constraints = constraints.map(|(kind, expression)| ServiceConstraint {
        kind: kind.to_owned(),
        expression,
    });
    let strategies = problem.rules.strategies.iter().map(|one| {
        let text = one.to_string();
        let (kind, field) = text.split_once('(').unwrap_or((&text, ""));
        ServiceStrategy {
            kind: kind.to_owned(),
            field: field.trim_end_matches(')').to_owned(),
        }
    });
    Asked {
        constraints: constraints.collect(),
        strategies: strategies.collect(),
        seed: problem.seed,
        is_named: false,
    }
}
