//! A judge of placements that is dumber than the engine: it walks through all tasks each time and trusts no sum or index.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use quorate_core::placement::{Need, Placement};
use quorate_core::state::{HostPort, Instance, InstanceStatus, Task, TaskStatus};
use quorate_core::{Problem, State};

/// What is on an instance: the state's tasks, and those the plan has put there before.
struct Load {
    cpu_units: u64,
    memory_mib: u64,
    ports: BTreeSet<HostPort>,
    mates: usize,
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
        ports,
        mates: mine.len()
            + tasks
                .iter()
                .filter(|task| task.group == problem.group)
                .count(),
    }
}

/// Whether one more task fits, and how it compares with other instances.
fn score(
    problem: &Problem<'_>,
    instance: &Instance,
    earlier: &[Placement],
) -> Option<impl Ord + use<>> {
    let Need {
        cpu_units,
        memory_mib,
        ports,
        attributes,
    } = problem.need;
    let load = load(problem, instance, earlier);
    let has = &instance.registered;
    // More is held than there is: nothing may be added, however little it asks for.
    let held = load.cpu_units <= has.cpu_units && load.memory_mib <= has.memory_mib;
    let fits = load.cpu_units + cpu_units <= has.cpu_units
        && load.memory_mib + memory_mib <= has.memory_mib;
    let is_able = instance.status == InstanceStatus::Active
        && instance.connected
        && attributes
            .iter()
            .all(|name| instance.attributes.keys().any(|has| has == name));
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
    (held && fits && is_able && fixed_fit && dynamic_fit).then(|| {
        let memory_left = has.memory_mib - load.memory_mib - memory_mib;
        let cpu_left = has.cpu_units - load.cpu_units - cpu_units;
        (
            load.mates,
            Reverse(memory_left),
            Reverse(cpu_left),
            instance.id,
        )
    })
}

/// The instance that the next task must go to.
pub(crate) fn best(
    problem: &Problem<'_>,
    earlier: &[Placement],
) -> Option<quorate_core::ids::InstanceId> {
    let all = problem
        .state
        .instances()
        .filter(|instance| instance.cluster == *problem.cluster);
    let fitting =
        all.filter_map(|instance| Some((score(problem, instance, earlier)?, instance.id)));
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
