//! What a script leaves out of a command: ordinary values, so that a script says only what it is about.

use serde_json::{Value, json};

/// The command with everything it needs.
pub(crate) fn command(mut command: Value) -> Value {
    let (name, body) = command
        .as_object_mut()
        .and_then(|members| members.iter_mut().next())
        .expect("a command is an object of one member");
    let name = name.clone();
    match name.as_str() {
        "CreateCluster" => under(
            body,
            json!({"name": "default", "tags": [], "document": "{}"}),
        ),
        "RegisterDefinition" => definition(body),
        "DeregisterDefinition" => definition_id(&mut body["id"]),
        "DeleteDefinitions" => {
            let ids = body["ids"].as_array_mut().expect("ids is a list");
            ids.iter_mut().for_each(definition_id);
        }
        "UpdateCluster" => under(body, json!({"name": "default"})),
        "PutSetting" => under(body, json!({"principal": null})),
        "Tag" | "Untag" => tagged(&mut body["resource"]),
        "StartTasks" => start(body),
        "StopTask" => under(
            body,
            json!({"code": "UserInitiated", "reason": "stopped by hand"}),
        ),
        "RegisterInstance" => instance(body),
        "Disconnect" | "LoseInstance" => under(body, json!({"session": "s1"})),
        "SetDraining" => under(body, json!({"is_draining": true})),
        "CreateService" | "UpdateService" => service(body, name == "CreateService"),
        "DeleteService" => {
            under(body, json!({"force": false}));
            service_key(&mut body["service"]);
        }
        "CreateTaskSet" | "UpdateTaskSet" | "DeleteTaskSet" | "MakePrimary" => {
            task_set(body, &name);
        }
        "StopDeployment" => under(body, json!({"is_rollback": true})),
        "ContinueDeployment" => under(body, json!({"is_rollback": false})),
        "StepService" => step(body),
        "CreateProvider" => under(
            body,
            json!({"document": "{}", "spec": {"group": null}, "tags": []}),
        ),
        "UpdateProvider" => under(body, json!({"document": "{}"})),
        "PutClusterCapacity" => under(
            body,
            json!({"cluster": "default", "capacity": {"providers": [], "strategy": []}}),
        ),
        "QueueTasks" => queue(body),
        "PlaceTasks" => place(body),
        "ProtectTasks" => under(body, json!({"for_ms": null})),
        "DeregisterInstance" => under(body, json!({"force": false})),
        "Observe" => observe(body),
        "RecordNode" => under(
            body,
            json!({"store": "d1", "peer_address": "127.0.0.1:6571", "api_address": "127.0.0.1:6570", "version": "0.1.0"}),
        ),
        _ => {}
    }
    command
}

/// Adds what is missing, also inside members that are objects themselves.
fn under(value: &mut Value, defaults: Value) {
    let (Value::Object(members), Value::Object(defaults)) = (value, defaults) else {
        return;
    };
    for (name, default) in defaults {
        match members.get_mut(&name) {
            Some(given) => under(given, default),
            None => {
                members.insert(name, default);
            }
        }
    }
}

fn definition(body: &mut Value) {
    let spec = json!({
        "network_mode": "bridge", "cpu_units": 0, "memory_mib": 0, "containers": [],
        "requires_attributes": [], "member_of": []
    });
    under(
        body,
        json!({
            "family": "web", "document": "{}", "spec": spec, "tags": [],
            "registered_by": "arn:aws:iam::000000000000:user/test"
        }),
    );
}

/// `"web:1"` is a family and a revision.
fn definition_id(id: &mut Value) {
    if let Some((family, revision)) = id.as_str().and_then(|text| text.rsplit_once(':')) {
        *id = json!({"family": family, "revision": revision.parse::<u64>().expect("a revision")});
    }
}

/// `{"Service": "web"}` is one of the cluster `default`, `{"TaskSet": ["web", 2]}` one of its task sets.
fn tagged(resource: &mut Value) {
    match resource
        .as_object_mut()
        .and_then(|one| one.iter_mut().next())
    {
        Some((kind, id)) if kind == "Service" => service_key(id),
        Some((kind, id)) if kind == "Definition" => definition_id(id),
        Some((kind, id)) if kind == "TaskSet" => {
            let mut service = id[0].take();
            service_key(&mut service);
            *id = json!({"service": service, "id": id[1]});
        }
        _ => {}
    }
}

