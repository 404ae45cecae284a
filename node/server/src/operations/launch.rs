//! RunTask and StartTask: a wish for tasks, checked whole before anything is placed. What the API has and this control plane cannot
//! do yet is refused by name, never accepted and ignored; empty lists, which many clients send, ask for nothing.

use bytes::Bytes;
use quorate_core::Reply;
use quorate_core::command::{Asked, ClientToken};
use quorate_core::documents::{Tag, Tags, tags};
use quorate_core::ids::{ClusterName, InstanceId, TaskId};
use quorate_core::state::{Cluster, InstanceStatus, TaskDefinition};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::exception::Exception;
use super::input::{Input, check_length, check_list};
use super::overrides::TaskOverrides;
use super::placement::Wishes;
use super::render::task::TaskJson;
use super::render::{self, Failure};
use super::strategy::{self, Item, LAUNCH_TYPE_DEFAULT, Launch};
use super::tasks::TasksAnswer;
use super::{Intent, Outcome, Scene, beyond, clusters, definitions, instances, refusals};
use crate::planner::{Place, RunAsk};

/// ECS: tasks of one RunTask.
const COUNT_MAX: i64 = 10;
/// ECS: instances of one StartTask.
const INSTANCES_MAX: usize = 10;
/// ECS: characters of a client token, each between 33 and 126 in ASCII.
const TOKEN_MAX: usize = 64;
/// ECS: characters of `startedBy` in RunTask.
const STARTED_BY_MAX: usize = 128;
/// ECS: characters of `startedBy` in StartTask.
const STARTED_BY_MAX_OF_START: usize = 36;
/// ECS: characters of a group.
const GROUP_MAX: usize = 255;

/// The inputs of RunTask and StartTask; each has members that the other lacks.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    cluster: Option<String>,
    task_definition: String,
    count: Option<i64>,
    container_instances: Vec<String>,
    client_token: Option<String>,
    overrides: Map<String, Value>,
    group: Option<String>,
    started_by: String,
    tags: Tags,
    propagate_tags: Option<String>,
    #[serde(rename = "enableECSManagedTags")]
    enable_managed_tags: bool,
    enable_execute_command: bool,
    launch_type: Option<String>,
    platform_version: String,
    capacity_provider_strategy: Vec<Item>,
    #[serde(flatten)]
    placement: Wishes,
    network_configuration: Map<String, Value>,
    volume_configurations: Vec<Value>,
}

/// RunTask: as many tasks as asked for, wherever there is room.
pub(super) fn run(scene: &Scene<'_>, mut input: Input) -> Result<Intent, Exception> {
    let wanted: Wanted = input.clone().read()?;
    let count = wanted.count()?;
    wanted.check(STARTED_BY_MAX)?;
    let name = clusters::named(scene, wanted.cluster.as_deref())?;
    let token = wanted.token(&name, &mut input)?;
    if let Some(known) = token
        .as_ref()
        .map(|token| known(scene, token))
        .transpose()?
        .flatten()
    {
        return Ok(known);
    }
    let cluster = clusters::active(scene, &name)?;
    let definition = definitions::usable(scene, &wanted.task_definition)?;
    let launch = wanted.launch(scene, cluster, definition)?;
    let mut live = scene
        .state
        .instances_in(&name)
        .filter(|one| one.status != InstanceStatus::Inactive);
    // A capacity provider may get its first instance yet.
    if launch.strategy.is_empty() && live.next().is_none() {
        return Err(Exception::no_container_instances());
    }
    let mut ask = wanted.ask(cluster, definition, launch)?;
    (ask.count, ask.token) = (count, token);
    Ok(Intent::Run {
        ask: Box::new(ask),
        missing: Vec::new(),
    })
}

