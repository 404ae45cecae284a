//! The tags of whatever has some, in one place.

use super::State;
use crate::command::Tagged;
use crate::documents::Tags;

impl State {
    /// Its tags; `None` where there is no such resource.
    #[must_use]
    pub fn tags_of(&self, resource: &Tagged) -> Option<&Tags> {
        match resource {
            Tagged::Cluster(name) => self.cluster(name).map(|one| &one.tags),
            Tagged::Definition(id) => self.definition(id).map(|one| &one.tags),
            Tagged::Instance(id) => self.instance(id).map(|one| &one.tags),
            Tagged::Task(id) => {
                let waiting = || self.waiting_task(id).map(|one| &one.new.tags);
                self.task(id).map(|one| &one.tags).or_else(waiting)
            }
            Tagged::Service(key) => self.service(key).map(|one| &one.tags),
            Tagged::TaskSet(key) => {
                let set = self.service(&key.service)?.task_set(key.id);
                set.map(|(_, set)| &set.tags)
            }
            Tagged::Provider(name) => self.provider(name).map(|one| &one.tags),
        }
    }
}
