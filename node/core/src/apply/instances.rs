//! Container instances: registered, connected, disconnected, deregistered, lost.

use std::sync::Arc;

use quorate_bugs::{Bug, is_seeded};

use super::Desk;
use crate::command::{Change, NewInstance, Rejection, Reply};
use crate::ids::{InstanceId, SessionId};
use crate::state::{Instance, InstanceStatus, Resources, StopCode};

/// stoppedReason of tasks whose instance was lost.
pub(super) const LOST_REASON: &str =
    "Container instance lost: its agent was not heard from for too long.";
/// stoppedReason of tasks whose instance was deregistered by force.
pub(super) const DEREGISTERED_REASON: &str = "Container instance deregistered.";

impl Desk<'_> {
    /// A first registration makes an instance; a repeated one (same token) and a returning one find theirs.
    pub(super) fn register_instance(&mut self, new: &NewInstance) -> Result<Reply, Rejection> {
        self.active_cluster(&new.cluster)?;
        let by_token = self.state.index.instances_by_token.get(&new.token).copied();
        let known = if new.returning {
            Some(new.id)
        } else {
            by_token
        };
        let before = known.and_then(|id| self.state.instance(&id).cloned());
        let instance = match known {
            // Its id was minted for another before: it comes again, and is minted the next.
            None if self.state.instance(&new.id).is_some() => {
                return Err(Rejection::StaleSession(new.id));
            }
            None => self.new_instance(new),
            Some(id) => self.returning_instance(id, new)?,
        };
        let reply = Reply::Instance {
            id: instance.id,
            incarnation: instance.incarnation,
        };
        let id = instance.id;
        self.touch(Change::Instance(id));
        self.put_instance(instance);
        self.stir_followers(&new.cluster);
        self.welcome(before.as_ref(), id);
        Ok(reply)
    }

    fn new_instance(&self, new: &NewInstance) -> Instance {
        Instance {
            id: new.id,
            cluster: new.cluster.clone(),
            status: InstanceStatus::Active,
            connected: true,
            session: new.session,
            node: new.node,
            incarnation: 1,
            token: new.token.clone(),
            registered: new.resources.clone(),
            reserved: Resources::default(),
            dynamic_ports: new.dynamic_ports,
            dynamic_cursor: new.dynamic_ports.last,
            is_overcommitted: false,
            attributes: Arc::new(new.attributes.clone()),
            custom_attributes: Arc::default(),
            tags: new.tags.clone(),
            version: new.version.clone(),
            hostname: new.hostname.clone(),
            registered_at: self.now,
            connection_changed_at: self.now,
            change_count: 1,
        }
    }

    fn returning_instance(&self, id: InstanceId, new: &NewInstance) -> Result<Instance, Rejection> {
        let mut instance = self
            .state
            .instance(&id)
            .cloned()
            .ok_or(Rejection::InstanceNotFound(id))?;
        if instance.status == InstanceStatus::Inactive {
            return Err(Rejection::InstanceInactive(id));
        }
        if instance.cluster != new.cluster {
            return Err(Rejection::InstanceElsewhere {
                instance: id,
                cluster: instance.cluster,
            });
        }
        if !instance.connected {
            instance.connected = true;
            instance.connection_changed_at = self.now;
        }
        instance.session = new.session;
        instance.node = new.node;
        instance.registered = new.resources.clone();
        instance
            .registered
            .ports
            .retain(|port| !instance.reserved.ports.contains(port));
        instance.dynamic_ports = new.dynamic_ports;
        instance.attributes = Arc::new(new.attributes.clone());
        instance.version = new.version.clone();
        instance.hostname.clone_from(&new.hostname);
        instance.is_overcommitted = instance.exceeds();
        instance.change_count += 1;
        Ok(instance)
    }

    pub(super) fn disconnect(
        &mut self,
        id: InstanceId,
        session: SessionId,
    ) -> Result<Reply, Rejection> {
        let mut instance = self.instance_in_session(id, session)?;
        if instance.connected {
            self.cut_off(&mut instance);
            self.put_instance(instance);
            self.touch(Change::Instance(id));
        }
        Ok(Reply::Done)
    }

    /// Its agent's stream stands no more, or did not stand before.
    fn cut_off(&self, instance: &mut Instance) {
        if instance.connected {
            instance.connected = false;
            instance.connection_changed_at = self.now;
        }
        instance.change_count += 1;
    }

    pub(super) fn deregister_instance(
        &mut self,
        id: InstanceId,
        force: bool,
    ) -> Result<Reply, Rejection> {
        let instance = self
            .state
            .instance(&id)
            .ok_or(Rejection::InstanceNotFound(id))?;
        if instance.status == InstanceStatus::Inactive {
            return Err(Rejection::InstanceInactive(id));
        }
        if !force && self.state.live_tasks_on(&id).next().is_some() {
            return Err(Rejection::InstanceHasTasks(id));
        }
        self.give_up_tasks(id, StopCode::TerminationNotice, DEREGISTERED_REASON);
        let mut instance = self
            .state
            .instance(&id)
            .cloned()
            .expect("looked up above, and never removed");
        instance.status = InstanceStatus::Inactive;
        self.cut_off(&mut instance);
        let (incarnation, cluster) = (instance.incarnation, instance.cluster.clone());
        self.put_instance(instance);
        self.stir_followers(&cluster);
        self.touch(Change::Instance(id));
        Ok(Reply::Instance { id, incarnation })
    }

    /// Once lost, an instance cannot be lost again before its agent comes back.
    pub(super) fn lose_instance(
        &mut self,
        id: InstanceId,
        session: SessionId,
    ) -> Result<Reply, Rejection> {
        let mut instance = self.instance_in_session(id, session)?;
        let has_tasks = self.state.live_tasks_on(&id).next().is_some();
        if !instance.connected && !has_tasks {
            return Ok(Reply::Done);
        }
        instance.incarnation += u64::from(has_tasks);
        self.cut_off(&mut instance);
        self.put_instance(instance);
        self.give_up_tasks(id, StopCode::InfrastructureHealth, LOST_REASON);
        self.touch(Change::Instance(id));
        Ok(Reply::Done)
    }

    /// The instance, if `session` is still its newest.
    pub(super) fn instance_in_session(
        &self,
        id: InstanceId,
        session: SessionId,
    ) -> Result<Instance, Rejection> {
        let instance = self
            .state
            .instance(&id)
            .cloned()
            .ok_or(Rejection::InstanceNotFound(id))?;
        if instance.status == InstanceStatus::Inactive {
            return Err(Rejection::InstanceInactive(id));
        }
        if instance.session != session && !is_seeded(Bug::OlderSessionObeyed) {
            return Err(Rejection::StaleSession(id));
        }
        Ok(instance)
    }

    /// Ends all tasks of an instance here and now, without its agent.
    fn give_up_tasks(&mut self, id: InstanceId, code: StopCode, reason: &str) {
        let given_up: Vec<_> = self.state.live_tasks_on(&id).map(|task| task.id).collect();
        for task in given_up {
            self.end_task(task, code, reason);
        }
    }
}
