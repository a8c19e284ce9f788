//! A directory: its names now, those that are durable, and what lies between the two.

use std::collections::BTreeMap;

use wellspring_testkit::random::Random;

use super::survival::Survival;

/// Names a file or directory in the simulated disk.
pub(super) type Inode = usize;

/// A change of a directory that is not synced.
#[derive(Clone, Debug)]
enum Edit {
    Set(String, Inode),
    Remove(String),
    Rename(String, String, Inode),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    names: BTreeMap<String, Inode>,
    durable: BTreeMap<String, Inode>,
    pending: Vec<Edit>,
}

impl Directory {
    pub(super) fn get(&self, name: &str) -> Option<Inode> {
        self.names.get(name).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&String, Inode)> {
        self.names.iter().map(|(name, inode)| (name, *inode))
    }

    pub(super) fn set(&mut self, name: &str, inode: Inode) {
        self.edit(Edit::Set(name.to_owned(), inode));
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.edit(Edit::Remove(name.to_owned()));
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(inode) = self.get(from) {
            self.edit(Edit::Rename(from.to_owned(), to.to_owned(), inode));
        }
    }

    fn edit(&mut self, edit: Edit) {
        edit.apply(&mut self.names);
        self.pending.push(edit);
    }

    pub(super) fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.names);
    }

    /// What a power cut leaves: what is durable, and of the rest what `survival` says. Each edit is
    /// there whole or not at all, but not necessarily those before it.
    pub(super) fn power_cut(&mut self, survival: Survival, random: &mut Random) {
        let mut names = std::mem::take(&mut self.durable);
        let kept = survival.choose(self.pending.len(), random);
        for (edit, kept) in self.pending.drain(..).zip(kept) {
            if kept {
                edit.apply(&mut names);
            }
        }
        self.names.clone_from(&names);
        self.durable = names;
    }
}

impl Edit {
    fn apply(&self, names: &mut BTreeMap<String, Inode>) {
        match self {
            Edit::Set(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Edit::Remove(name) => {
                names.remove(name);
            }
            Edit::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}
