//! I7: once nothing is broken any more, a service has what it should have, all of it healthy and of one deployment that is complete; or what it
//! waits for can be named: room, a hook, protection, percentages that leave no step, tasks that end by themselves. Judged by what is there, not
//! by what the service says.

use quorate_core::State;
use quorate_core::documents::{Launch, Overrides, Scheduling};
use quorate_core::ids::InstanceId;
use quorate_core::placement::{Expression, Facts};
use quorate_core::state::health::is_healthy;
use quorate_core::state::{
    Deployment, DesiredStatus, Health, HostPort, Instance, InstanceStatus, Rollout, Service,
    ServiceStatus, StopCode, Task, TaskStatus,
};

/// A task that ended this long ago still tells how its kind does.
const LATELY_MS: u64 = 15_000;
/// Nobody waits for the end of a gap between starts that is longer.
const GAP_WAITED_FOR_MS: u64 = 40_000;
/// A task of a service whose tasks end by themselves may be on its way for so long.
const ON_ITS_WAY_MS: u64 = 30_000;

/// What the service lacks and does not wait for.
pub(super) fn lacking(state: &State, service: &Service) -> Option<String> {
    let what = match service.status {
        ServiceStatus::Inactive => None,
        ServiceStatus::Draining => Some("is still DRAINING".to_owned()),
        ServiceStatus::Active => Supply::of(state, service)?.lacking(),
    };
    what.map(|what| format!("service {} {what}", service.key))
}

/// Whether the task is one of those that come and go, because its service's tasks do not live.
pub(super) fn comes_and_goes(state: &State, task: &Task) -> bool {
    let service = task.service_key().and_then(|key| state.service(&key));
    let since = task.stopping_at.unwrap_or(task.created_at);
    let is_short = state.now().since_ms(since) < ON_ITS_WAY_MS;
    let primary = service.and_then(|one| Some((one, one.primary()?)));
    is_short && primary.is_some_and(|(service, one)| is_failing(state, service, one))
}

/// Whether tasks of the deployment ended by themselves lately.
fn is_failing(state: &State, service: &Service, deployment: &Deployment) -> bool {
    let mut tasks = state.tasks_of(&service.key);
    tasks.any(|task| {
        let member = task.service.as_ref();
        let is_ours = member.is_some_and(|member| member.deployment == deployment.id);
        let ended_at = task.stopped_at.or(task.stopping_at);
        let is_late = ended_at.is_some_and(|at| state.now().since_ms(at) < LATELY_MS);
        let by_itself = match task.stop_code {
            Some(StopCode::EssentialContainerExited | StopCode::TaskFailedToStart) => true,
            Some(StopCode::ServiceSchedulerInitiated) => task.health() == Health::Unhealthy,
            _ => task.desired == DesiredStatus::Running && task.health() == Health::Unhealthy,
        };
        is_ours && by_itself && (is_late || ended_at.is_none())
    })
}

/// An ACTIVE service, counted.
struct Supply<'a> {
    state: &'a State,
    service: &'a Service,
    primary: &'a Deployment,
    live: Vec<&'a Task>,
}

impl<'a> Supply<'a> {
    fn of(state: &'a State, service: &'a Service) -> Option<Self> {
        Some(Self {
            state,
            service,
            primary: service.primary()?,
            live: state.live_tasks_of(&service.key).collect(),
        })
    }

    fn lacking(&self) -> Option<String> {
        let record = self.state.service_deployment(self.primary.id);
        let waits_at_hook = record.is_some_and(|one| one.waits_at().is_some());
        let has_failed = self.primary.rollout == Rollout::Failed;
        if waits_at_hook || has_failed || self.is_in_a_gap() {
            return None;
        }
        // Whoever is not looked at any more has to have what it wants, whatever its tasks did before.
        let is_looked_at = self.service.look_at.is_some();
        if is_looked_at && is_failing(self.state, self.service, self.primary) {
            return None;
        }
        if let Some(wrong) = self.miscounted() {
            return Some(wrong);
        }
        let (missing, surplus) = self.difference();
        let leaving: Vec<&Task> = self.leaving().collect();
        if missing == 0 && surplus.is_empty() && leaving.is_empty() {
            return self.unfinished();
        }
        self.has_a_step(missing, surplus.iter().chain(&leaving))
    }

    /// A DAEMON wants as many tasks as there are instances for it.
    fn miscounted(&self) -> Option<String> {
        let (counted, found) = (self.service.spec.desired_count, self.meant().count() as u64);
        let is_daemon = self.service.spec.scheduling == Scheduling::Daemon;
        (is_daemon && counted != found).then(|| format!("counts {counted} instances of {found}"))
    }

