//! Why tasks are where they are: the problem that placed a task, put together again from the state before the command that started it,
//! and asked with `why`. Only what nobody remembers any more is asked of the state as it is now.

use std::collections::BTreeMap;

use crate::apply;
use crate::command::{
    Asked, Command, Entry, Item, NewTask, QueueStep, Reservation, ServiceStep, TaskObserved, Wish,
};
use crate::documents::{Launch, Overrides};
use crate::duties::services::explain::{Earlier, why_next};
use crate::ids::{
    ClusterName, DefinitionId, InstanceId, ProviderName, RequestId, ServiceKey, TaskId,
};
use crate::placement::{Need, Pool, Problem, Rules, Why, why_after};
use crate::state::{State, Task, TaskStatus, WaitingTask};

/// What speaks for and against each instance, and by which rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// A row for each instance, and where placement puts the task.
    pub why: Why,
    /// The rules it was held to, those of the definition included.
    pub rules: Rules,
    /// What the task runs.
    pub definition: DefinitionId,
    /// Who chose the instance.
    pub chooser: Chooser,
}

/// Who chooses an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chooser {
    /// Placement, by the rules.
    Placement,
    /// The caller (StartTask).
    Caller,
    /// Nobody: a DAEMON has one task on each instance that it is meant for.
    Daemon,
    /// It is not known any more; the rules are those of the definition alone.
    Unknown,
}

/// The tasks that a command starts, if it is carried out.
pub fn started(command: &Command) -> impl Iterator<Item = &NewTask> {
    let alone = match command {
        Command::StartTasks { tasks, .. } | Command::QueueTasks { tasks, .. } => tasks.as_slice(),
        Command::PlaceTasks(step) => step.tasks.as_slice(),
        _ => &[],
    };
    let of_service = match command {
        Command::StepService(step) => step.start.as_slice(),
        _ => &[],
    };
    alone
        .iter()
        .chain(of_service.iter().map(|start| &start.task))
}

/// Why the entry at `index` started a task where it did. `before` is the state that the entry found; the commands in front of the one that
/// started the task are carried out on a copy of it. `None` if the entry did not start it.
#[must_use]
pub fn decided(before: &State, index: u64, entry: &Entry, task: &TaskId) -> Option<Explained> {
    let starts = |item: &Item| started(&item.command).any(|new| new.id == *task);
    let place = entry.items.iter().position(starts)?;
    let mut state = before.clone();
    let earlier = Entry {
        at: entry.at,
        items: entry.items[..place].to_vec(),
    };
    apply(&mut state, index, &earlier);
    match &entry.items[place].command {
        Command::StartTasks { tasks, asked, .. } | Command::QueueTasks { tasks, asked, .. } => {
            of_call(state, tasks, asked.as_deref(), task)
        }
        Command::PlaceTasks(step) => of_queue(state, step, task),
        Command::StepService(step) => of_step(state, step, task),
        _ => None,
    }
}

fn of_call(
    mut state: State,
    tasks: &[NewTask],
    asked: Option<&Asked>,
    task: &TaskId,
) -> Option<Explained> {
    let place = tasks.iter().position(|new| new.id == *task)?;
    let (earlier, new) = (&tasks[..place], &tasks[place]);
    // StartTask looks at each of its instances as it was before the call.
    let is_named = asked.is_some_and(|asked| asked.is_named);
    if !earlier.is_empty() && !is_named {
        let start = Command::StartTasks {
            token: None,
            tasks: earlier.to_vec(),
            asked: None,
        };
        work_in(&mut state, start)?;
    }
    let of_plan = earlier.iter().filter(|one| one.provider == new.provider);
    alone(&state, &Lone::new(new), asked, &drawn(of_plan))
}

/// A task that had waited: those of its wish that were placed right before it are of its plan.
fn of_queue(mut state: State, step: &QueueStep, task: &TaskId) -> Option<Explained> {
    let place = step.tasks.iter().position(|new| new.id == *task)?;
    let (earlier, new) = (&step.tasks[..place], &step.tasks[place]);
    let wish = |new: &NewTask| Some(&state.waiting_task(&new.id)?.new.wish);
    let own = wish(new)?.clone();
    let of_plan = earlier.iter().rev();
    let of_plan = drawn(of_plan.take_while(|one| wish(one) == Some(&own)));
    if !earlier.is_empty() {
        let half = QueueStep {
            tasks: earlier.to_vec(),
            ..step.clone()
        };
        work_in(&mut state, Command::PlaceTasks(half))?;
    }
    let asked = asked_by(&own, step.seen_steps);
    alone(&state, &Lone::new(new), Some(&asked), &of_plan)
}

fn asked_by(wish: &Wish, seed: u64) -> Asked {
    Asked {
        constraints: wish.constraints.clone(),
        strategies: wish.strategies.clone(),
        seed,
        is_named: false,
    }
}

/// Why a task that waits finds no room, or where it would go now.
#[must_use]
pub fn waiting(state: &State, task: &WaitingTask) -> Option<Explained> {
    let asked = asked_by(&task.new.wish, 0);
    alone(state, &Lone::waiting(task), Some(&asked), &BTreeMap::new())
}