/// StartTask: one task on each instance that the caller names.
pub(super) fn start(scene: &Scene<'_>, input: Input) -> Result<Intent, Exception> {
    let wanted: Wanted = input.read()?;
    check_list(
        "Container instances",
        &wanted.container_instances,
        INSTANCES_MAX,
    )?;
    wanted.check(STARTED_BY_MAX_OF_START)?;
    let name = clusters::named(scene, wanted.cluster.as_deref())?;
    let cluster = clusters::active(scene, &name)?;
    let definition = definitions::usable(scene, &wanted.task_definition)?;
    let (mut chosen, mut missing): (Vec<InstanceId>, Vec<Failure>) = Default::default();
    for text in &wanted.container_instances {
        match instances::find(scene, cluster, text)? {
            Some(instance) => chosen.push(instance.id),
            None => missing.push(instances::missing(scene, cluster, text)),
        }
    }
    let launch = Launch {
        launch_type: LAUNCH_TYPE_DEFAULT.to_owned(),
        strategy: Vec::new(),
    };
    let mut ask = wanted.ask(cluster, definition, launch)?;
    (ask.count, ask.place) = (chosen.len(), Place::On(chosen));
    Ok(Intent::Run {
        ask: Box::new(ask),
        missing,
    })
}

/// What the token did before, if it was used before with the same parameters.
fn known(scene: &Scene<'_>, token: &ClientToken) -> Result<Option<Intent>, Exception> {
    match scene.state.token(&token.cluster, &token.token) {
        None => Ok(None),
        Some(used) if used.fingerprint == token.fingerprint => Ok(Some(Intent::Already(found(
            scene,
            &token.cluster,
            &used.tasks,
        )))),
        Some(used) => Err(refusals::token_conflict(
            &used.tasks,
            scene.state,
            scene.realm,
        )),
    }
}

/// The tasks that a token started. A token is remembered for longer than its tasks; those forgotten meanwhile are said to be missing.
fn found(scene: &Scene<'_>, cluster: &ClusterName, tasks: &[TaskId]) -> Outcome {
    let (known, gone): (Vec<_>, Vec<_>) = tasks
        .iter()
        .copied()
        .partition(|id| scene.state.cluster_of_task(id).is_some());
    let gone = gone
        .into_iter()
        .map(|id| Failure::missing(scene.realm.task(cluster, id)));
    Outcome {
        reply: Reply::Tasks(known),
        failures: gone.collect(),
    }
}

impl Wanted {
    fn count(&self) -> Result<usize, Exception> {
        let count = self.count.unwrap_or(1);
        if !(1..=COUNT_MAX).contains(&count) {
            let text = format!("Count must be between 1 and {COUNT_MAX}.");
            return Err(Exception::invalid_parameter(text));
        }
        Ok(usize::try_from(count).expect("between 1 and 10"))
    }

    /// All that can be said without looking at the state.
    fn check(&self, started_by_max: usize) -> Result<(), Exception> {
        check_length("startedBy", &self.started_by, started_by_max)?;
        if let Some(group) = &self.group {
            check_length("The group", group, GROUP_MAX)?;
            if group.starts_with("service:") {
                return Err(Exception::invalid_parameter(
                    "Groups that start with service: belong to services.",
                ));
            }
        }
        tags::check(&self.tags).map_err(|error| refusals::tags(&error))?;
        if self.propagate_tags.as_deref() == Some("SERVICE") {
            return Err(Exception::invalid_parameter(
                "propagateTags can not be SERVICE: no service starts these tasks.",
            ));
        }
        strategy::check_either(
            self.launch_type.as_deref(),
            &self.capacity_provider_strategy,
        )?;
        self.placement.check()?;
        self.refuse_unsupported()
    }

    fn refuse_unsupported(&self) -> Result<(), Exception> {
        let latest = matches!(self.platform_version.as_str(), "" | "LATEST");
        let asked = [
            (
                "launchType MANAGED_INSTANCES",
                self.launch_type.as_deref() == Some("MANAGED_INSTANCES"),
            ),
            (
                "networkConfiguration",
                !self.network_configuration.is_empty(),
            ),
            (
                "volumeConfigurations",
                !self.volume_configurations.is_empty(),
            ),
            ("platformVersion other than LATEST", !latest),
        ];
        match asked.into_iter().find(|(_, asked)| *asked) {
            Some((what, _)) => Err(refusals::unsupported(what)),
            None => Ok(()),
        }
    }

