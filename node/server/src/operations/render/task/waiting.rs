//! A task in PROVISIONING, or one that was stopped in it: on no instance, with nothing running.

use quorate_core::Realm;
use quorate_core::command::NewContainer;
use quorate_core::state::{Health, WaitingTask};

use super::{ContainerJson, OverridesJson, TaskJson, text};

impl<'a> TaskJson<'a> {
    /// A task that waits for room, or was stopped while it did.
    pub(in super::super) fn waiting(realm: &Realm, task: &'a WaitingTask, with_tags: bool) -> Self {
        let new = &task.new;
        let (wish, stopped) = (&new.wish, task.stopped.as_ref());
        let task_arn = realm.task(&new.cluster, new.id);
        let containers = new.containers.iter();
        let containers = containers.map(|one| ContainerJson::waiting(realm, task, &task_arn, one));
        let ended_at = stopped.map(|stop| stop.at.as_epoch_seconds());
        Self {
            attachments: [],
            attributes: Vec::new(),
            availability_zone: None,
            capacity_provider_name: Some(wish.provider.as_str()),
            cluster_arn: realm.cluster(&new.cluster),
            connectivity: None,
            connectivity_at: None,
            container_instance_arn: None,
            containers: containers.collect(),
            cpu: new.reserved.cpu_units.to_string(),
            created_at: task.created_at.as_epoch_seconds(),
            desired_status: task.desired().as_str(),
            enable_execute_command: new.enable_execute_command,
            execution_stopped_at: None,
            group: &wish.group,
            health_status: Health::Unknown.as_str(),
            last_status: task.last().as_str(),
            launch_type: wish.provider.launch_type(),
            memory: new.reserved.memory_mib.to_string(),
            overrides: OverridesJson::of(
                &wish.overrides,
                new.containers.iter().map(|one| one.name.as_str()),
            ),
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            started_by: text(&new.started_by),
            stop_code: stopped.map(|stop| stop.code.as_str()),
            stopped_at: ended_at,
            stopped_reason: stopped.and_then(|stop| text(&stop.reason)),
            stopping_at: ended_at,
            tags: super::super::tags(&new.tags, with_tags),
            task_definition_arn: realm.definition(&wish.definition),
            version: task.version(),
            task_arn,
        }
    }
}

impl<'a> ContainerJson<'a> {
    fn waiting(realm: &Realm, task: &WaitingTask, task_arn: &str, new: &'a NewContainer) -> Self {
        let limit = |mib: u64| (mib > 0).then(|| mib.to_string());
        let waits = task.stopped.is_none();
        Self {
            container_arn: realm.container(&task.new.cluster, task.new.id, new.id),
            task_arn: task_arn.to_owned(),
            name: &new.name,
            image: &new.image,
            image_digest: None,
            runtime_id: None,
            last_status: if waits { "PENDING" } else { "STOPPED" },
            exit_code: None,
            reason: None,
            network_bindings: Vec::new(),
            network_interfaces: [],
            health_status: Health::Unknown.as_str(),
            cpu: new.cpu_units.to_string(),
            memory: limit(new.memory_mib),
            memory_reservation: limit(new.memory_reservation_mib),
        }
    }
}
