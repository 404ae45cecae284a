//! What the planner is asked for, and how a placement becomes a command. Pure.

use quorate_core::command::{Asked, ClientToken, NewTask, NewWaiting, Wish};
use quorate_core::documents::{Document, Launch, Overrides, StrategyItem, Tags};
use quorate_core::ids::{ClusterName, DefinitionId, InstanceId};
use quorate_core::placement::{Need, Order, Refused, Rules, Tender, place_on};
use quorate_core::{Command, Mint, Plan, Problem, State, place};

/// RunTask or StartTask, parsed and checked.
#[derive(Clone, Debug)]
pub struct RunAsk {
    /// Whose instances.
    pub cluster: ClusterName,
    /// What to run.
    pub definition: DefinitionId,
    /// How many; with [`Place::On`], one on each instance.
    pub count: usize,
    /// TaskOverride, verbatim.
    pub overrides_document: Document,
    /// The same, parsed.
    pub overrides: Overrides,
    /// `family:NAME` unless the caller gave another.
    pub group: String,
    /// Empty if nobody said.
    pub started_by: String,
    /// Tags of the tasks.
    pub tags: Tags,
    /// EC2 | EXTERNAL | FARGATE.
    pub launch_type: String,
    /// enableExecuteCommand.
    pub enable_execute_command: bool,
    /// The client's token, where it gave one.
    pub token: Option<ClientToken>,
    /// Where.
    pub place: Place,
    /// Constraints and strategies, those of the definition included.
    pub rules: Rules,
    /// How tasks are shared out among capacity providers; empty where they go by launch type.
    pub strategy: Vec<StrategyItem>,
    /// The call's own constraints and strategies as it says them; what lots are drawn with is added when it is placed.
    pub asked: Asked,
}

/// Where tasks may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Wherever placement says (RunTask).
    Anywhere,
    /// One on each of these (StartTask).
    On(Vec<InstanceId>),
}

/// What the desk makes of an ask: a command if anything could be placed, and why the rest could not.
pub(crate) struct Decision {
    pub(crate) command: Option<Command>,
    pub(crate) refused: Vec<Refused>,
}

/// Places `ask` on `state`. A definition that is gone places nothing: the caller looked it up, `apply` would refuse it.
pub(crate) fn decide(state: &State, ask: &RunAsk, mint: &mut Mint) -> Decision {
    let Some(definition) = state.definition(&ask.definition) else {
        return Decision {
            command: None,
            refused: Vec::new(),
        };
    };
    let launch = Launch::new(&definition.spec, &ask.overrides);
    let need = Need::new(&launch, &definition.spec.requires_attributes);
    let problem = Problem {
        state,
        cluster: &ask.cluster,
        need: &need,
        group: &ask.group,
        rules: &ask.rules,
        seed: mint.request().as_u128() as u64,
        count: ask.count,
    };
    let order = Order {
        cluster: &ask.cluster,
        definition,
        launch: &launch,
        overrides: &ask.overrides_document,
        group: &ask.group,
        started_by: &ask.started_by,
        tags: &ask.tags,
        launch_type: &ask.launch_type,
        provider: None,
        enable_execute_command: ask.enable_execute_command,
    };
    if !ask.strategy.is_empty() {
        return share_out(ask, problem, order, mint);
    }
    let plan = match &ask.place {
        Place::Anywhere => place(&problem),
        Place::On(instances) => place_each(&problem, instances),
    };
    let tasks: Vec<NewTask> = plan
        .placed
        .iter()
        .map(|placed| order.task(placed, mint))
        .collect();
    let command = (!tasks.is_empty()).then(|| Command::StartTasks {
        token: ask.token.clone(),
        tasks,
        asked: asked(ask, problem.seed),
    });
    Decision {
        command,
        refused: plan.refused,
    }
}

/// Tasks that find no room with their capacity provider wait for it: none fails.
fn share_out(ask: &RunAsk, problem: Problem<'_>, order: Order<'_>, mint: &mut Mint) -> Decision {
    let tender = Tender {
        problem,
        order,
        strategy: &ask.strategy,
        have: &[],
        most: ask.count,
    };
    let shared = tender.place(mint);
    let mut waiting: Vec<NewWaiting> = Vec::new();
    for (provider, count) in shared.short {
        let wish = Wish {
            definition: ask.definition.clone(),
            provider,
            group: ask.group.clone(),
            overrides: ask.overrides_document.clone(),
            constraints: ask.asked.constraints.clone(),
            strategies: ask.asked.strategies.clone(),
        };
        waiting.extend((0..count).map(|_| order.waiting(wish.clone(), mint)));
    }
    let (token, tasks, asked) = (ask.token.clone(), shared.tasks, asked(ask, problem.seed));
    let command = if waiting.is_empty() {
        Command::StartTasks {
            token,
            tasks,
            asked,
        }
    } else {
        Command::QueueTasks {
            token,
            tasks,
            waiting,
            asked,
        }
    };
    Decision {
        command: Some(command),
        refused: Vec::new(),
    }
}

/// What is kept of how an ask was placed.
fn asked(ask: &RunAsk, seed: u64) -> Option<Box<Asked>> {
    Some(Box::new(Asked {
        seed,
        is_named: matches!(ask.place, Place::On(_)),
        ..ask.asked.clone()
    }))
}

fn place_each(problem: &Problem<'_>, instances: &[InstanceId]) -> Plan {
    let mut plan = Plan::default();
    for id in instances {
        let Some(instance) = problem.state.instance(id) else {
            continue;
        };
        match place_on(problem, instance) {
            Ok(placed) => plan.placed.push(placed),
            Err(why) => plan.refused.push(Refused { instance: *id, why }),
        }
    }
    plan
}
