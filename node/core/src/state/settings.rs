//! Account settings, as somebody set them.

use super::State;

impl State {
    /// What a principal (ARN) set, or the account's default without one; `None` where nobody set anything.
    #[must_use]
    pub fn setting(&self, principal: Option<&str>, name: &str) -> Option<&str> {
        let key = (principal.unwrap_or_default().to_owned(), name.to_owned());
        self.settings.get(&key).map(String::as_str)
    }
}