    /// The caller's token with a fingerprint of everything else. However the cluster was named, it is the same cluster.
    fn token(
        &self,
        cluster: &ClusterName,
        input: &mut Input,
    ) -> Result<Option<ClientToken>, Exception> {
        let Some(token) = self
            .client_token
            .as_deref()
            .filter(|token| !token.is_empty())
        else {
            return Ok(None);
        };
        let printable = token.bytes().all(|byte| (33..=126).contains(&byte));
        if !printable || token.len() > TOKEN_MAX {
            return Err(Exception::invalid_parameter(
                "clientToken can have at most 64 characters between 33 and 126 in ASCII.",
            ));
        }
        input.take("clientToken");
        input.put("cluster", cluster.as_str());
        let fingerprint = input.fingerprint();
        Ok(Some(ClientToken {
            cluster: cluster.clone(),
            token: token.to_owned(),
            fingerprint,
        }))
    }

    /// What the tasks are launched on, and may be.
    fn launch(
        &self,
        scene: &Scene<'_>,
        cluster: &Cluster,
        definition: &TaskDefinition,
    ) -> Result<Launch, Exception> {
        let launch_type = self.launch_type.as_deref();
        let items = &self.capacity_provider_strategy;
        let launch = strategy::launch(scene, cluster, launch_type, items)?;
        strategy::check_compatible(definition, &launch, launch_type.is_some())?;
        Ok(launch)
    }

    /// The ask for one task anywhere.
    fn ask(
        self,
        cluster: &Cluster,
        definition: &TaskDefinition,
        launch: Launch,
    ) -> Result<RunAsk, Exception> {
        if let Some(what) = beyond::of(definition) {
            return Err(refusals::unsupported(&what));
        }
        let overrides = TaskOverrides::parse(&self.overrides, &definition.spec)?;
        let (constraints, strategies) = self.placement.of_service()?;
        let group = self.group.clone().filter(|group| !group.is_empty());
        let rules = self.placement.rules(&definition.spec)?;
        Ok(RunAsk {
            cluster: cluster.name.clone(),
            definition: definition.id.clone(),
            count: 1,
            overrides_document: overrides.document,
            overrides: overrides.parsed,
            group: group.unwrap_or_else(|| format!("family:{}", definition.id.family)),
            tags: self.all_tags(cluster, definition)?,
            started_by: self.started_by,
            rules: launch.rules(rules),
            launch_type: launch.launch_type,
            strategy: launch.strategy,
            enable_execute_command: self.enable_execute_command,
            token: None,
            place: Place::Anywhere,
            asked: Asked {
                constraints,
                strategies,
                ..Asked::default()
            },
        })
    }

    /// The caller's tags, the definition's if they are to be propagated and not overridden, and the managed one if it is wanted.
    fn all_tags(&self, cluster: &Cluster, definition: &TaskDefinition) -> Result<Tags, Exception> {
        let mut all = self.tags.clone();
        if self.propagate_tags.as_deref() == Some("TASK_DEFINITION") {
            let new = definition
                .tags
                .iter()
                .filter(|tag| all.iter().all(|mine| mine.key != tag.key));
            let new: Tags = new.cloned().collect();
            all.extend(new);
            tags::check(&all).map_err(|error| refusals::tags(&error))?;
        }
        if self.enable_managed_tags {
            all.push(Tag {
                key: "aws:ecs:clusterName".into(),
                value: cluster.name.to_string(),
            });
        }
        Ok(all)
    }
}

/// The answer of RunTask and StartTask.
pub(super) fn launched(scene: &Scene<'_>, outcome: &Outcome) -> Result<Bytes, Exception> {
    let Reply::Tasks(ids) = &outcome.reply else {
        return Err(outcome.strange());
    };
    let tasks = ids.iter();
    Ok(render::body(&TasksAnswer {
        tasks: tasks
            .filter_map(|id| TaskJson::find(scene.state, scene.realm, *id, true))
            .collect(),
        failures: outcome.failures.clone(),
    }))
}
