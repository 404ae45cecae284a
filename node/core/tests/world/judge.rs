//! A judge of placements that is dumber than the engine: it walks through all tasks each time and trusts no sum or index.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use quorate_core::placement::{
    Constraint, GROUP, Measure, Need, Over, PROVIDER, Placement, Strategy, lot,
};
use quorate_core::state::{HostPort, Instance, InstanceStatus, Task, TaskStatus};
use quorate_core::{Problem, State};

use super::wish::Said;

/// A problem, and its expression as the judge reads it.
pub(crate) struct Case<'a> {
    pub(crate) problem: &'a Problem<'a>,
    pub(crate) said: Option<&'a Said>,
}

/// What is on an instance: the state's tasks, and those the plan has put there before.
struct Load {
    cpu_units: u64,
    memory_mib: u64,
    gpus: u64,
    ports: BTreeSet<HostPort>,
    mates: usize,
    planned: usize,
}

fn load(problem: &Problem<'_>, instance: &Instance, earlier: &[Placement]) -> Load {
    let lives = |task: &&Task| task.instance == instance.id && task.last != TaskStatus::Stopped;
    let tasks: Vec<&Task> = problem.state.tasks().filter(lives).collect();
    let mine: Vec<&Placement> = earlier
        .iter()
        .filter(|one| one.instance == instance.id)
        .collect();
    let count = mine.len() as u64;
    let mut ports = instance.registered.ports.clone();
    ports.extend(
        tasks
            .iter()
            .flat_map(|task| task.reserved.ports.iter().copied()),
    );
    ports.extend(mine.iter().flat_map(|one| one.ports.iter().copied()));
    Load {
        cpu_units: tasks
            .iter()
            .map(|task| task.reserved.cpu_units)
            .sum::<u64>()
            + count * problem.need.cpu_units,
        memory_mib: tasks
            .iter()
            .map(|task| task.reserved.memory_mib)
            .sum::<u64>()
            + count * problem.need.memory_mib,
        gpus: tasks.iter().map(|task| task.reserved.gpus).sum::<u64>() + count * problem.need.gpus,
        ports,
        planned: mine.len(),
        mates: mine.len()
            + tasks
                .iter()
                .filter(|task| task.group == problem.group)
                .count(),
    }
}

/// Whether one more task fits, and how it compares with other instances.
fn score(case: &Case<'_>, instance: &Instance, earlier: &[Placement]) -> Option<impl Ord + use<>> {
    let problem = case.problem;
    let Need {
        cpu_units,
        memory_mib,
        gpus,
        ports,
        attributes,
    } = problem.need;
    let load = load(problem, instance, earlier);
    let has = &instance.registered;
    // More is held than there is: nothing may be added, however little it asks for.
    let held = load.cpu_units <= has.cpu_units
        && load.memory_mib <= has.memory_mib
        && load.gpus <= has.gpus;
    let fits = load.cpu_units + cpu_units <= has.cpu_units
        && load.memory_mib + memory_mib <= has.memory_mib
        && load.gpus + gpus <= has.gpus;
    let is_able = instance.status == InstanceStatus::Active
        && instance.connected
        && attributes
            .iter()
            .all(|name| value(instance, name).is_some());
    let is_alone = !problem
        .rules
        .constraints
        .contains(&Constraint::DistinctInstance)
        || load.mates == 0;
    let is_of_provider = problem.rules.constraints.iter().all(|one| match one {
        Constraint::Capacity(pool) => is_of(&pool.to_string(), instance),
        Constraint::DistinctInstance | Constraint::MemberOf(_) => true,
    });
    let mate = (load.planned > 0).then_some(problem.group);
    let is_member = case
        .said
        .is_none_or(|said| said.holds(problem.state, instance, mate));
    let chosen: Vec<u64> = problem
        .rules
        .strategies
        .iter()
        .map(|strategy| match strategy {
            Strategy::Spread(Over::Instance) => load.mates as u64,
            Strategy::Spread(Over::Attribute(name)) => {
                crowd_at(problem, earlier, name, value(instance, name))
            }
            Strategy::Binpack(Measure::Cpu) => has.cpu_units.saturating_sub(load.cpu_units),
            Strategy::Binpack(Measure::Memory) => has.memory_mib.saturating_sub(load.memory_mib),
            Strategy::Random => lot(problem.seed, instance.id, load.planned as u32),
        })
        .collect();
    let mut taken = load.ports;
    let mut fixed = ports.iter().filter(|spec| spec.host_port != 0);
    let fixed_fit = fixed.all(|spec| {
        taken.insert(HostPort {
            protocol: spec.protocol,
            port: spec.host_port,
        })
    });
    let range = instance.dynamic_ports.first..=instance.dynamic_ports.last;
    let dynamic_fit = ports.iter().filter(|spec| spec.host_port == 0).all(|spec| {
        let free = range.clone().find(|port| {
            !taken.contains(&HostPort {
                protocol: spec.protocol,
                port: *port,
            })
        });
        free.is_some_and(|port| {
            taken.insert(HostPort {
                protocol: spec.protocol,
                port,
            })
        })
    });
    let can = held && fits && is_able && is_of_provider && fixed_fit && dynamic_fit;
    (can && is_alone && is_member).then(|| {
        let memory_left = has.memory_mib - load.memory_mib - memory_mib;
        let cpu_left = has.cpu_units - load.cpu_units - cpu_units;
        (
            chosen,
            load.mates,
            Reverse(memory_left),
            Reverse(cpu_left),
            instance.id,
        )
    })
}

