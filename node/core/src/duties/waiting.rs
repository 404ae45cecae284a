//! Tasks that wait for room with their capacity provider: looked at in the order in which they came, as soon as there may be room.
//!
//! One that does not fit holds up those of its own kind, and nobody else: another provider, or less need, may be served before.

use super::services::work_in;
use crate::apply::foresee;
use crate::command::{Command, NewTask, QueueStep, Wish};
use crate::documents::{Launch, Overrides};
use crate::mint::Mint;
use crate::placement::{Need, Order, Pool, Problem, Rules, find};
use crate::state::{Queue, State, WaitingTask};
use crate::time::Millis;

/// Tasks placed in one step: keeps an entry far below the limit of the log.
const TASKS_PER_STEP: usize = 50;
/// Expressions may come to hold by things that nobody is told of: whoever waits is looked at this often anyway.
const LOOK_AGAIN_MS: u64 = 15_000;

/// Adds what waiting tasks are owed to `owed`, counting on what is owed before. Costs nothing where none waits.
pub(super) fn owe(state: &State, now: Millis, mint: &mut Mint, owed: &mut Vec<Command>) {
    if state.queues().next().is_none() {
        return;
    }
    let mut view = state.clone();
    for command in owed.iter() {
        work_in(&mut view, command, now, mint);
    }
    let due = view.queues().filter(|queue| queue.look_at <= now);
    let steps = due.map(|queue| look(&view, queue, now, mint));
    owed.extend(steps.map(Command::PlaceTasks));
}

/// Who of a cluster's queue finds room now.
fn look(state: &State, queue: &Queue, now: Millis, mint: &mut Mint) -> QueueStep {
    let mut view = state.clone();
    let (mut tasks, mut full) = (Vec::new(), Vec::new());
    let waiting: Vec<&WaitingTask> = state.waiting_in(&queue.cluster).collect();
    let mut rest = waiting.as_slice();
    while let [first, ..] = rest
        && tasks.len() < TASKS_PER_STEP
    {
        let wish = &first.new.wish;
        let alike = rest.iter().take_while(|one| one.new.wish == *wish).count();
        let (run, others) = rest.split_at(alike.min(TASKS_PER_STEP - tasks.len()));
        rest = others;
        if full.contains(&wish) {
            continue;
        }
        let placed = place(&view, run, queue.steps, mint);
        if placed.len() < run.len() {
            full.push(wish);
        }
        foresee(&mut view, &placed);
        tasks.extend(placed);
    }
    let has_more = !rest.is_empty();
    QueueStep {
        cluster: queue.cluster.clone(),
        seen_steps: queue.steps,
        seen_changes: queue.changes,
        tasks,
        look_at: now.plus_ms(if has_more { 0 } else { LOOK_AGAIN_MS }),
    }
}

/// As many of a run of equal wishes as there is room for, from its beginning. Lots are drawn with the steps before, so that whoever asks
/// later why a task went where it went draws the same.
fn place(view: &State, run: &[&WaitingTask], steps: u64, mint: &mut Mint) -> Vec<NewTask> {
    let Some(kind) = run
        .first()
        .and_then(|first| Kind::of(view, &first.new.wish))
    else {
        return Vec::new();
    };
    let places = find(&Problem {
        state: view,
        cluster: &run[0].new.cluster,
        need: &kind.need,
        group: &kind.wish.group,
        rules: &kind.rules,
        seed: steps,
        count: run.len(),
    });
    let placed = places.iter().zip(run).map(|(place, waiting)| {
        let new = &waiting.new;
        let order = Order {
            cluster: &new.cluster,
            definition: kind.definition,
            launch: &kind.launch,
            overrides: &kind.wish.overrides,
            group: &kind.wish.group,
            started_by: &new.started_by,
            tags: &new.tags,
            launch_type: kind.wish.provider.launch_type(),
            provider: Some(&kind.wish.provider),
            enable_execute_command: new.enable_execute_command,
        };
        let mut task = order.task(place, mint);
        task.id = new.id;
        for (container, known) in task.containers.iter_mut().zip(&new.containers) {
            container.id = known.id;
        }
        task
    });
    placed.collect()
}

/// What tasks of one wish are, and need.
struct Kind<'a> {
    wish: &'a Wish,
    definition: &'a crate::state::TaskDefinition,
    launch: Launch,
    need: Need,
    rules: Rules,
}

impl<'a> Kind<'a> {
    /// `None` if its definition or provider is gone, or what was written does not parse, which `apply` and RunTask do not let happen.
    fn of(view: &'a State, wish: &'a Wish) -> Option<Self> {
        let definition = view.definition(&wish.definition)?;
        let overrides = Overrides::parse(&wish.overrides.object()).ok()?;
        let launch = Launch::new(&definition.spec, &overrides);
        let rules = Rules::read(&definition.spec, &wish.constraints, &wish.strategies).ok()?;
        Some(Self {
            wish,
            definition,
            need: Need::new(&launch, &definition.spec.requires_attributes),
            launch,
            rules: rules.within(Pool::of(view, &wish.provider)?),
        })
    }
}
