//! Task definitions: registered, deregistered, deleted. Revision numbers rise and are never given twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Desk;
use crate::command::{Change, Rejection, Reply};
use crate::documents::{DefinitionSpec, Document, Tag};
use crate::ids::{DefinitionId, Family};
use crate::state::{DefinitionStatus, Service, ServiceStatus, TaskDefinition};

/// A definition to be deleted that was still used is looked at again after this long.
const PURGE_AGAIN_MS: u64 = 60_000;

impl Desk<'_> {
    pub(super) fn register_definition(
        &mut self,
        family: &Family,
        document: &Document,
        spec: &Arc<DefinitionSpec>,
        tags: &[Tag],
        registered_by: &str,
    ) -> Result<Reply, Rejection> {
        let mut record = self.state.families.get(family).copied().unwrap_or_default();
        record.last_revision += 1;
        record.active_count += 1;
        let id = DefinitionId {
            family: family.clone(),
            revision: record.last_revision,
        };
        self.state.put_family(family.clone(), record);
        self.state.put_definition(TaskDefinition {
            id: id.clone(),
            status: DefinitionStatus::Active,
            document: document.clone(),
            spec: Arc::clone(spec),
            tags: tags.to_vec(),
            registered_at: self.now,
            registered_by: registered_by.to_owned(),
            deregistered_at: None,
            delete_requested_at: None,
            purge_at: None,
        });
        self.touch(Change::Definition(id.clone()));
        Ok(Reply::Definition(id))
    }

    /// Repeating it is no error: the revision stays INACTIVE, with its first time.
    pub(super) fn deregister_definition(&mut self, id: &DefinitionId) -> Result<Reply, Rejection> {
        let definition = self
            .state
            .definition(id)
            .ok_or_else(|| Rejection::DefinitionNotFound(id.clone()))?;
        if definition.status == DefinitionStatus::Active {
            let mut definition = definition.clone();
            definition.status = DefinitionStatus::Inactive;
            definition.deregistered_at = Some(self.now);
            let mut record = self
                .state
                .families
                .get(&id.family)
                .copied()
                .expect("a revision's family is recorded with it");
            record.active_count -= 1;
            self.state.put_family(id.family.clone(), record);
            self.state.put_definition(definition);
            self.touch(Change::Definition(id.clone()));
        }
        Ok(Reply::Definition(id.clone()))
    }

    /// Those that are INACTIVE, or were asked for before, are in the reply.
    pub(super) fn delete_definitions(&mut self, ids: &[DefinitionId]) -> Reply {
        let mut done = Vec::new();
        for id in ids {
            let Some(definition) = self.state.definition(id) else {
                continue;
            };
            if definition.status == DefinitionStatus::Inactive {
                let mut definition = definition.clone();
                definition.status = DefinitionStatus::DeleteInProgress;
                definition.delete_requested_at = Some(self.now);
                definition.purge_at = Some(self.now);
                self.state.put_definition(definition);
                self.touch(Change::Definition(id.clone()));
            } else if definition.status == DefinitionStatus::Active {
                continue;
            }
            done.push(id.clone());
        }
        Reply::Definitions(done)
    }

    /// One walk over what may use a definition serves all that are due.
    pub(super) fn purge_definitions(&mut self) -> Reply {
        let due: Vec<DefinitionId> = self.state.deletions_due(self.now).cloned().collect();
        if due.is_empty() {
            return Reply::Done;
        }
        let used = self.used_definitions();
        for id in due {
            if used.contains(&id) {
                let definition = self.state.definition(&id).cloned();
                if let Some(mut definition) = definition {
                    definition.purge_at = Some(self.now.plus_ms(PURGE_AGAIN_MS));
                    self.state.put_definition(definition);
                }
            } else {
                self.state.remove_definition(&id);
                self.touch(Change::Definition(id));
            }
        }
        Reply::Done
    }

    /// By tasks as long as they are shown, and by services that have not ended.
    fn used_definitions(&self) -> BTreeSet<DefinitionId> {
        let tasks = self.state.tasks().map(|task| &task.definition);
        let waiting = self.state.waiting_tasks();
        let waiting = waiting.map(|task| &task.new.wish.definition);
        let of_service = |service: &'_ Service| {
            let listed = service.deployments.iter().map(|one| one.id);
            let others = service.completed.into_iter().chain(service.primary_set);
            listed.chain(others).collect::<Vec<_>>()
        };
        let live = self.state.services();
        let live = live.filter(|one| one.status != ServiceStatus::Inactive);
        let revisions = live.flat_map(of_service);
        let revisions = revisions.filter_map(|id| self.state.revision(id));
        let services = revisions.map(|revision| &revision.spec.definition);
        tasks.chain(waiting).chain(services).cloned().collect()
    }
}
