//! How a deployment's tasks are placed and made ready: what they need, where they go, and what is said if nowhere.

use super::plan::Plan;
use super::sight::Sight;
use super::words;
use crate::command::ServiceStart;
use crate::documents::{Document, Launch, Overrides, Propagation, Tag, Tags};
use crate::ids::InstanceId;
use crate::mint::Mint;
use crate::placement::{
    Constraint, Facts, Need, Order, Placement, Problem, Refusal, Refused, RuleError, Rules,
    Strategy, place, place_on,
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
    tags: Tags,
}

impl<'a> Kind<'a> {
    /// `None` if its definition or revision is gone, or its rules are none, which `apply` and CreateService do not let happen.
    pub(super) fn of(sight: &Sight<'a>, deployment: &'a Deployment) -> Option<Self> {
        let definition = sight.state.definition(&deployment.definition)?;
        let launch = Launch::new(&definition.spec, &Overrides::default());
        Some(Self {
            deployment,
            definition,
            revision: sight.state.revision(deployment.id)?,
            need: Need::new(&launch, &definition.spec.requires_attributes),
            launch,
            rules: rules(sight.service, definition).ok()?,
            group: sight.service.group(),
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

    fn start(&self, sight: &Sight<'_>, placed: &Placement, mint: &mut Mint) -> ServiceStart {
        let order = Order {
            cluster: &sight.service.key.cluster,
            definition: self.definition,
            launch: &self.launch,
            overrides: &Document::default(),
            group: &self.group,
            started_by: &self.deployment.id.to_string(),
            tags: &self.tags,
            launch_type: &self.revision.spec.launch_type,
            enable_execute_command: sight.service.spec.enable_execute_command,
        };
        ServiceStart {
            deployment: self.deployment.id,
            task: order.task(placed, mint),
        }
    }
}

/// The constraints of the service and of the definition; the strategies of the service, or ECS's where it names none.
fn rules(service: &Service, definition: &TaskDefinition) -> Result<Rules, RuleError> {
    let spec = &service.spec;
    let mut rules = Rules::read(&definition.spec, &spec.constraints, &spec.strategies)?;
    if rules.strategies.is_empty() {
        rules.strategies = Strategy::of_services();
    }
    Ok(rules)
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

/// Places up to `count` tasks wherever placement says; how many found a place.
pub(super) fn place_anywhere(
    sight: &Sight<'_>,
    plan: &mut Plan,
    deployment: &Deployment,
    count: usize,
    mint: &mut Mint,
) -> usize {
    let Some(kind) = Kind::of(sight, deployment) else {
        return 0;
    };
    let came = place(&kind.problem(sight, count));
    let starts = came.placed.iter().map(|one| kind.start(sight, one, mint));
    plan.start.extend(starts);
    if came.placed.len() < count {
        no_room(sight, plan, &came.refused);
    }
    came.placed.len()
}

/// Places one task on each of `instances`, as far as they take it; how many did.
pub(super) fn place_each(
    sight: &Sight<'_>,
    plan: &mut Plan,
    deployment: &Deployment,
    instances: &[InstanceId],
    mint: &mut Mint,
) -> usize {
    let Some(kind) = Kind::of(sight, deployment) else {
        return 0;
    };
    let problem = kind.problem(sight, 1);
    let (before, mut refused) = (plan.start.len(), Vec::new());
    for id in instances {
        let Some(instance) = sight.state.instance(id) else {
            continue;
        };
        match place_on(&problem, instance) {
            Ok(placed) => plan.start.push(kind.start(sight, &placed, mint)),
            Err(why) => refused.push(Refused { instance: *id, why }),
        }
    }
    if !refused.is_empty() {
        no_room(sight, plan, &refused);
    }
    plan.start.len() - before
}

/// Which instances the deployment's tasks are meant for: those with the attributes it requires that satisfy its constraints, whatever
/// tasks of its own run there now.
pub(super) fn is_meant_for<'a>(
    sight: &Sight<'a>,
    deployment: &Deployment,
) -> impl Fn(&Instance) -> bool + use<'a> {
    let state = sight.state;
    let definition = state.definition(&deployment.definition);
    let wanted = definition.and_then(|one| Some((one, rules(sight.service, one).ok()?)));
    move |instance| {
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
        };
        let mut required = definition.spec.requires_attributes.iter();
        required.all(|name| instance.attribute(name).is_some())
            && rules.constraints.iter().all(holds)
    }
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
        Refusal::NotActive => 0,
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
