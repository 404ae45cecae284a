//! What directories hold: names as programs see them, names as the disk keeps them, and the changes that lie between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rand::Rng;
use rand::rngs::SmallRng;

use super::content::Inode;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Directory,
    File(Inode),
}

type Table = BTreeMap<PathBuf, Entry>;

/// All names.
#[derive(Default)]
pub(super) struct Names {
    seen: Table,
    kept: Table,
    unsynced: Vec<Change>,
}

/// Names that change together or not at all: a rename is two of them.
struct Change(Vec<(PathBuf, Option<Entry>)>);

impl Change {
    fn apply(&self, to: &mut Table) {
        for (path, entry) in &self.0 {
            match entry {
                Some(entry) => to.insert(path.clone(), *entry),
                None => to.remove(path),
            };
        }
    }

    fn touches(&self, dir: &Path) -> bool {
        self.0.iter().any(|(path, _)| path.parent() == Some(dir))
    }
}

impl Names {
    /// What `path` stands for. The root is always there.
    pub(super) fn get(&self, path: &Path) -> Option<Entry> {
        if path.parent().is_none() {
            return Some(Entry::Directory);
        }
        self.seen.get(path).copied()
    }

    /// Gives a name to something, or takes one away.
    pub(super) fn set(&mut self, path: &Path, entry: Option<Entry>) {
        self.change(Change(vec![(path.to_owned(), entry)]));
    }

    /// What was called `from` is called `to` from now on.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        let entry = self.get(from);
        self.change(Change(vec![
            (to.to_owned(), entry),
            (from.to_owned(), None),
        ]));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }

    /// The names directly in a directory, sorted.
    pub(super) fn list(&self, dir: &Path) -> Vec<String> {
        let inside = self.seen.keys().filter(|path| path.parent() == Some(dir));
        let names = inside.filter_map(|path| path.file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    /// The names in a directory are on the disk.
    pub(super) fn sync(&mut self, dir: &Path) {
        let (now, later) = std::mem::take(&mut self.unsynced)
            .into_iter()
            .partition(|change| change.touches(dir));
        self.unsynced = later;
        now.iter()
            .for_each(|change: &Change| change.apply(&mut self.kept));
    }

    /// Every file that has a name, by name.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Inode> {
        let files = self.seen.iter().filter_map(|(path, entry)| match entry {
            Entry::File(inode) => Some((path.clone(), *inode)),
            Entry::Directory => None,
        });
        files.collect()
    }

    /// Every file that has a name now, or would have one if the power went.
    pub(super) fn named(&self) -> BTreeSet<Inode> {
        let lasting = self.seen.values().chain(self.kept.values()).copied();
        let changes = self.unsynced.iter().flat_map(|change| &change.0);
        let all = lasting.chain(changes.filter_map(|(_, entry)| *entry));
        all.filter_map(|entry| match entry {
            Entry::File(inode) => Some(inode),
            Entry::Directory => None,
        })
        .collect()
    }

    /// Of the changes that were not synced, each directory keeps those before a drawn one.
    pub(super) fn lose_power(&mut self, rng: &mut SmallRng) {
        let mut closed: BTreeSet<PathBuf> = BTreeSet::new();
        for change in std::mem::take(&mut self.unsynced) {
            let parents = change.0.iter().filter_map(|(path, _)| path.parent());
            let parents: Vec<PathBuf> = parents.map(Path::to_owned).collect();
            if rng.random_bool(0.5) || parents.iter().any(|parent| closed.contains(parent)) {
                closed.extend(parents);
            } else {
                change.apply(&mut self.kept);
            }
        }
        // What lies in a directory that is not there cannot be reached.
        let kept = self.kept.clone();
        self.kept.retain(|path, _| {
            let mut above = path
                .ancestors()
                .skip(1)
                .filter(|dir| dir.parent().is_some());
            above.all(|dir| kept.contains_key(dir))
        });
        self.seen.clone_from(&self.kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_rename_is_kept_whole_or_not_at_all() {
        let (dir, old, new) = (Path::new("/d"), Path::new("/d/old"), Path::new("/d/new"));
        let mut outcomes = BTreeSet::new();
        for seed in 0..50 {
            let mut names = Names::default();
            names.set(dir, Some(Entry::Directory));
            names.set(old, Some(Entry::File(1)));
            names.sync(Path::new("/"));
            names.sync(dir);
            names.rename(old, new);
            names.lose_power(&mut SmallRng::seed_from_u64(seed));
            outcomes.insert(names.list(dir));
        }
        let wanted = [vec!["new".to_owned()], vec!["old".to_owned()]];
        assert_eq!(outcomes, BTreeSet::from(wanted));
    }

    #[test]
    fn what_lies_in_a_lost_directory_is_lost() {
        let mut names = Names::default();
        names.set(Path::new("/d"), Some(Entry::Directory));
        names.set(Path::new("/d/f"), Some(Entry::File(1)));
        names.sync(Path::new("/d"));
        names.unsynced.clear();
        names.lose_power(&mut SmallRng::seed_from_u64(1));
        assert!(names.files().is_empty());
    }
}
