//! Tags, put and taken away. They decide nothing: what is touched is so for whoever watches.

use super::Desk;
use crate::command::{Change, Rejection, Reply, Tagged};
use crate::documents::tags::{TAGS_MAX, is_reserved};
use crate::documents::{Tag, Tags};

impl Desk<'_> {
    /// A key that is there gets the new value.
    pub(super) fn tag(&mut self, resource: &Tagged, new: &[Tag]) -> Result<Reply, Rejection> {
        self.change_tags(resource, |tags| {
            for tag in new {
                match tags.iter_mut().find(|one| one.key == tag.key) {
                    Some(known) => known.value.clone_from(&tag.value),
                    None => tags.push(tag.clone()),
                }
            }
        })
    }

    /// A key that is not there is no error.
    pub(super) fn untag(&mut self, resource: &Tagged, keys: &[String]) -> Result<Reply, Rejection> {
        self.change_tags(resource, |tags| tags.retain(|one| !keys.contains(&one.key)))
    }

    fn change_tags(
        &mut self,
        resource: &Tagged,
        change: impl FnOnce(&mut Tags),
    ) -> Result<Reply, Rejection> {
        let before = self.state.tags_of(resource);
        let before = before.ok_or_else(|| Rejection::TaggedNotFound(resource.clone()))?;
        let mut tags = before.clone();
        change(&mut tags);
        // Those that ECS puts there itself are not counted (its quota "Tags per resource").
        if tags.iter().filter(|tag| !is_reserved(&tag.key)).count() > TAGS_MAX {
            return Err(Rejection::TooManyTags(resource.clone()));
        }
        if tags != *before {
            self.put_tags(resource, tags);
        }
        Ok(Reply::Done)
    }

    fn put_tags(&mut self, resource: &Tagged, tags: Tags) {
        match resource {
            Tagged::Cluster(name) => {
                if let Some(mut cluster) = self.state.cluster(name).cloned() {
                    cluster.tags = tags;
                    self.state.put_cluster(cluster);
                    self.touch(Change::Cluster(name.clone()));
                }
            }
            Tagged::Definition(id) => {
                if let Some(mut definition) = self.state.definition(id).cloned() {
                    definition.tags = tags;
                    self.state.put_definition(definition);
                    self.touch(Change::Definition(id.clone()));
                }
            }
            Tagged::Instance(id) => {
                if let Some(mut instance) = self.state.instance(id).cloned() {
                    instance.tags = tags;
                    self.put_instance(instance);
                    self.touch(Change::Instance(*id));
                }
            }
            Tagged::Task(id) => {
                if let Some(mut task) = self.state.task(id).cloned() {
                    task.tags = tags;
                    let instance = task.instance;
                    self.put_task(task);
                    self.touch(Change::Task {
                        task: *id,
                        instance,
                    });
                } else if let Some(mut waiting) = self.state.waiting_task(id).cloned() {
                    waiting.new.tags = tags;
                    self.put_waiting(waiting);
                    self.touch(Change::Waiting(*id));
                }
            }
            Tagged::Service(key) => {
                if let Some(mut service) = self.state.service(key).cloned() {
                    service.tags = tags;
                    self.put_service(service);
                    self.touch(Change::Service(key.clone()));
                }
            }
            Tagged::TaskSet(key) => {
                if let Some(mut service) = self.state.service(&key.service).cloned() {
                    let mut deployments = service.deployments.iter_mut();
                    let deployment = deployments.find(|one| one.id == key.id);
                    if let Some(set) = deployment.and_then(|one| one.set.as_mut()) {
                        set.tags = tags;
                    }
                    self.put_service(service);
                    self.touch(Change::Service(key.service.clone()));
                }
            }
            Tagged::Provider(name) => {
                if let Some(mut provider) = self.state.provider(name).cloned() {
                    provider.tags = tags;
                    self.state.put_provider(provider);
                    self.touch(Change::Provider(name.clone()));
                }
            }
        }
    }
}
