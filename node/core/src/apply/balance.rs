//! Moves of a service's tasks that begin and end; and who looks when an instance comes.

use super::Desk;
use crate::command::Change;
use crate::ids::{InstanceId, ServiceKey};
use crate::state::{Instance, MOVES_WINDOW_MS, Moving, Service, Task};
use crate::time::Millis;

/// How long after an instance came the services that it could help look at it: instances that come together are seen together.
const COMPANY_MS: u64 = 5_000;

impl Desk<'_> {
    /// Whether a move of the service's may begin with this task.
    pub(super) fn may_leave(&self, service: &Service, moving: &Moving) -> bool {
        let of_service = |task: &Task| task.service_key().as_ref() == Some(&service.key);
        let task = self.state.task(&moving.from);
        service.balance.moving.is_none()
            && task.is_some_and(|task| of_service(task) && task.holds_resources())
    }

    pub(super) fn begin_move(&self, service: &mut Service, moving: Moving) {
        let balance = &mut service.balance;
        balance.moving = Some(moving);
        let is_counted = |at: &Millis| self.now.since_ms(*at) < MOVES_WINDOW_MS;
        balance.began_at.retain(is_counted);
        balance.began_at.push(self.now);
    }

    /// An instance is there, or has changed: where it takes tasks that it did not take as it was, services whose tasks crowd look at it.
    pub(super) fn welcome(&mut self, before: Option<&Instance>, id: InstanceId) {
        let Some(now) = self.state.instance(&id) else {
            return;
        };
        let is_as_before = before.is_some_and(|before| {
            before.takes_tasks()
                && before.registered == now.registered
                && before.all_attributes() == now.all_attributes()
        });
        if !now.takes_tasks() || is_as_before {
            return;
        }
        let cluster = now.cluster.clone();
        let ground = self.state.ground(&cluster);
        let zone = ground.and_then(|ground| ground.zones.get(now.zone()));
        let is_new_zone = zone.is_none_or(|zone| zone.size() == 1);
        let movers = self.state.movers_in(&cluster, is_new_zone);
        let movers: Vec<ServiceKey> = movers.map(|service| service.key.clone()).collect();
        for key in movers {
            let Some(mut service) = self.state.service(&key).cloned() else {
                continue;
            };
            let soon = self.now.plus_ms(COMPANY_MS);
            service.balance.is_stirred = true;
            service.changes += 1;
            service.look_at = Some(service.look_at.map_or(soon, |at| at.min(soon)));
            self.touch(Change::Service(key));
            self.put_service(service);
        }
    }
}
