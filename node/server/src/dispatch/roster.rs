//! Which conversations stand on this node, and what changed for each since it looked last.
//!
//! Wake-ups are summaries, not a queue: each conversation has one set of touched tasks, and past a limit the word "everything".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_core::Change;
use quorate_core::ids::{InstanceId, TaskId};
use tokio::sync::Notify;

/// Touched tasks remembered for one conversation; beyond that looking at all tasks of the instance is cheaper.
const TASKS_NOTED: usize = 1000;

/// What changed for one conversation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Nobody knows what: look at everything.
    pub(super) everything: bool,
    /// The instance itself.
    pub(super) instance: bool,
    /// The members of the control plane.
    pub(super) nodes: bool,
    /// Tasks of the instance.
    pub(super) tasks: BTreeSet<TaskId>,
}

impl News {
    fn note(&mut self, task: TaskId) {
        if self.tasks.len() < TASKS_NOTED {
            self.tasks.insert(task);
        } else {
            self.everything = true;
        }
    }
}

/// The conversations on this node. Clones share the list.
#[derive(Clone, Default)]
pub(super) struct Roster(Arc<Mutex<BTreeMap<InstanceId, Vec<Arc<Mailbox>>>>>);

#[derive(Default)]
struct Mailbox {
    news: Mutex<News>,
    came: Notify,
}

impl Mailbox {
    fn put(&self, write: impl FnOnce(&mut News)) {
        write(&mut self.news.lock());
        self.came.notify_one();
    }
}

impl Roster {
    /// Enters a conversation with the agent of `instance`; it leaves with the value that is returned.
    pub(super) fn enter(&self, instance: InstanceId) -> Entered {
        let mailbox = Arc::new(Mailbox::default());
        let mut list = self.0.lock();
        list.entry(instance).or_default().push(Arc::clone(&mailbox));
        metrics::gauge!("quorate_agents_connected").increment(1.0);
        Entered {
            roster: self.clone(),
            instance,
            mailbox,
        }
    }

    /// Tells each conversation which of `changes` are its own.
    pub(super) fn tell(&self, changes: &[Change]) {
        let list = self.0.lock();
        let at = |instance: &InstanceId| list.get(instance).into_iter().flatten();
        for change in changes {
            match change {
                Change::Task { task, instance } => {
                    at(instance).for_each(|mailbox| mailbox.put(|news| news.note(*task)));
                }
                Change::Instance(instance) => {
                    at(instance).for_each(|mailbox| mailbox.put(|news| news.instance = true));
                }
                Change::Node(_) => {
                    let all = list.values().flatten();
                    all.for_each(|mailbox| mailbox.put(|news| news.nodes = true));
                }
                Change::Cluster(_)
                | Change::Definition(_)
                | Change::Service(_)
                | Change::Provider(_)
                | Change::Waiting(_) => {}
            }
        }
    }

    /// Tells all conversations that anything may have changed.
    pub(super) fn tell_all(&self) {
        let list = self.0.lock();
        let all = list.values().flatten();
        all.for_each(|mailbox| mailbox.put(|news| news.everything = true));
    }
}

/// A conversation's place in the roster.
pub(super) struct Entered {
    roster: Roster,
    instance: InstanceId,
    mailbox: Arc<Mailbox>,
}

impl Entered {
    /// Waits for news, and takes all there is. Dropping the future loses nothing.
    pub(super) async fn news(&self) -> News {
        loop {
            self.mailbox.came.notified().await;
            let news = std::mem::take(&mut *self.mailbox.news.lock());
            if news != News::default() {
                return news;
            }
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut list = self.roster.0.lock();
        if let Some(mailboxes) = list.get_mut(&self.instance) {
            mailboxes.retain(|mailbox| !Arc::ptr_eq(mailbox, &self.mailbox));
            if mailboxes.is_empty() {
                list.remove(&self.instance);
            }
        }
        metrics::gauge!("quorate_agents_connected").decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(number: u128, instance: u128) -> Change {
        Change::Task {
            task: TaskId::from_u128(number),
            instance: InstanceId::from_u128(instance),
        }
    }

    #[tokio::test]
    async fn each_conversation_hears_what_is_its_own_and_all_of_it_at_once() {
        let roster = Roster::default();
        let mine = roster.enter(InstanceId::from_u128(1));
        let other = roster.enter(InstanceId::from_u128(2));
        roster.tell(&[task(7, 1), task(8, 2)]);
        roster.tell(&[task(9, 1), Change::Instance(InstanceId::from_u128(1))]);
        let news = mine.news().await;
        let tasks: Vec<_> = news.tasks.iter().map(|id| id.as_u128()).collect();
        assert_eq!(
            (tasks, news.instance, news.everything),
            (vec![7, 9], true, false)
        );
        assert_eq!(other.news().await.tasks.len(), 1);
    }

    #[tokio::test]
    async fn too_much_news_becomes_everything() {
        let roster = Roster::default();
        let mine = roster.enter(InstanceId::from_u128(1));
        let changes: Vec<_> = (0..=TASKS_NOTED as u128).map(|n| task(n, 1)).collect();
        roster.tell(&changes);
        assert!(mine.news().await.everything);
        roster.tell_all();
        assert!(mine.news().await.everything);
    }

    #[test]
    fn who_left_is_not_in_the_list() {
        let roster = Roster::default();
        let (old, new) = (
            roster.enter(InstanceId::from_u128(1)),
            roster.enter(InstanceId::from_u128(1)),
        );
        drop(old);
        assert_eq!(roster.0.lock().values().flatten().count(), 1);
        drop(new);
        assert!(roster.0.lock().is_empty());
    }
}
