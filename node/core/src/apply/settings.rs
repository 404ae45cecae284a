//! Account settings, put and deleted.

use super::Desk;
use crate::command::Reply;

impl Desk<'_> {
    /// Without a value: back to the account's default, or ECS's.
    pub(super) fn put_setting(
        &mut self,
        principal: Option<&str>,
        name: &str,
        value: Option<&str>,
    ) -> Reply {
        let key = (principal.unwrap_or_default().to_owned(), name.to_owned());
        let told = match value {
            Some(value) => {
                self.state.settings.insert_mut(key, value.to_owned());
                Some(value.to_owned())
            }
            None => {
                let before = self.state.settings.get(&key).cloned();
                self.state.settings.remove_mut(&key);
                before
            }
        };
        Reply::Setting {
            principal: principal.map(str::to_owned),
            name: name.to_owned(),
            value: told,
        }
    }
}
