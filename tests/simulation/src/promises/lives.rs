//! I8: services and their deployments go forward only, and one that is INACTIVE has nothing left.

use quorate_core::State;
use quorate_core::ids::ServiceKey;
use quorate_core::state::{Service, ServiceStatus};

use super::{Promise, Scene, Seen};

/// See the file.
#[derive(Default)]
pub(super) struct Lives;

impl Promise for Lives {
    fn see(&mut self, seen: &Seen<'_>, scene: &mut Scene<'_>) {
        let Seen::Step(step) = seen else {
            return;
        };
        let (before, after) = (&step.before, &step.after);
        for key in &step.touched.services {
            let wrong = backwards(before, after, key)
                .or_else(|| deployment_backwards(before, after, key))
                .or_else(|| leftover(after, key));
            if let Some(how) = wrong {
                let index = after.applied_index();
                scene.broken(None, format!("service {key}, index {index}: {how}"));
            }
        }
    }
}

/// Each member that only rises while the service lives, by its name.
fn counts(service: &Service) -> [(&'static str, u64); 3] {
    [
        ("updates", service.updates),
        ("steps", service.steps),
        ("losses", service.losses),
    ]
}

fn backwards(before: &State, after: &State, key: &ServiceKey) -> Option<String> {
    let old = before.service(key)?;
    let Some(new) = after.service(key) else {
        return Some("it disappeared".to_owned());
    };
    let is_another = old.fingerprint != new.fingerprint || old.created_at != new.created_at;
    if is_another {
        let was_ended = old.status != ServiceStatus::Active || old.updates + 1 < new.updates;
        return (!was_ended).then(|| "it was made again while it was ACTIVE".to_owned());
    }
    let rank = |one: &Service| match one.status {
        ServiceStatus::Active => 0,
        ServiceStatus::Draining => 1,
        ServiceStatus::Inactive => 2,
    };
    if rank(new) < rank(old) {
        let (new, old) = (new.status.as_str(), old.status.as_str());
        return Some(format!("{new} after {old}"));
    }
    let falls = counts(old).into_iter().zip(counts(new));
    let mut falls = falls.filter(|((_, old), (_, new))| new < old);
    falls
        .next()
        .map(|((what, old), (_, new))| format!("{what} {new} after {old}"))
}

fn deployment_backwards(before: &State, after: &State, key: &ServiceKey) -> Option<String> {
    before.deployments_of(key).find_map(|old| {
        let new = after.service_deployment(old.id)?;
        let is_back = new.status < old.status || old.status.is_final() && new.status != old.status;
        let (new, was) = (new.status.as_str(), old.status.as_str());
        is_back.then(|| format!("deployment {} is {new} after {was}", old.id))
    })
}

fn leftover(state: &State, key: &ServiceKey) -> Option<String> {
    let service = state.service(key)?;
    if service.status != ServiceStatus::Inactive {
        return None;
    }
    if let Some(task) = state.live_tasks_of(key).next() {
        let last = task.last.as_str();
        return Some(format!("it is INACTIVE, and task {} is {last}", task.id));
    }
    let left = service.deployments.first()?;
    Some(format!("it is INACTIVE, and has deployment {}", left.id))
}

#[cfg(test)]
mod tests {
    use quorate_core::state::{ServiceStatus, TaskStatus};

    use super::super::tests::stage::Stage;

    fn stage() -> Stage {
        let mut stage = Stage::judging("I8 services");
        stage.create_service("s0", (1, 100, 200));
        stage.show(1);
        stage
    }

    #[test]
    fn a_life_from_its_making_to_its_end_and_another_is_right() {
        let mut stage = stage();
        let task = stage.step("s0", 1, &[]).remove(0);
        stage.show(1);
        stage.delete_service("s0");
        stage.show(1);
        stage.observe_stopped(task, 0);
        stage.end_service("s0");
        stage.show(1);
        stage.create_service("s0", (2, 100, 200));
        stage.show(1);
        stage.assert_kept();
    }

    #[test]
    fn a_service_that_is_back_from_its_end_is_found() {
        let mut stage = stage();
        stage.delete_service("s0");
        stage.show(1);
        stage.forge_services(|one| one.status = ServiceStatus::Active);
        stage.show(1);
        stage.assert_broken("ACTIVE after DRAINING");
    }

    #[test]
    fn a_count_that_falls_is_found() {
        let mut stage = stage();
        stage.forge_services(|one| one.steps -= 1);
        stage.show(1);
        stage.assert_broken("steps");
    }

    #[test]
    fn a_task_of_a_service_that_has_ended_is_found() {
        let mut stage = stage();
        let task = stage.step("s0", 1, &[]).remove(0);
        stage.delete_service("s0");
        stage.observe_stopped(task, 0);
        stage.end_service("s0");
        stage.forge_tasks(|task| task.last = TaskStatus::Running);
        stage.forge_services(|one| one.losses += 1);
        stage.show(1);
        stage.assert_broken("it is INACTIVE, and task");
    }
}
