//! Task definitions: registered, deregistered. Revision numbers rise and are never given twice.

use std::sync::Arc;

use super::Desk;
use crate::command::{Change, Rejection, Reply};
use crate::documents::{DefinitionSpec, Document, Tag};
use crate::ids::{DefinitionId, Family};
use crate::state::{DefinitionStatus, TaskDefinition};

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
}
