//! How a deployment's tasks are placed and made ready: what they need, where they go, and what is said if nowhere.

use super::plan::Plan;
use super::sight::{Member, Sight};
use super::words;
use crate::command::{NewTask, ServiceStart};
use crate::documents::{
    Document, Launch, Overrides, Propagation, ServiceSpec, StrategyItem, Tag, Tags,
};
use crate::ids::{InstanceId, ProviderName, TaskId};
use crate::mint::Mint;
use crate::placement::{
    Constraint, Facts, Need, Order, Placement, Pool, Problem, Refusal, Refused, RuleError, Rules,
    Strategy, Tender, find, place, place_on, share,
};
use crate::state::{Deployment, Instance, Revision, Service, TaskDefinition, Topic};

/// When placement found no room, it is tried again after this long, unless an instance comes before.
const PLACE_AGAIN_MS: u64 = 15_000;

/// What a deployment starts.
pub(super) struct Kind<'a> {
    deployment: &'a Deployment,
    pub(super) definition: &'a TaskDefinition,
    revision: &'a Revision,
    launch: Launch,
    need: Need,
    pub(super) rules: Rules,
    group: String,
    started_by: String,
    overrides: Document,
    tags: Tags,
}

impl<'a> Kind<'a> {
    /// `None` if its definition or revision is gone, which `apply` does not let happen, or if its rules cannot be read, which is said.
    pub(super) fn of(
        sight: &Sight<'a>,
        plan: &mut Plan,
        deployment: &'a Deployment,
    ) -> Option<Self> {
        let definition = sight.state.definition(&deployment.definition)?;
        let rules = rules(sight.service, definition);
        let rules = rules.map_err(|why| unreadable(sight, plan, &why)).ok()?;
        let launch = Launch::new(&definition.spec, &Overrides::default());
        let revision = sight.state.revision(deployment.id)?;
        let is_fargate =
            revision.spec.launch_type == ProviderName::FARGATE && revision.spec.strategy.is_empty();
        Some(Self {
            deployment,
            definition,
            revision,
            need: Need::new(&launch, &definition.spec.requires_attributes),
            launch,
            rules: if is_fargate {
                rules.within(Pool::fargate())
            } else {
                rules
            },
            group: sight.service.group(),
            started_by: deployment.id.to_string(),
            overrides: Document::default(),
            tags: task_tags(sight.service, definition),
        })
    }

    pub(super) fn problem<'p>(&'p self, sight: &Sight<'p>, count: usize) -> Problem<'p> {
        Problem {
            state: sight.state,
            cluster: &sight.service.key.cluster,
            need: &self.need,
            group: &self.group,
            rules: &self.rules,
            seed: seed(sight.service, self.deployment),
            count,
        }
    }

    fn order<'o>(&'o self, sight: &Sight<'o>) -> Order<'o> {
        Order {
            cluster: &sight.service.key.cluster,
            definition: self.definition,
            launch: &self.launch,
            overrides: &self.overrides,
            group: &self.group,
            started_by: &self.started_by,
            tags: &self.tags,
            launch_type: &self.revision.spec.launch_type,
            provider: None,
            enable_execute_command: sight.service.spec.enable_execute_command,
        }
    }

    fn start(&self, task: NewTask) -> ServiceStart {
        ServiceStart {
            deployment: self.deployment.id,
            task,
        }
    }

    /// How many of the tasks that are wanted each capacity provider has.
    fn have(&self, sight: &Sight<'_>) -> Vec<usize> {
        let has = |item: &StrategyItem| {
            let staying = sight.staying().map(|one| one.task.provider.as_ref());
            staying.filter(|of| *of == Some(&item.provider)).count()
        };
        self.revision.spec.strategy.iter().map(has).collect()
    }

