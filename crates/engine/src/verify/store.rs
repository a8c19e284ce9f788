//! The store, in a copy: sled cannot read its files without writing to them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wellspring_store::{Digest, SledStore, Store, StoreError};
use wellspring_types::Sequence;

use super::finding::Finding;
use super::{StoreChecked, VerifyOptions};
use crate::apply::MutationLedger;
use crate::collections::Collections;
use crate::commit::Commit;
use crate::open::{Meta, Pending, SledStores, Stores, store_directory};

/// A copy of the store, which takes from the log what it lacks.
pub(super) struct StoreCopy {
    state: State,
    directory: PathBuf,
}

enum State {
    Unused,
    /// Something before is wrong, and told.
    Skipped,
    Open(Box<Open>),
}

struct Open {
    store: Box<dyn Store>,
    ledger: MutationLedger,
    pending: Pending,
    applied: Sequence,
    /// The next commit that it takes.
    next: Sequence,
    failed: Option<StoreError>,
}

impl StoreCopy {
    pub(super) fn unused() -> StoreCopy {
        StoreCopy {
            state: State::Unused,
            directory: PathBuf::new(),
        }
    }

    /// Copies the store that META names, if the next opening would use it, and opens the copy.
    pub(super) fn open(
        data_dir: &Path,
        meta: &Meta,
        options: &VerifyOptions,
        findings: &mut Vec<Finding>,
    ) -> StoreCopy {
        let directory = store_directory(data_dir, meta.store_number);
        tell_others(&directory, findings);
        let state = State::open(&directory, meta, options, findings);
        StoreCopy { state, directory }
    }

    /// The last commit that it has; zero without it.
    pub(super) fn applied(&self) -> Sequence {
        match &self.state {
            State::Open(open) => open.applied,
            State::Unused | State::Skipped => Sequence::ZERO,
        }
    }

    /// Adds the collections that it knows.
    pub(super) fn add_collections(&self, collections: &Collections) {
        if let State::Open(open) = &self.state {
            for (id, path) in open.store.collections().unwrap_or_default() {
                collections.add(id, path);
            }
        }
    }

    /// Whether it lacks this commit, and has all before.
    pub(super) fn wants(&self, sequence: Sequence) -> bool {
        match &self.state {
            State::Open(open) => open.next == sequence && open.failed.is_none(),
            State::Unused | State::Skipped => false,
        }
    }

    pub(super) fn take(&mut self, commit: Commit) {
        if let State::Open(open) = &mut self.state {
            open.next = commit.seq.next();
            open.pending.add(commit);
            if open.pending.is_full() {
                open.apply();
            }
        }
    }

    /// Reads all of it. `expected` is what it must come to at `head`, where that is known.
    pub(super) fn end(
        self,
        (oldest, head): (Sequence, Sequence),
        expected: Option<Digest>,
        findings: &mut Vec<Finding>,
    ) -> StoreChecked {
        let mut open = match self.state {
            State::Unused => return StoreChecked::Unused,
            State::Skipped => return StoreChecked::Skipped,
            State::Open(open) => open,
        };
        let file = self.directory;
        if open.applied.next() < oldest {
            let applied = open.applied;
            findings.push(Finding::StoreBehind { file, applied });
            return StoreChecked::Unused;
        }
        open.apply();
        if open.failed.is_none() && open.next != head.next() {
            // The log lacks what it would have to take, or ends before it: that is told.
            return StoreChecked::Skipped;
        }
        let scrubbed = match open.failed.take() {
            Some(error) => Err(error),
            None => open.store.scrub(),
        };
        match scrubbed {
            Ok(scrub) if scrub.matches() && expected.is_none_or(|wanted| wanted == scrub.found) => {
                StoreChecked::Checked {
                    documents: scrub.documents,
                }
            }
            Ok(_) => {
                let error = StoreError::Wrong;
                findings.push(Finding::Store { file, error });
                StoreChecked::Skipped
            }
            Err(error) => {
                findings.push(Finding::Store { file, error });
                StoreChecked::Skipped
            }
        }
    }
}

impl Open {
    fn apply(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.pending.apply(&*self.store, &mut self.ledger)
        {
            self.failed = Some(error);
        }
    }
}

impl State {
    fn open(
        directory: &Path,
        meta: &Meta,
        options: &VerifyOptions,
        findings: &mut Vec<Finding>,
    ) -> State {
        let file = directory.to_owned();
        if !directory.exists() {
            // Before the first commit there is none, and after a restore.
            if meta.clean_close || meta.stamp.is_some() {
                findings.push(Finding::StoreMissing { file });
            }
            return State::Unused;
        }
        let is_same = meta.stamp.is_some() && meta.stamp == SledStores.stamp(directory);
        if !meta.clean_close && !is_same {
            findings.push(Finding::StoreUntrusted { file });
            return State::Unused;
        }
        let copied = options.scratch.join("store");
        if let Err((file, source)) = copy(directory, &copied) {
            findings.push(Finding::Unreadable { file, source });
            return State::Skipped;
        }
        let cache_bytes = options.cache_bytes;
        match SledStore::open(&copied, wellspring_store::Options { cache_bytes }) {
            Ok(store) => {
                let applied = store.applied();
                State::Open(Box::new(Open {
                    // Nothing is forgotten that the store has not forgotten: it is not asked for.
                    ledger: MutationLedger::new(applied.mutations, u64::MAX),
                    store: Box::new(store),
                    pending: Pending::default(),
                    applied: applied.sequence,
                    next: applied.sequence.next(),
                    failed: None,
                }))
            }
            Err(error) => {
                findings.push(Finding::Store { file, error });
                State::Skipped
            }
        }
    }
}

/// Tells of stores that are not the current one.
fn tell_others(current: &Path, findings: &mut Vec<Finding>) {
    let Some(entries) = current.parent().and_then(|all| fs::read_dir(all).ok()) else {
        return;
    };
    let mut others: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    others.retain(|path| path != current);
    others.sort_unstable();
    let left = |file| Finding::Files(wellspring_log::Finding::LeftOver { file });
    findings.extend(others.into_iter().map(left));
}

/// Copies a directory and what is in it; on failure, which file it was.
fn copy(from: &Path, to: &Path) -> Result<(), (PathBuf, io::Error)> {
    let of = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    fs::create_dir(to).map_err(of(to))?;
    for entry in fs::read_dir(from).map_err(of(from))? {
        let path = entry.map_err(of(from))?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        let target = to.join(name);
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(of(&path))?;
        }
    }
    Ok(())
}
