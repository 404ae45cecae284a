//! Filters, in ECS's order: can this instance take the task at all, and with which host ports?

use std::collections::BTreeSet;
use std::fmt;

use quorate_bugs::{Bug, is_seeded};

use super::expression::{Expression, Facts};
use super::pool::Pool;
use super::problem::{Candidate, Need, Problem};
use super::rules::Constraint;
use crate::documents::{PortSpec, Protocol};
use crate::state::{HostPort, InstanceStatus};

/// Why an instance does not take a task. Printed as ECS's failure reason (RunTask, StartTask).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not of the capacity provider.
    Capacity(Pool),
    /// It is DRAINING or INACTIVE.
    NotActive,
    /// Its agent is not connected.
    AgentDisconnected,
    /// It came back with less than its tasks hold.
    Overcommitted,
    /// Too little CPU.
    Cpu,
    /// Too little memory.
    Memory,
    /// A host port is taken, or no dynamic one is left.
    Ports(Protocol),
    /// Too few GPUs.
    Gpu,
    /// It lacks this attribute.
    Attribute(String),
    /// The expression of a `memberOf` constraint does not hold of it.
    MemberOf(Expression),
    /// It has a task of the group already.
    DistinctInstance,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capacity(_) => "CapacityProvider placement constraint unsatisfied.",
            Self::NotActive => "INACTIVE",
            Self::AgentDisconnected => "AGENT",
            Self::Overcommitted | Self::Memory => "RESOURCE:MEMORY",
            Self::Cpu => "RESOURCE:CPU",
            Self::Ports(_) => "RESOURCE:PORTS",
            Self::Gpu => "RESOURCE:GPU",
            Self::Attribute(_) => "ATTRIBUTE",
            Self::MemberOf(_) => "MemberOf placement constraint unsatisfied.",
            Self::DistinctInstance => "DistinctInstance placement constraint unsatisfied.",
        })
    }
}

/// The host ports the task would get here, or the first reason against it.
///
/// What it says never changes back within a plan: an instance that takes no more is not asked again.
pub(super) fn fit(
    problem: &Problem<'_>,
    candidate: &Candidate<'_>,
) -> Result<Vec<HostPort>, Refusal> {
    let need = problem.need;
    check_pool(problem, candidate)?;
    check_agent(candidate)?;
    check_resources(candidate, need)?;
    let ports = host_ports(candidate, &need.ports)?;
    check_constraints(problem, candidate)?;
    Ok(ports)
}

/// Whether provider, agent, attributes and amounts allow one more task: what can be said cheaply of every instance.
pub(super) fn has_room(problem: &Problem<'_>, candidate: &Candidate<'_>) -> bool {
    check_pool(problem, candidate).is_ok()
        && check_agent(candidate).is_ok()
        && check_resources(candidate, problem.need).is_ok()
}

/// Comes first: what other instances lack is no reason.
fn check_pool(problem: &Problem<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    for constraint in &problem.rules.constraints {
        match constraint {
            Constraint::Capacity(pool) if !pool.has(candidate.instance) => {
                return Err(Refusal::Capacity(pool.clone()));
            }
            Constraint::Capacity(_) | Constraint::DistinctInstance | Constraint::MemberOf(_) => {}
        }
    }
    Ok(())
}

fn check_agent(candidate: &Candidate<'_>) -> Result<(), Refusal> {
    let instance = candidate.instance;
    if instance.status != InstanceStatus::Active && !is_seeded(Bug::DrainedTakesTasks) {
        return Err(Refusal::NotActive);
    }
    if !instance.connected {
        return Err(Refusal::AgentDisconnected);
    }
    if instance.is_overcommitted {
        return Err(Refusal::Overcommitted);
    }
    Ok(())
}

fn check_resources(candidate: &Candidate<'_>, need: &Need) -> Result<(), Refusal> {
    let mut names = need.attributes.iter();
    if let Some(missing) = names.find(|name| candidate.instance.attribute(name).is_none()) {
        return Err(Refusal::Attribute(missing.clone()));
    }
    if candidate.cpu_units_free < need.cpu_units {
        return Err(Refusal::Cpu);
    }
    if candidate.memory_mib_free < need.memory_mib {
        return Err(Refusal::Memory);
    }
    if candidate.gpus_free < need.gpus {
        return Err(Refusal::Gpu);
    }
    Ok(())
}

fn check_constraints(problem: &Problem<'_>, candidate: &Candidate<'_>) -> Result<(), Refusal> {
    let facts = Facts {
        state: problem.state,
        instance: candidate.instance,
        planned: (candidate.planned > 0).then_some(problem.group),
    };
    for constraint in &problem.rules.constraints {
        match constraint {
            Constraint::DistinctInstance if candidate.same_group > 0 => {
                return Err(Refusal::DistinctInstance);
            }
            Constraint::MemberOf(expression) if !expression.holds(&facts) => {
                return Err(Refusal::MemberOf(expression.clone()));
            }
            Constraint::DistinctInstance | Constraint::MemberOf(_) | Constraint::Capacity(_) => {}
        }
    }
    Ok(())
}

/// Static ports as asked, then dynamic ones: the next free behind the port that was given last.
fn host_ports(candidate: &Candidate<'_>, wanted: &[PortSpec]) -> Result<Vec<HostPort>, Refusal> {
    let mut mine: BTreeSet<HostPort> = BTreeSet::new();
    for spec in wanted.iter().filter(|spec| spec.host_port != 0) {
        let port = HostPort {
            protocol: spec.protocol,
            port: spec.host_port,
        };
        if is_taken(candidate, port) || !mine.insert(port) {
            return Err(Refusal::Ports(spec.protocol));
        }
    }
    let mut cursor = candidate.cursor;
    let mut ports = Vec::with_capacity(wanted.len());
    for spec in wanted {
        if spec.host_port != 0 {
            ports.push(HostPort {
                protocol: spec.protocol,
                port: spec.host_port,
            });
            continue;
        }
        let port = next_free(candidate, &mine, spec.protocol, cursor)
            .ok_or(Refusal::Ports(spec.protocol))?;
        cursor = port.port;
        mine.insert(port);
        ports.push(port);
    }
    Ok(ports)
}

fn next_free(
    candidate: &Candidate<'_>,
    mine: &BTreeSet<HostPort>,
    protocol: Protocol,
    cursor: u16,
) -> Option<HostPort> {
    let range = candidate.instance.dynamic_ports;
    let mut port = cursor;
    for _ in 0..range.count() {
        port = range.after(port);
        let host = HostPort { protocol, port };
        if !mine.contains(&host) && !is_taken(candidate, host) {
            return Some(host);
        }
    }
    None
}

fn is_taken(candidate: &Candidate<'_>, port: HostPort) -> bool {
    let instance = candidate.instance;
    instance.registered.ports.contains(&port)
        || instance.reserved.ports.contains(&port)
        || candidate.ports_taken.contains(&port)
}