fn of_step(mut state: State, step: &ServiceStep, task: &TaskId) -> Option<Explained> {
    let place = step.start.iter().position(|one| one.task.id == *task)?;
    let (earlier, start) = (&step.start[..place], &step.start[place]);
    let (deployment, provider) = (start.deployment, &start.task.provider);
    let steps = state.service(&step.key)?.steps;
    let of_plan = earlier
        .iter()
        .filter(|one| one.deployment == deployment && one.task.provider == *provider);
    let earlier_in_plan = Earlier {
        drawn: drawn(of_plan.map(|one| &one.task)),
        steps: Some(steps),
        provider: provider.clone(),
    };
    if !earlier.is_empty() {
        let half = ServiceStep {
            start: earlier.to_vec(),
            stop: Vec::new(),
            turns: Vec::new(),
            events: Vec::new(),
            ..step.clone()
        };
        work_in(&mut state, Command::StepService(Box::new(half)))?;
    }
    why_next(&state, &step.key, Some(deployment), &earlier_in_plan)
}

/// How many of `tasks` each instance got.
fn drawn<'a>(tasks: impl Iterator<Item = &'a NewTask>) -> BTreeMap<InstanceId, u32> {
    let mut drawn = BTreeMap::new();
    tasks.for_each(|new| *drawn.entry(new.instance).or_default() += 1);
    drawn
}

/// Where the next task of a service would go; `None` if it has no deployment to start tasks of.
#[must_use]
pub fn next(state: &State, service: &ServiceKey) -> Option<Explained> {
    why_next(state, service, None, &Earlier::default())
}

/// Where a task would go if it had to be placed now: what it holds is free, and what its call asked for is forgotten.
#[must_use]
pub fn again(state: &State, task: &Task) -> Option<Explained> {
    let mut state = state.clone();
    if task.holds_resources() {
        let end = ended(&state, task)?;
        work_in(&mut state, end)?;
    }
    let member = task.service_key().zip(task.service.as_ref());
    let as_before = Earlier {
        provider: task.provider.clone(),
        ..Earlier::default()
    };
    let of_service = member
        .and_then(|(key, member)| why_next(&state, &key, Some(member.deployment), &as_before));
    of_service.or_else(|| alone(&state, &Lone::of(task), None, &BTreeMap::new()))
}

fn ended(state: &State, task: &Task) -> Option<Command> {
    let instance = state.instance(&task.instance)?;
    Some(Command::Observe {
        instance: instance.id,
        session: instance.session,
        tasks: vec![TaskObserved::of(task.id, TaskStatus::Stopped)],
    })
}

/// A task that no service placed.
struct Lone<'a> {
    cluster: &'a ClusterName,
    definition: &'a DefinitionId,
    reserved: &'a Reservation,
    group: &'a str,
    launch_type: &'a str,
    provider: Option<&'a ProviderName>,
}

impl<'a> Lone<'a> {
    fn waiting(task: &'a WaitingTask) -> Self {
        let (new, wish) = (&task.new, &task.new.wish);
        Self {
            cluster: &new.cluster,
            definition: &wish.definition,
            reserved: &new.reserved,
            group: &wish.group,
            launch_type: wish.provider.launch_type(),
            provider: Some(&wish.provider),
        }
    }

    fn new(new: &'a NewTask) -> Self {
        Self {
            cluster: &new.cluster,
            definition: &new.definition,
            reserved: &new.reserved,
            group: &new.group,
            launch_type: &new.launch_type,
            provider: new.provider.as_ref(),
        }
    }

    fn of(task: &'a Task) -> Self {
        Self {
            cluster: &task.cluster,
            definition: &task.definition,
            reserved: &task.reserved,
            group: &task.group,
            launch_type: &task.launch_type,
            provider: task.provider.as_ref(),
        }
    }
}

fn alone(
    state: &State,
    task: &Lone<'_>,
    asked: Option<&Asked>,
    drawn: &BTreeMap<InstanceId, u32>,
) -> Option<Explained> {
    let definition = state.definition(task.definition)?;
    let spec = &definition.spec;
    // Overrides change amounts only, and these stand in what the task reserved.
    let launch = Launch::new(spec, &Overrides::default());
    let need = Need {
        cpu_units: task.reserved.cpu_units,
        memory_mib: task.reserved.memory_mib,
        gpus: task.reserved.gpus,
        ..Need::new(&launch, &spec.requires_attributes)
    };
    let rules = match asked {
        Some(asked) => Rules::read(spec, &asked.constraints, &asked.strategies),
        None => Rules::read(spec, &[], &[]),
    };
    let rules = rules.ok()?;
    let rules = match Pool::binding(state, task.launch_type, task.provider) {
        Some(pool) => rules.within(pool),
        None => rules,
    };
    let problem = Problem {
        state,
        cluster: task.cluster,
        need: &need,
        group: task.group,
        rules: &rules,
        seed: asked.map_or(0, |asked| asked.seed),
        count: 1,
    };
    let why = why_after(&problem, drawn);
    Some(Explained {
        why,
        rules,
        definition: task.definition.clone(),
        chooser: match asked {
            None => Chooser::Unknown,
            Some(asked) if asked.is_named => Chooser::Caller,
            Some(_) => Chooser::Placement,
        },
    })
}

/// Carries a command out on a copy; `None` if it is refused there.
fn work_in(state: &mut State, command: Command) -> Option<()> {
    let entry = Entry {
        at: state.now(),
        items: vec![Item {
            // Of a copy: no other command can have come under it.
            request: RequestId::from_u128(u128::MAX),
            command,
        }],
    };
    let index = state.applied_index() + 1;
    let outcomes = apply(state, index, &entry).outcomes;
    outcomes.iter().all(Result::is_ok).then_some(())
}