fn start(body: &mut Value) {
    under(body, json!({"token": null}));
    if let Value::Object(token) = &mut body["token"] {
        let fingerprint = token["fingerprint"]
            .as_u64()
            .expect("a fingerprint is a number below 256");
        token.insert("fingerprint".into(), vec![fingerprint; 32].into());
        under(&mut body["token"], json!({"cluster": "default"}));
    }
    body["tasks"]
        .as_array_mut()
        .expect("tasks is a list")
        .iter_mut()
        .for_each(new_task);
}

/// `"times": N` is as many tasks, with the ids that follow.
fn queue(body: &mut Value) {
    under(body, json!({"tasks": [], "waiting": []}));
    start(body);
    let waiting = body["waiting"].as_array_mut().expect("waiting is a list");
    let mut all = Vec::new();
    for mut task in waiting.drain(..) {
        let times = task["times"].as_u64().unwrap_or(1);
        let first: u64 = number(&task).parse().expect("a number");
        for id in first..first + times {
            task["id"] = format!("t{id}").into();
            all.push(new_waiting(task.clone()));
        }
    }
    *waiting = all;
}

fn new_waiting(mut task: Value) -> Value {
    let number = number(&task);
    let container = json!({
        "id": format!("c{number}"), "name": "web", "image": "web", "essential": true, "cpu_units": 100,
        "memory_mib": 100, "memory_reservation_mib": 0, "bindings": []
    });
    let wish = json!({
        "definition": "web:1", "provider": "a", "group": "family:web", "overrides": "{}", "constraints": [],
        "strategies": []
    });
    under(
        &mut task,
        json!({
            "cluster": "default", "wish": wish, "reserved": {"cpu_units": 100, "memory_mib": 100, "ports": []},
            "containers": [container], "started_by": "", "tags": [], "stop_timeout_ms": 30_000,
            "enable_execute_command": false
        }),
    );
    definition_id(&mut task["wish"]["definition"]);
    task
}

fn number(task: &Value) -> String {
    let id = task["id"].as_str().expect("a task has an id");
    id.trim_start_matches('t').to_owned()
}

fn place(body: &mut Value) {
    under(
        body,
        json!({"cluster": "default", "seen_steps": 0, "seen_changes": 0, "tasks": [], "look_at": 0}),
    );
    let tasks = body["tasks"].as_array_mut().expect("tasks is a list");
    tasks.iter_mut().for_each(new_task);
}

fn new_task(task: &mut Value) {
    {
        let number = task["id"]
            .as_str()
            .expect("a task has an id")
            .trim_start_matches('t')
            .to_owned();
        let container = json!({
            "id": format!("c{number}"), "name": "web", "image": "web", "essential": true, "cpu_units": 100,
            "memory_mib": 100, "memory_reservation_mib": 0, "bindings": []
        });
        under(
            task,
            json!({
                "cluster": "default", "definition": "web:1", "instance": "i1",
                "reserved": {"cpu_units": 100, "memory_mib": 100, "ports": []}, "containers": [container],
                "group": "family:web", "started_by": "", "overrides": "{}", "tags": [],
                "launch_type": "EXTERNAL", "stop_timeout_ms": 30_000, "enable_execute_command": false
            }),
        );
        definition_id(&mut task["definition"]);
    }
}

fn instance(body: &mut Value) {
    let token = format!(
        "token of {}",
        body["id"].as_str().expect("an instance has an id")
    );
    under(
        body,
        json!({
            "returning": false, "cluster": "default", "token": token, "session": "s1", "node": 1,
            "resources": {"cpu_units": 1024, "memory_mib": 1024, "ports": []},
            "dynamic_ports": {"first": 61000, "last": 65535}, "attributes": {}, "tags": [],
            "version": {"agent_version": "0.1.0", "agent_hash": "", "docker_version": ""}, "hostname": "host"
        }),
    );
}

/// `"web"` is a service of the default cluster.
fn service_key(key: &mut Value) {
    if let Some(name) = key.as_str() {
        *key = json!({"cluster": "default", "name": name});
    }
}

