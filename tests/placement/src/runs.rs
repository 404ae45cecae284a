//! What is measured: three shapes of wishes at each size, and the memory that running tasks take.

use quorate_core::command::NewTask;
use quorate_core::placement::{Constraint, Need, Rules, Strategy};
use quorate_core::{Command, Problem, place};
use rustix::time::{ClockId, clock_gettime};

use crate::check;
use crate::report::Row;
use crate::world::{DISK, World, need};

/// Tasks placed in each run.
pub(crate) const TASKS: usize = 10_000;
/// Tasks of one service, where there are many.
const TASKS_PER_SERVICE: usize = 100;
/// Tasks in one entry: a service's are started in portions, so that no entry is large.
const TASKS_PER_ENTRY: usize = 100;
/// Where memory is measured: so many instances, ten tasks on each.
const MEMORY_INSTANCES: usize = 10_000;
const MEMORY_TASKS: usize = 100_000;

/// Why there is no figure.
pub(crate) enum Failed {
    /// The checker found a placement that should not be.
    Wrong(String),
    /// It could not be measured.
    NoFigure(String),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    OneService,
    Services,
    ConstrainedServices,
    OneByOne,
}

impl Shape {
    pub(crate) const ALL: [Self; 4] = [
        Self::OneService,
        Self::Services,
        Self::ConstrainedServices,
        Self::OneByOne,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneService => "1 service x 10,000",
            Self::Services => "100 services x 100",
            Self::ConstrainedServices => "100 x 100, constraint, zone spread",
            Self::OneByOne => "one-off tasks",
        }
    }

    /// How many tasks are decided at once.
    fn portion(self) -> usize {
        match self {
            Self::OneService => TASKS,
            Self::Services | Self::ConstrainedServices => TASKS_PER_SERVICE,
            Self::OneByOne => 1,
        }
    }

    fn rules(self) -> Rules {
        let expression = format!("attribute:{} == {}", DISK.0, DISK.1);
        let constraint = Constraint::parse("memberOf", &expression).expect("it parses");
        match self {
            Self::OneService | Self::Services | Self::OneByOne => Rules::default(),
            Self::ConstrainedServices => Rules {
                constraints: vec![constraint],
                strategies: Strategy::of_services(),
            },
        }
    }

    fn group(self, number: usize) -> String {
        match self {
            Self::OneByOne => "family:web".into(),
            Self::OneService | Self::Services | Self::ConstrainedServices => {
                format!("service:{number}")
            }
        }
    }
}

/// Seconds of work that 10,000 tasks took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) deciding_s: f64,
    pub(crate) applying_s: f64,
}

/// Places 10,000 tasks on a fresh cluster, and checks what came of it.
pub(crate) fn run(fresh: &World, shape: Shape) -> Result<Figure, Failed> {
    let mut world = fresh.clone();
    let (rules, need) = (shape.rules(), need(false));
    let mut figure = Figure {
        deciding_s: 0.0,
        applying_s: 0.0,
    };
    for number in 0..TASKS / shape.portion() {
        let group = shape.group(number);
        let begun = worked_s();
        let problem = Problem {
            state: &world.state,
            cluster: &world.cluster,
            need: &need,
            group: &group,
            rules: &rules,
            seed: number as u64,
            count: shape.portion(),
        };
        let plan = place(&problem);
        figure.deciding_s += worked_s() - begun;
        let begun = worked_s();
        for placed in plan.placed.chunks(TASKS_PER_ENTRY) {
            let tasks = world.tasks(&need, &group, placed);
            world.change(vec![started(tasks)]);
        }
        figure.applying_s += worked_s() - begun;
    }
    check::placements(&world, &rules).map_err(Failed::Wrong)?;
    Ok(figure)
}

fn started(tasks: Vec<NewTask>) -> Command {
    Command::StartTasks {
        token: None,
        tasks,
        asked: None,
    }
}

/// Seconds that this thread has worked: it never waits, and what else runs on the machine does not count.
fn worked_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// How much a replica's process grows with 100,000 running tasks.
pub(crate) fn memory() -> Result<Row, Failed> {
    eprintln!("memory of {MEMORY_TASKS} running tasks");
    let mut world = World::new(MEMORY_INSTANCES);
    let before = resident_bytes()?;
    let need = need(true);
    for number in 0..MEMORY_TASKS / TASKS_PER_SERVICE {
        start_running(&mut world, &need, &format!("service:{number}"));
    }
    let growth = resident_bytes()?.saturating_sub(before);
    check::placements(&world, &Rules::default()).map_err(Failed::Wrong)?;
    Ok(Row::memory(MEMORY_INSTANCES, growth))
}

fn start_running(world: &mut World, need: &Need, group: &str) {
    let rules = Rules::default();
    let problem = Problem {
        state: &world.state,
        cluster: &world.cluster,
        need,
        group,
        rules: &rules,
        seed: 0,
        count: TASKS_PER_SERVICE,
    };
    let plan = place(&problem);
    let tasks = world.tasks(need, group, &plan.placed);
    let ids: Vec<_> = tasks.iter().map(|task| (task.instance, task.id)).collect();
    world.change(vec![started(tasks)]);
    let reports = ids
        .into_iter()
        .map(|(instance, task)| world.running(instance, &[task]))
        .collect();
    world.change(reports);
}

fn resident_bytes() -> Result<u64, Failed> {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    let no_figure =
        || Failed::NoFigure("this system does not say how much memory a process has".into());
    pages.map(|pages| pages * 4096).ok_or_else(no_figure)
}