    /// The capacity provider that gets the next task, if one does.
    pub(super) fn next_provider(&self, sight: &Sight<'_>) -> Option<&'a ProviderName> {
        let strategy = &self.revision.spec.strategy;
        let gets = share(strategy, &self.have(sight), 1);
        let mut parts = strategy.iter().zip(gets);
        let next = parts.find(|(_, count)| *count > 0);
        next.map(|(item, _)| &item.provider)
    }

    /// Places tasks wherever placement says, or shares them out among capacity providers, each counting what it has of those that
    /// are wanted; and why there was no room for more.
    fn place(
        &self,
        sight: &Sight<'_>,
        (count, most): (usize, usize),
        mint: &mut Mint,
    ) -> (Vec<NewTask>, Vec<Refused>) {
        let (problem, order) = (self.problem(sight, count), self.order(sight));
        let strategy = &self.revision.spec.strategy;
        if strategy.is_empty() {
            let count = count.min(most);
            let plan = place(&Problem { count, ..problem });
            let tasks = plan.placed.iter().map(|one| order.task(one, mint));
            return (tasks.collect(), plan.refused);
        }
        let have = self.have(sight);
        let tender = Tender {
            problem,
            order,
            strategy,
            have: &have,
            most,
        };
        let shared = tender.place(mint);
        (shared.tasks, shared.refused)
    }
}

/// The constraints of the service and of the definition; the strategies of the service, or ECS's where it names none.
fn rules(service: &Service, definition: &TaskDefinition) -> Result<Rules, RuleError> {
    let spec = &service.spec;
    let mut rules = Rules::read(&definition.spec, &spec.constraints, &[])?;
    rules.strategies = strategies(spec)?;
    Ok(rules)
}

/// The strategies of the service, or ECS's where it names none.
pub(super) fn strategies(spec: &ServiceSpec) -> Result<Vec<Strategy>, RuleError> {
    if spec.strategies.is_empty() {
        return Ok(Strategy::of_services());
    }
    let strategies = spec.strategies.iter();
    let strategies = strategies.map(|one| Strategy::parse(&one.kind, &one.field));
    strategies.collect()
}

/// What lots are drawn with: others at each step, the same for whoever asks later why a task went where it went.
pub(super) fn seed(service: &Service, deployment: &Deployment) -> u64 {
    deployment.id.0.wrapping_add(service.steps)
}

/// The tags of the service's tasks: propagated ones, then those that ECS manages.
fn task_tags(service: &Service, definition: &TaskDefinition) -> Tags {
    let mut tags = match service.spec.propagates {
        Propagation::None => Tags::new(),
        Propagation::Service => service.tags.clone(),
        Propagation::TaskDefinition => definition.tags.clone(),
    };
    if service.spec.managed_tags {
        let managed = |key: &str, value: &str| Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        tags.push(managed("aws:ecs:clusterName", service.key.cluster.as_str()));
        tags.push(managed("aws:ecs:serviceName", service.key.name.as_str()));
    }
    tags
}

/// About how large a step may be; a proposal takes three times as much.
const STEP_BYTES: usize = 256 << 10;

/// How many tasks of the deployment one step may start: their tags and containers all travel with each.
pub(super) fn step_max(sight: &Sight<'_>, deployment: &Deployment) -> usize {
    let definition = sight.state.definition(&deployment.definition);
    let tags = definition.map(|one| task_tags(sight.service, one));
    let containers = definition.into_iter().flat_map(|one| &one.spec.containers);
    let containers = containers.map(|one| 300 + one.image.len() + 150 * one.ports.len());
    let tags = tags
        .iter()
        .flatten()
        .map(|tag| 20 + tag.key.len() + tag.value.len());
    let task_bytes = 700 + containers.sum::<usize>() + tags.sum::<usize>();
    (STEP_BYTES / task_bytes).max(1)
}

/// Places up to `count` tasks wherever placement says, and no more than `most`; how many found a place.
pub(super) fn place_anywhere(
    sight: &Sight<'_>,
    plan: &mut Plan,
    deployment: &Deployment,
    (count, most): (usize, usize),
    mint: &mut Mint,
) -> usize {
    let Some(kind) = Kind::of(sight, plan, deployment) else {
        return 0;
    };
    let (tasks, refused) = kind.place(sight, (count, most), mint);
    let placed = tasks.len();
    plan.start
        .extend(tasks.into_iter().map(|task| kind.start(task)));
    if placed < count.min(most) {
        no_room(sight, plan, &refused);
    }
    placed
}

/// Places one task on each of `instances`, as far as they take it and until `most` did; how many did.
pub(super) fn place_each(
    sight: &Sight<'_>,
    plan: &mut Plan,
    deployment: &Deployment,
    (instances, most): (&[InstanceId], usize),
    mint: &mut Mint,
) -> usize {
    let Some(kind) = Kind::of(sight, plan, deployment) else {
        return 0;
    };
    let problem = kind.problem(sight, 1);
    let (before, mut refused) = (plan.start.len(), Vec::new());
    for id in instances {
        if plan.start.len() - before == most {
            break;
        }
        let Some(instance) = sight.state.instance(id) else {
            continue;
        };
        match place_on(&problem, instance) {
            Ok(placed) => {
                let task = kind.order(sight).task(&placed, mint);
                plan.start.push(kind.start(task));
            }
            Err(why) => refused.push(Refused { instance: *id, why }),
        }
    }
    if !refused.is_empty() {
        no_room(sight, plan, &refused);
    }
    plan.start.len() - before
}

/// The first of `candidates` that placement, asked where it would go if it were gone from its group, puts where it is better off; and
/// that place. What the task holds it goes on holding, because it is stopped last; and it stays with its capacity provider.
pub(super) fn place_better<'m, 's>(
    sight: &Sight<'s>,
    plan: &mut Plan,
    deployment: &Deployment,
    candidates: Vec<&'m Member<'s>>,
    is_better: impl Fn(&Member<'_>, &Instance) -> bool,
) -> Option<(&'m Member<'s>, Placement)> {
    let kind = Kind::of(sight, plan, deployment)?;
    candidates.into_iter().find_map(|member| {
        let fork = sight.state.without(member.task.id);
        let provider = member.task.provider.as_ref();
        let pool = provider.and_then(|provider| Pool::of(sight.state, provider));
        let within = pool.map(|pool| kind.rules.within(pool));
        let mut problem = kind.problem(sight, 1);
        problem.state = &fork;
        problem.rules = within.as_ref().unwrap_or(&kind.rules);
        let placed = find(&problem).pop()?;
        let instance = sight.state.instance(&placed.instance)?;
        is_better(member, instance).then_some((member, placed))
    })
}

/// Starts a task like `member` where `placed` says.
pub(super) fn start_at(
    sight: &Sight<'_>,
    plan: &mut Plan,
    deployment: &Deployment,
    (member, placed): (&Member<'_>, &Placement),
    mint: &mut Mint,
) -> Option<TaskId> {
    let kind = Kind::of(sight, plan, deployment)?;
    let order = kind.order(sight);
    let provider = member.task.provider.as_ref();
    let order = provider.map_or(order, |provider| order.with(provider));
    let start = kind.start(order.task(placed, mint));
    let id = start.task.id;
    plan.start.push(start);
    Some(id)
}

/// Which instances the deployment's tasks are meant for: those with the attributes it requires that satisfy its constraints, whatever
/// tasks of its own run there now. Nobody knows if its rules cannot be read.
pub(super) fn is_meant_for<'a>(
    sight: &Sight<'a>,
    deployment: &Deployment,
) -> Result<impl Fn(&Instance) -> bool + use<'a>, RuleError> {
    let state = sight.state;
    let definition = state.definition(&deployment.definition);
    let wanted = definition.map(|one| rules(sight.service, one).map(|rules| (one, rules)));
    let wanted = wanted.transpose()?;
    Ok(move |instance: &Instance| {
        let Some((definition, rules)) = &wanted else {
            return false;
        };
        let facts = Facts {
            state,
            instance,
            planned: None,
        };
        let holds = |constraint: &Constraint| match constraint {
            Constraint::DistinctInstance => true,
            Constraint::MemberOf(expression) => expression.holds(&facts),
            Constraint::Capacity(pool) => pool.has(instance),
        };
        let mut required = definition.spec.requires_attributes.iter();
        required.all(|name| instance.attribute(name).is_some())
            && rules.constraints.iter().all(holds)
    })
}

/// Nothing can be placed: said once, with the reason.
pub(super) fn unreadable(sight: &Sight<'_>, plan: &mut Plan, why: &RuleError) {
    plan.is_unplaceable = true;
    plan.say_about(sight, Topic::Placement, words::unreadable(sight, why));
}

fn no_room(sight: &Sight<'_>, plan: &mut Plan, refused: &[Refused]) {
    plan.wants_room = true;
    plan.look_at(Some(sight.now.plus_ms(PLACE_AGAIN_MS)));
    let message = words::not_placed(sight, refused);
    plan.say_about(sight, Topic::Placement, message);
}

/// How far an instance came with a task before it refused it: the one that came farthest is the closest match.
pub(super) fn closeness(why: &Refusal) -> u8 {
    match why {
        Refusal::Capacity(_) | Refusal::NotActive => 0,
        Refusal::AgentDisconnected => 1,
        Refusal::Overcommitted => 2,
        Refusal::Attribute(_) => 3,
        Refusal::Cpu => 4,
        Refusal::Memory => 5,
        Refusal::Gpu => 6,
        Refusal::Ports(_) => 7,
        Refusal::MemberOf(_) | Refusal::DistinctInstance => 8,
    }
}