    fn is_wanted(&self, task: &Task) -> bool {
        let member = task.service.as_ref();
        task.desired == DesiredStatus::Running
            && member.is_some_and(|member| member.deployment == self.primary.id)
            && (self.state.instance(&task.instance))
                .is_some_and(|one| one.status == InstanceStatus::Active)
    }

    /// Tasks that are to be replaced.
    fn leaving(&self) -> impl Iterator<Item = &'a Task> {
        let leaving = self.live.iter().filter(|task| !self.is_wanted(task));
        leaving.filter(|task| !self.goes_last(task)).copied()
    }

    /// A DAEMON's task on an instance that is drained stays as long as a task of a REPLICA service does.
    fn goes_last(&self, task: &Task) -> bool {
        let is_daemon = self.service.spec.scheduling == Scheduling::Daemon;
        let mut others = self.state.live_tasks_on(&task.instance);
        is_daemon
            && others.any(|other| {
                let key = other.service_key();
                let service = key.and_then(|key| self.state.service(&key));
                service.is_some_and(|one| one.spec.scheduling == Scheduling::Replica)
            })
    }

    /// How many tasks are missing, and which are too many.
    fn difference(&self) -> (u64, Vec<&'a Task>) {
        let wanted: Vec<&Task> = (self.live.iter().copied())
            .filter(|task| self.is_wanted(task))
            .collect();
        match self.service.spec.scheduling {
            Scheduling::Replica => {
                let desired =
                    usize::try_from(self.service.spec.desired_count).unwrap_or(usize::MAX);
                let missing = desired.saturating_sub(wanted.len()) as u64;
                let is_surplus = wanted.len() > desired;
                (missing, if is_surplus { wanted } else { Vec::new() })
            }
            Scheduling::Daemon => {
                let meant: Vec<InstanceId> = self.meant().map(|one| one.id).collect();
                let has = |id: &InstanceId| wanted.iter().any(|task| task.instance == *id);
                let missing = meant.iter().filter(|id| !has(id)).count() as u64;
                let is_surplus = |task: &&Task| {
                    let here = wanted.iter().filter(|one| one.instance == task.instance);
                    !meant.contains(&task.instance) || here.count() > 1
                };
                (missing, wanted.iter().copied().filter(is_surplus).collect())
            }
        }
    }

    /// Instances that a DAEMON is meant for.
    fn meant(&self) -> impl Iterator<Item = &'a Instance> {
        let live = self.state.instances_in(&self.service.key.cluster);
        live.filter(|one| one.status == InstanceStatus::Active)
            .filter(|one| self.is_meant_for(one))
    }

    fn is_meant_for(&self, instance: &Instance) -> bool {
        let Some(definition) = self.state.definition(&self.primary.definition) else {
            return false;
        };
        let constraints = self.service.spec.constraints.iter();
        let of_service = constraints.filter(|one| one.kind == "memberOf");
        let expressions = of_service.map(|one| &one.expression);
        let mut expressions = expressions.chain(&definition.spec.member_of);
        let facts = Facts {
            state: self.state,
            instance,
            planned: None,
        };
        let mut required = definition.spec.requires_attributes.iter();
        required.all(|name| instance.attribute(name).is_some())
            && expressions.all(|text| Expression::parse(text).is_ok_and(|one| one.holds(&facts)))
    }

    /// Whether the instance takes one more task.
    fn fits(&self, instance: &Instance) -> bool {
        let Some(definition) = self.state.definition(&self.primary.definition) else {
            return false;
        };
        let launch = Launch::new(&definition.spec, &Overrides::default());
        let ports = launch.containers.iter().flat_map(|one| &one.ports);
        let mut fixed = ports.filter(|port| port.host_port != 0);
        let is_taken = |port: &HostPort| {
            instance.registered.ports.contains(port) || instance.reserved.ports.contains(port)
        };
        let constraints = &self.service.spec.constraints;
        let is_distinct = constraints.iter().any(|one| one.kind == "distinctInstance");
        let is_daemon = self.service.spec.scheduling == Scheduling::Daemon;
        let mut here = self.live.iter().filter(|one| one.instance == instance.id);
        let is_served = here.clone().any(|task| self.is_wanted(task));
        instance.status == InstanceStatus::Active
            && instance.connected
            && !instance.is_overcommitted
            && instance.cpu_units_free() >= launch.cpu_reserved()
            && instance.memory_mib_free() >= launch.memory_reserved()
            && instance.gpus_free() >= launch.gpus_reserved()
            && !fixed.any(|port| {
                is_taken(&HostPort {
                    protocol: port.protocol,
                    port: port.host_port,
                })
            })
            && !(is_distinct && here.next().is_some())
            && !(is_daemon && is_served)
            && self.is_meant_for(instance)
    }

    /// All is there: it has to be healthy, and the deployment complete.
    fn unfinished(&self) -> Option<String> {
        let now = self.state.now();
        let ailing = |task: &&&Task| self.is_wanted(task) && !is_healthy(task, now);
        if let Some(task) = self.live.iter().find(ailing) {
            let last = task.last.as_str();
            return Some(format!("has task {}, {last} and not healthy", task.id));
        }
        let rollout = self.primary.rollout;
        let waits = rollout != Rollout::Completed || self.service.deployments.len() > 1;
        // A DAEMON's last tasks on instances that are drained are still of older deployments.
        let lingers = self.live.iter().any(|task| !self.is_wanted(task));
        (waits && !lingers).then(|| {
            format!(
                "has all that it should, and deployment {} of {} is {}",
                self.primary.id,
                self.service.deployments.len(),
                rollout.as_str()
            )
        })
    }

    /// Whether there is something that could be done.
    fn has_a_step<'t>(
        &self,
        missing: u64,
        too_many: impl Iterator<Item = &'t &'t Task>,
    ) -> Option<String> {
        let spec = &self.service.spec;
        let has_room = (self.live.len() as u64) < spec.running_max();
        let mut live = self.state.instances_in(&self.service.key.cluster);
        if missing > 0 && has_room && live.any(|instance| self.fits(instance)) {
            return Some(format!("lacks {missing} tasks for which there is room"));
        }
        let now = self.state.now();
        let healthy = self
            .live
            .iter()
            .filter(|task| is_healthy(task, now))
            .count() as u64;
        let mut free = too_many.filter(|task| !task.is_protected(now));
        let task =
            free.find(|task| !is_healthy(task, now) || healthy > self.service.spec.healthy_min())?;
        Some(format!("could stop task {} and does not", task.id))
    }

    /// Tasks failed so often that the next have to wait: for longer than a run does.
    fn is_in_a_gap(&self) -> bool {
        let failed = self.primary.failed_in_row;
        let rounds = failed.div_ceil(self.service.spec.desired_count.max(1));
        let gap_ms = 10_000_u64.saturating_mul(1 << rounds.saturating_sub(1).min(20));
        let mut live = self.live.iter();
        let is_starting = live.any(|task| task.last < TaskStatus::Running);
        failed > 0 && gap_ms > GAP_WAITED_FOR_MS && !is_starting
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::ids::TaskId;

    use super::super::tests::stage::Stage;

    /// A service of one task, without it.
    fn peace() -> Stage {
        let mut stage = Stage::at_peace("I7 convergence");
        stage.create_service("s0", (1, 100, 200));
        stage
    }

    fn run_one(stage: &mut Stage) -> TaskId {
        let task = stage.step("s0", 1, &[]).remove(0);
        stage.observe_running(task);
        stage.wait_s(60);
        stage.step("s0", 0, &[]);
        task
    }

    #[test]
    fn a_service_that_has_what_it_wants_is_right() {
        let mut stage = peace();
        run_one(&mut stage);
        stage.complete("s0");
        stage.end_in_peace().assert_kept();
    }

    #[test]
    fn a_task_that_is_missing_while_there_is_room_is_found() {
        let stage = peace();
        stage.end_in_peace().assert_broken("lacks 1 tasks");
        let mut stage = peace();
        stage.constrain("s0", "memberOf", "attribute:rack == r1");
        stage.end_in_peace().assert_kept();
    }

    #[test]
    fn a_task_too_many_is_found() {
        let mut stage = peace();
        run_one(&mut stage);
        stage.complete("s0");
        run_one(&mut stage);
        stage.end_in_peace().assert_broken("could stop task");
    }

    #[test]
    fn a_deployment_that_is_never_complete_is_found() {
        let mut stage = peace();
        run_one(&mut stage);
        stage.end_in_peace().assert_broken("is IN_PROGRESS");
    }

    #[test]
    fn a_daemon_that_does_not_count_its_instances_is_found() {
        let mut stage = peace();
        stage.make_daemon("s0");
        stage.scale("s0", 2);
        stage
            .end_in_peace()
            .assert_broken("counts 2 instances of 1");
    }

    #[test]
    fn a_service_that_never_ends_is_found() {
        let mut stage = peace();
        stage.delete_service("s0");
        stage.end_in_peace().assert_broken("is still DRAINING");
    }
}