/// `"deploy": [1, "web:1"]` is a deployment and what its tasks run; a strategy may follow. An update says all of the spec that is not a default.
fn service(body: &mut Value, is_new: bool) {
    let spec = json!({
        "scheduling": "Replica", "controller": "Ecs", "desired_count": 2, "minimum_percent": 100,
        "maximum_percent": 200, "grace_ms": 0, "constraints": [], "strategies": [], "rebalances": false,
        "propagates": "None", "managed_tags": false, "enable_execute_command": false, "hooks": [],
        "breaker": {
            "enabled": false, "rollback": false, "threshold": {"BoundedPercent": 50}, "reset_on_healthy_task": true
        },
    });
    under(
        body,
        json!({"key": "web", "document": "{}", "spec": spec, "deploy": null}),
    );
    if is_new {
        under(
            body,
            json!({"tags": [], "created_by": "arn:aws:iam::000000000000:user/test", "fingerprint": 1}),
        );
        let fingerprint = body["fingerprint"].as_u64().expect("a number below 256");
        body["fingerprint"] = vec![fingerprint; 32].into();
    } else {
        under(body, json!({"seen_updates": 1}));
    }
    service_key(&mut body["key"]);
    deploy(body);
}

/// `"set": 1` is a task set of `web`, `"percent": 50` its scale; otherwise it is whole. `"token": ["a", 1]` is a token and a fingerprint.
fn task_set(body: &mut Value, command: &str) {
    let members = body.as_object_mut().expect("a task set is an object");
    let percent = members.remove("percent").unwrap_or(100.into());
    let percent = percent.as_f64().expect("a number");
    let scale = json!((percent * 1_000_000.0) as u64);
    if command == "CreateTaskSet" {
        let optional = json!({"service": "web", "external_id": "", "token": null, "tags": []});
        under(body, optional);
        if let Value::Array(pair) = body["token"].clone() {
            let fingerprint = pair[1].as_u64().expect("a number below 256");
            body["token"] = json!({"token": pair[0], "fingerprint": vec![fingerprint; 32]});
        }
        body["scale"] = scale;
        service_key(&mut body["service"]);
        return deploy(body);
    }
    let id = members.remove("set").expect("which task set");
    let mut service = members.remove("service").unwrap_or("web".into());
    service_key(&mut service);
    let key = json!({"service": service, "id": id});
    match command {
        "UpdateTaskSet" => *body = json!({"key": key, "scale": scale}),
        "DeleteTaskSet" => {
            under(body, json!({"force": false}));
            body["key"] = key;
        }
        _ => *body = key,
    }
}

fn deploy(body: &mut Value) {
    if let Value::Array(pair) = body["deploy"].clone() {
        let mut definition = pair[1].clone();
        definition_id(&mut definition);
        body["deploy"] = json!({
            "id": pair[0], "document": "{}",
            "spec": {
                "definition": definition, "launch_type": "EXTERNAL", "strategy": pair.get(2).unwrap_or(&json!([]))
            }
        });
    }
}

fn step(body: &mut Value) {
    under(
        body,
        json!({
            "key": "web", "seen_steps": 1, "seen_changes": 0, "seen_losses": 0, "start": [], "stop": [], "turns": [],
            "events": [], "settled": [], "look_at": null, "wants_room": false
        }),
    );
    service_key(&mut body["key"]);
    let starts = body["start"].as_array_mut().expect("start is a list");
    starts
        .iter_mut()
        .for_each(|start| new_task(&mut start["task"]));
}

fn observe(body: &mut Value) {
    under(body, json!({"session": "s1"}));
    for task in body["tasks"].as_array_mut().expect("tasks is a list") {
        under(
            task,
            json!({
                "containers": [], "pull_started_at": null, "pull_stopped_at": null,
                "execution_stopped_at": null, "stop_code": null, "reason": ""
            }),
        );
        for container in task["containers"]
            .as_array_mut()
            .expect("containers is a list")
        {
            under(
                container,
                json!({
                    "name": "web", "runtime_id": "", "exit_code": null, "reason": "", "image_digest": "",
                    "bindings": []
                }),
            );
        }
    }
}
