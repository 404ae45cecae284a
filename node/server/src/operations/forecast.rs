//! DescribePlan, Quorate's own: what would come of a drain, a scaling, a loss, a deployment or a rebalancing. The change is what the operation
//! for it would propose, made on a copy of the state; nothing is proposed.

use bytes::Bytes;
use quorate_core::forecast::{Count, Forecast, Move, Short, forecast, loses, missing};
use quorate_core::ids::{InstanceId, RequestId};
use quorate_core::placement::Refused;
use quorate_core::state::{Cluster, Task};
use quorate_core::{Command, Entry, Item, Mint, Reply, State, apply};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::exception::Exception;
use super::input::{Input, check_list};
use super::render::explained::refused;
use super::{Intent, Scene, clusters, definitions, instances, model, refusals, render, services};

/// As many as UpdateContainerInstancesState takes.
const DRAINED_MAX: usize = 10;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    cluster: Option<String>,
    drain: Option<Drain>,
    scale: Option<Scale>,
    lose: Option<Lose>,
    deploy: Option<Deploy>,
    rebalance: Option<Rebalance>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drain {
    container_instances: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scale {
    service: String,
    desired_count: i64,
}

#[derive(Deserialize)]
struct Lose {
    attribute: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deploy {
    service: String,
    task_definition: Value,
}

#[derive(Deserialize)]
struct Rebalance {
    service: String,
}

/// A change that is thought of.
struct Thought {
    /// What it is made on.
    state: State,
    commands: Vec<Command>,
    /// Instances that are to become empty.
    emptied: Vec<InstanceId>,
}

/// DescribePlan.
pub(super) fn describe(scene: &Scene<'_>, input: Input) -> Result<Bytes, Exception> {
    let wanted: Wanted = input.read()?;
    let cluster = clusters::existing(scene, wanted.cluster.as_deref())?;
    let cluster = clusters::active(scene, &cluster.name)?;
    let Wanted {
        drain,
        scale,
        lose,
        deploy,
        rebalance,
        ..
    } = wanted;
    let thought = match (drain, scale, lose, deploy, rebalance) {
        (Some(drain), None, None, None, None) => drains(scene, cluster, &drain)?,
        (None, Some(scale), None, None, None) => scales(scene, cluster, &scale)?,
        (None, None, Some(lose), None, None) => loses_some(scene, cluster, &lose)?,
        (None, None, None, Some(deploy), None) => deploys(scene, cluster, deploy)?,
        (None, None, None, None, Some(rebalance)) => rebalances(scene, cluster, &rebalance)?,
        _ => {
            return Err(Exception::invalid_parameter(
                "Exactly one of drain, scale, lose, deploy and rebalance must be given.",
            ));
        }
    };
    let mut mint = mint(scene.request);
    let (name, change) = (&cluster.name, &thought.commands);
    let (policy, now) = (scene.policy, scene.now);
    let come = forecast(&thought.state, name, change, policy, now, &mut mint);
    let come = come.map_err(|why| refusals::rejection(&why, &thought.state, scene.realm))?;
    Ok(render::body(&answer(scene, cluster, &thought, &come)))
}

/// Ids of tasks that there will never be; the same for the same call.
fn mint(request: RequestId) -> Mint {
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(&request.as_u128().to_be_bytes());
    Mint::new(seed)
}

fn drains(scene: &Scene<'_>, cluster: &Cluster, drain: &Drain) -> Result<Thought, Exception> {
    check_list(
        "Container instances",
        &drain.container_instances,
        DRAINED_MAX,
    )?;
    let named = drain.container_instances.iter();
    let named = named.map(|text| instances::named(scene, cluster, text).map(|one| one.id));
    let emptied: Vec<InstanceId> = named.collect::<Result<_, _>>()?;
    Ok(Thought {
        state: scene.state.clone(),
        commands: vec![Command::SetDraining {
            instances: emptied.clone(),
            is_draining: true,
        }],
        emptied,
    })
}

fn loses_some(scene: &Scene<'_>, cluster: &Cluster, lose: &Lose) -> Result<Thought, Exception> {
    let Lose { attribute, value } = lose;
    let commands = loses(scene.state, &cluster.name, attribute, value);
    if commands.is_empty() {
        return Err(Exception::invalid_parameter(format!(
            "No container instance of the cluster has the attribute {attribute} with the value {value}."
        )));
    }
    Ok(Thought {
        state: scene.state.clone(),
        commands,
        emptied: Vec::new(),
    })
}

fn scales(scene: &Scene<'_>, cluster: &Cluster, scale: &Scale) -> Result<Thought, Exception> {
    let change = json!({"service": scale.service, "desiredCount": scale.desired_count});
    updated(scene, cluster, change)
}

/// Whoever rebalances is looked at again by the same call.
fn rebalances(
    scene: &Scene<'_>,
    cluster: &Cluster,
    rebalance: &Rebalance,
) -> Result<Thought, Exception> {
    let change = json!({"service": rebalance.service, "availabilityZoneRebalancing": "ENABLED"});
    updated(scene, cluster, change)
}

fn updated(scene: &Scene<'_>, cluster: &Cluster, change: Value) -> Result<Thought, Exception> {
    Ok(Thought {
        state: scene.state.clone(),
        commands: vec![update(scene, cluster, change)?],
        emptied: Vec::new(),
    })
}

/// The definition is registered on the copy only.
fn deploys(scene: &Scene<'_>, cluster: &Cluster, deploy: Deploy) -> Result<Thought, Exception> {
    services::named(scene, cluster, &deploy.service)?;
    let input = checked("RegisterTaskDefinition", &deploy.task_definition)?;
    let register = command(definitions::register(scene, input)?)?;
    let mut state = scene.state.clone();
    let reply = work_in(scene, &mut state, register)?;
    let Reply::Definition(id) = reply else {
        return Err(Exception::server(
            "A definition was registered as another thing.",
        ));
    };
    let after = Scene {
        state: &state,
        ..*scene
    };
    let change = json!({"service": deploy.service, "taskDefinition": id.to_string()});
    let commands = vec![update(&after, cluster, change)?];
    Ok(Thought {
        state,
        commands,
        emptied: Vec::new(),
    })
}

/// What UpdateService would propose.
fn update(scene: &Scene<'_>, cluster: &Cluster, mut change: Value) -> Result<Command, Exception> {
    change["cluster"] = cluster.name.as_str().into();
    let input = checked("UpdateService", &change)?;
    command(services::update(scene, input)?)
}

/// The input of an operation that did not come through a listener.
fn checked(operation: &str, input: &Value) -> Result<Input, Exception> {
    model::validate_input(operation, input)?;
    Input::parse(operation, input.to_string().as_bytes())
}

fn command(intent: Intent) -> Result<Command, Exception> {
    match intent {
        Intent::Change(command) | Intent::ChangeSome { command, .. } => Ok(command),
        Intent::Run { .. } | Intent::Already(_) => {
            Err(Exception::server("There is nothing to be changed."))
        }
    }
}

fn work_in(scene: &Scene<'_>, state: &mut State, command: Command) -> Result<Reply, Exception> {
    let index = state.applied_index() + 1;
    let entry = Entry {
        at: scene.now,
        items: vec![Item {
            request: scene.request,
            command,
        }],
    };
    let outcome = apply(state, index, &entry).outcomes.remove(0);
    outcome.map_err(|why| refusals::rejection(&why, state, scene.realm))
}

fn answer(scene: &Scene<'_>, cluster: &Cluster, thought: &Thought, come: &Forecast) -> Value {
    let left = thought.emptied.iter();
    let left = left.flat_map(|instance| come.state.live_tasks_on(instance));
    let moves: Vec<Value> = come
        .moves
        .iter()
        .map(|one| moved(scene, one, come))
        .collect();
    let services = come.counts.iter().map(|one| count(scene, one, come));
    let short = come.short.iter().map(|one| shortfall(scene, cluster, one));
    json!({
        "moves": moves,
        "services": services.collect::<Vec<_>>(),
        "shortfalls": short.collect::<Vec<_>>(),
        "left": left.map(|task| stays(scene, task)).collect::<Vec<_>>(),
        "fits": come.short.is_empty(),
        "settled": come.is_at_rest,
    })
}

/// A task that is started is none yet: it has no ARN.
fn moved(scene: &Scene<'_>, one: &Move, come: &Forecast) -> Value {
    let cluster = come.state.instance(&one.instance).map(|it| &it.cluster);
    let instance = cluster.map(|cluster| scene.realm.instance(cluster, one.instance));
    let mut shown = json!({
        "afterSeconds": one.after_ms / 1000,
        "action": one.what.as_str(),
        "containerInstanceArn": instance,
    });
    if let Some(task) = scene.state.task(&one.task) {
        shown["taskArn"] = scene.realm.task(&task.cluster, task.id).into();
    }
    if let Some(key) = &one.service {
        shown["serviceName"] = key.name.as_str().into();
    }
    shown
}

fn count(scene: &Scene<'_>, count: &Count, come: &Forecast) -> Value {
    json!({
        "serviceName": count.service.name.as_str(),
        "serviceArn": scene.realm.service(&count.service),
        "desiredCount": count.desired,
        "runningCount": count.running,
        "pendingCount": count.pending,
        "missingCount": missing(&come.state, &count.service),
        "rolloutState": count.rollout.map(|rollout| rollout.as_str()),
    })
}

fn shortfall(scene: &Scene<'_>, cluster: &Cluster, short: &Short) -> Value {
    let rows = short.why.iter().flat_map(|why| &why.why.rows);
    let refusals = rows.filter_map(|row| {
        let why = row.verdict.as_ref().err()?.clone();
        let one = Refused {
            instance: row.instance,
            why,
        };
        Some(refused(scene.realm, &cluster.name, &one))
    });
    json!({
        "serviceName": short.service.name.as_str(),
        "missingCount": short.missing,
        "containerInstances": refusals.collect::<Vec<_>>(),
        "messages": short.said,
    })
}

fn stays(scene: &Scene<'_>, task: &Task) -> Value {
    let mut shown = Map::new();
    if scene.state.task(&task.id).is_some() {
        let arn = scene.realm.task(&task.cluster, task.id);
        shown.insert("taskArn".into(), arn.into());
    }
    let instance = scene.realm.instance(&task.cluster, task.instance);
    shown.insert("containerInstanceArn".into(), instance.into());
    shown.insert("group".into(), task.group.as_str().into());
    Value::Object(shown)
}
