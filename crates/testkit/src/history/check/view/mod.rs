//! What each view should have shown: its changes and its documents, worked out from the log.

mod claims;

use std::collections::{HashMap, HashSet};

use wellspring_types::{Data, Object};

pub(super) use claims::{Claim, Contents, check_claims};

use crate::history::DocumentHash;
use crate::history::load::{Fault, InputError};
use crate::history::model::{
    Held, History, Image, LoggedChange, LoggedCommit, Name, Place, ViewOf,
};
use crate::history::record::Op;

/// One view through time.
#[derive(Debug, Default)]
pub(super) struct ViewLog {
    /// Its changes, by sequence, then by path.
    pub(super) changes: Vec<ViewChange>,
    /// Its documents just before the oldest commit of the log.
    base: Vec<(Name, Held)>,
}

/// A change as a view sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ViewChange {
    pub(super) seq: u64,
    pub(super) path: Name,
    pub(super) op: Op,
    pub(super) old: Option<DocumentHash>,
    pub(super) new: Option<DocumentHash>,
    /// The commit's.
    pub(super) place: Place,
    pub(super) shown: Shown,
}

/// Whether a change is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Sent,
    /// Nothing that was selected has changed.
    OnlyVersion,
}

impl ViewLog {
    /// The changes after `from`, through `to`.
    pub(super) fn between(&self, from: u64, to: u64) -> &[ViewChange] {
        let start = self.changes.partition_point(|change| change.seq <= from);
        let end = self.changes.partition_point(|change| change.seq <= to);
        self.changes.get(start..end).unwrap_or_default()
    }

    pub(super) fn find(&self, seq: u64, path: Name) -> Option<&ViewChange> {
        let key = (seq, path);
        let index = self
            .changes
            .partition_point(|change| (change.seq, change.path) < key);
        let found = self.changes.get(index)?;
        ((found.seq, found.path) == key && found.shown == Shown::Sent).then_some(found)
    }
}

/// Every view of the history, in one pass over the log: a document is parsed once for all of them.
pub(super) fn evaluate(history: &History) -> Result<Vec<ViewLog>, InputError> {
    let mut by_collection: HashMap<Name, Vec<usize>> = HashMap::new();
    for (index, view) in history.views.iter().enumerate() {
        by_collection
            .entry(view.collection)
            .or_default()
            .push(index);
    }
    let mut evaluation = Evaluation {
        history,
        by_collection,
        logs: history.views.iter().map(|_| ViewLog::default()).collect(),
        touched: HashSet::new(),
    };
    for commit in &history.commits {
        for change in &commit.changes {
            evaluation.change(commit, change)?;
        }
    }
    evaluation.untouched()?;
    for log in &mut evaluation.logs {
        log.changes.sort_by_key(|change| (change.seq, change.path));
    }
    Ok(evaluation.logs)
}

struct Evaluation<'h> {
    history: &'h History,
    by_collection: HashMap<Name, Vec<usize>>,
    logs: Vec<ViewLog>,
    /// Documents that the log changes, where it begins later than the database.
    touched: HashSet<Name>,
}

/// A document, parsed where some view looks into it.
struct Looked<'h> {
    image: &'h Image,
    object: Option<Object>,
}

impl<'h> Evaluation<'h> {
    fn change(
        &mut self,
        commit: &LoggedCommit,
        change: &'h LoggedChange,
    ) -> Result<(), InputError> {
        let (history, path) = (self.history, change.document.path);
        let Some(views) = self.by_collection.get(&change.document.collection) else {
            return Ok(());
        };
        let is_first = history.dump.oldest > 1 && self.touched.insert(path);
        let look = |image: Option<&'h Image>| {
            let look = |image| look(history, views, image, commit.place);
            image.map(look).transpose()
        };
        let (old, new) = (look(change.old.as_ref())?, look(change.new.as_ref())?);
        for &index in views {
            let view = &history.views[index];
            let old = old.as_ref().and_then(|document| show(view, document));
            let new = new.as_ref().and_then(|document| show(view, document));
            if let Some(hash) = old.filter(|_| is_first) {
                let version = change.prev_version;
                self.logs[index].base.push((path, Held { version, hash }));
            }
            let op = match (old, new) {
                (None, None) => continue,
                (None, Some(_)) => Op::Insert,
                (Some(_), Some(_)) => Op::Update,
                (Some(_), None) => Op::Delete,
            };
            let is_hidden = op == Op::Update && view.select.is_some() && old == new;
            self.logs[index].changes.push(ViewChange {
                seq: commit.seq,
                path,
                op,
                old,
                new,
                place: commit.place,
                shown: if is_hidden {
                    Shown::OnlyVersion
                } else {
                    Shown::Sent
                },
            });
        }
        Ok(())
    }

    /// Documents that were there before the log's oldest commit and have not changed since.
    fn untouched(&mut self) -> Result<(), InputError> {
        let history = self.history;
        if history.dump.oldest <= 1 {
            return Ok(());
        }
        for state in &history.states {
            let Some(views) = self.by_collection.get(&state.document.collection) else {
                continue;
            };
            if self.touched.contains(&state.document.path) {
                continue;
            }
            let document = look(history, views, &state.image, state.place)?;
            for &index in views {
                if let Some(hash) = show(&history.views[index], &document) {
                    let version = state.version;
                    let held = Held { version, hash };
                    self.logs[index].base.push((state.document.path, held));
                }
            }
        }
        Ok(())
    }
}

fn look<'h>(
    history: &History,
    views: &[usize],
    image: &'h Image,
    place: Place,
) -> Result<Looked<'h>, InputError> {
    let mut views = views.iter().map(|index| &history.views[*index]);
    let Some(inside) = views.find(|view| view.filter.is_some() || view.select.is_some()) else {
        return Ok(Looked {
            image,
            object: None,
        });
    };
    let Some(text) = &image.text else {
        let collection = history.names.text(inside.collection).to_owned();
        return Err(InputError::Record {
            at: history.locate(place),
            fault: Fault::NoData { collection },
        });
    };
    // It was parsed when it was read, and not kept: parsed documents are ten times their text.
    let data = Data::from_stored(text.as_bytes().to_vec().into());
    let object = Some(data.object().clone());
    Ok(Looked { image, object })
}

/// What a view shows of a document: its hash, or nothing.
fn show(view: &ViewOf, document: &Looked<'_>) -> Option<DocumentHash> {
    let Some(object) = &document.object else {
        return Some(document.image.hash);
    };
    if view
        .filter
        .as_ref()
        .is_some_and(|filter| !filter.matches(object))
    {
        return None;
    }
    let Some(select) = &view.select else {
        return Some(document.image.hash);
    };
    let mut text = String::new();
    select.project(object).write(&mut text);
    Some(DocumentHash::of_text(text.as_bytes()))
}
