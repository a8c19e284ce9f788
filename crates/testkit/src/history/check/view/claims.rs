//! C5, for clients: a snapshot, and a query, is what the log adds up to at its sequence. And, of S10,
//! so is all that a subscription was sent.

use std::collections::HashMap;

use super::ViewLog;
use crate::history::model::{Held, History, Name, Place};
use crate::history::verdict::{Report, Rule};

/// What a client was told that a view holds at a sequence.
pub(in crate::history::check) struct Claim {
    pub(in crate::history::check) view: usize,
    pub(in crate::history::check) seq: u64,
    pub(in crate::history::check) place: Place,
    /// What it is against if it is not so.
    pub(in crate::history::check) rule: Rule,
    /// In words: `a snapshot`.
    pub(in crate::history::check) what: &'static str,
    pub(in crate::history::check) contents: Contents,
}

/// Documents by path. `None`: what the client was told of it was meant for another sequence.
pub(in crate::history::check) struct Contents {
    documents: HashMap<Name, Option<Held>>,
    versions: Versions,
}

/// Whether versions count: those that a client holds of a view that selects stay behind where
/// nothing that was selected has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Versions {
    Count,
    MayDiffer,
}

impl Contents {
    pub(in crate::history::check) fn of_documents(documents: &[(Name, Held)]) -> Contents {
        Contents::new(documents.iter().map(|(path, held)| (*path, Some(*held))))
    }

    pub(in crate::history::check) fn new(
        entries: impl Iterator<Item = (Name, Option<Held>)>,
    ) -> Contents {
        Contents {
            documents: entries.collect(),
            versions: Versions::Count,
        }
    }

    /// Of which only the documents' contents count.
    pub(in crate::history::check) fn of_contents(
        entries: impl Iterator<Item = (Name, Option<Held>)>,
    ) -> Contents {
        Contents {
            versions: Versions::MayDiffer,
            ..Contents::new(entries)
        }
    }

    fn differ(&self, told: &Held, is: Option<&Held>) -> bool {
        match self.versions {
            Versions::Count => Some(told) != is,
            Versions::MayDiffer => Some(told.hash) != is.map(|is| is.hash),
        }
    }
}

/// Folds each view once, and compares at every claim: as much work as the claims have documents.
pub(in crate::history::check) fn check_claims(
    history: &History,
    views: &[ViewLog],
    mut claims: Vec<Claim>,
    report: &mut Report,
) {
    claims.sort_by_key(|claim| (claim.view, claim.seq));
    let dump = &history.dump;
    // Before the log's oldest commit nobody can tell; beyond its end another rule has told.
    claims.retain(|claim| claim.seq + 1 >= dump.oldest && claim.seq <= dump.head);
    for claims in claims.chunk_by(|a, b| a.view == b.view) {
        let Some(log) = claims.first().and_then(|claim| views.get(claim.view)) else {
            continue;
        };
        let mut fold: HashMap<Name, Held> = log.base.iter().copied().collect();
        let mut changes = log.changes.iter().peekable();
        for claim in claims {
            while let Some(change) = changes.next_if(|change| change.seq <= claim.seq) {
                let version = change.seq;
                match change.new {
                    Some(hash) => fold.insert(change.path, Held { version, hash }),
                    None => fold.remove(&change.path),
                };
            }
            if let Some(sentence) = compare(history, claim, &fold) {
                report.add(claim.rule, &[claim.place], sentence);
            }
        }
    }
}

fn compare(history: &History, claim: &Claim, fold: &HashMap<Name, Held>) -> Option<String> {
    let held = &claim.contents.documents;
    let mut wrong: Vec<Name> = Vec::new();
    let mut found = 0;
    for (path, told) in held {
        let is = fold.get(path);
        found += usize::from(is.is_some());
        let differs = |told| claim.contents.differ(told, is);
        if told.as_ref().is_some_and(differs) {
            wrong.push(*path);
        }
    }
    if found < fold.len() {
        wrong.extend(fold.keys().filter(|path| !held.contains_key(path)));
    }
    let first = wrong.iter().min_by_key(|path| history.names.text(**path))?;
    let in_words = |held: Option<&Held>| match held {
        None => "is absent".to_owned(),
        Some(held) => format!("is at version {} ({})", held.version, held.hash),
    };
    Some(format!(
        "{} as of {} has {} documents that are not as the log says: {} {} in it, and {} by the log",
        claim.what,
        claim.seq,
        wrong.len(),
        history.names.text(*first),
        in_words(held.get(first).and_then(Option::as_ref)),
        in_words(fold.get(first)),
    ))
}