/// Whether an instance is a provider's: as it is marked; where it is not, it is FARGATE's. The world's provider `one` has group `two`.
pub(crate) fn is_of(provider: &str, instance: &Instance) -> bool {
    let mark = |name| value(instance, name).filter(|value| !value.is_empty());
    match (mark(PROVIDER), mark(GROUP)) {
        (Some(marked), _) => marked == provider,
        (None, Some(group)) => provider == "one" && group == "two",
        (None, None) => provider == "FARGATE",
    }
}

fn value<'a>(instance: &'a Instance, name: &str) -> Option<&'a str> {
    let mut all = instance
        .custom_attributes
        .iter()
        .chain(instance.attributes.iter());
    all.find(|(has, _)| *has == name)
        .map(|(_, value)| value.as_str())
}

/// How many tasks of the group are on instances with that value; no attribute is an empty one.
fn crowd_at(problem: &Problem<'_>, earlier: &[Placement], name: &str, wanted: Option<&str>) -> u64 {
    let mut count = 0;
    for instance in problem.state.instances() {
        if instance.cluster == *problem.cluster
            && value(instance, name).unwrap_or("") == wanted.unwrap_or("")
        {
            count += load(problem, instance, earlier).mates as u64;
        }
    }
    count
}

/// Whether one task fits on an instance.
pub(crate) fn takes(case: &Case<'_>, instance: &Instance) -> bool {
    score(case, instance, &[]).is_some()
}

/// The instance that the next task must go to.
pub(crate) fn best(
    case: &Case<'_>,
    earlier: &[Placement],
) -> Option<quorate_core::ids::InstanceId> {
    let all = case
        .problem
        .state
        .instances()
        .filter(|instance| instance.cluster == *case.problem.cluster);
    let fitting = all.filter_map(|instance| Some((score(case, instance, earlier)?, instance.id)));
    fitting.min_by(|a, b| a.0.cmp(&b.0)).map(|(_, id)| id)
}

/// What is wrong with the ports that a placement gives.
pub(crate) fn wrong_ports(
    problem: &Problem<'_>,
    earlier: &[Placement],
    given: &Placement,
) -> Option<String> {
    let instance = problem.state.instance(&given.instance)?;
    let mut taken = load(problem, instance, earlier).ports;
    if given.ports.len() != problem.need.ports.len() {
        return Some(format!(
            "{} ports for {}",
            given.ports.len(),
            problem.need.ports.len()
        ));
    }
    let pairs = problem.need.ports.iter().zip(&given.ports);
    let wrong = pairs.filter(|(asked, port)| {
        let is_asked = asked.protocol == port.protocol
            && (asked.host_port == 0 || asked.host_port == port.port);
        let range = instance.dynamic_ports.first..=instance.dynamic_ports.last;
        let in_range = asked.host_port != 0 || range.contains(&port.port);
        !(is_asked && in_range && taken.insert(**port))
    });
    wrong
        .map(|(asked, port)| format!("{asked:?} got {port:?}"))
        .next()
}

/// The instances that must be told why they take no more, in order.
pub(crate) fn asked(problem: &Problem<'_>) -> Vec<quorate_core::ids::InstanceId> {
    let state: &State = problem.state;
    let live = state
        .instances()
        .filter(|one| one.cluster == *problem.cluster && one.status != InstanceStatus::Inactive);
    live.map(|instance| instance.id).collect()
}
