//! A snapshot, where the log has come to it.

use super::finding::{Finding, Findings};
use super::fold::Knowledge;
use super::pass::Pass;
use crate::error::DamageKind;
use crate::snapshot::Snapshot;

impl Pass<'_> {
    /// Reads a snapshot, and compares it with what the log has come to, where that is known. Where it
    /// is not, what comes goes on from what the snapshot holds.
    pub(super) fn at_snapshot(&mut self, snapshot: &Snapshot, findings: &mut Findings) {
        self.end_walk(findings);
        let is_reached = self.position == snapshot.sequence();
        let goes_on = is_reached && self.fold.knowledge() != Knowledge::All;
        if goes_on {
            self.watch.begin(Some(snapshot));
        }
        let mut is_whole = true;
        for mut file in snapshot.salvage_documents() {
            while let Some(document) = file.next() {
                match document {
                    Ok(document) => {
                        self.verified.documents += 1;
                        if is_reached && let Err(what) = self.fold.document(&document) {
                            let damage = file.damage(DamageKind::Disagreement(what));
                            damage.into_iter().for_each(|damage| findings.add(damage));
                        }
                        if goes_on {
                            self.watch.document(&document);
                        }
                    }
                    Err(error) => {
                        is_whole = false;
                        findings.add_snapshot(error);
                    }
                }
            }
        }
        if is_reached && is_whole {
            self.fold.end_snapshot(snapshot.collections(), &mut |what| {
                findings.add(Pass::of_manifest(snapshot, what));
            });
        } else if is_reached {
            self.fold.abandon_snapshot();
            if goes_on {
                self.watch.lose();
            }
        }
        self.verified.snapshots += 1;
        self.advance(snapshot.bytes());
    }
}

/// Tells which files in a snapshot's directory are none of its.
pub(super) fn list_strangers(snapshot: &Snapshot, findings: &mut Findings) {
    let ours = snapshot.file_names();
    match snapshot.names() {
        Ok(names) => {
            for name in names.iter().filter(|name| !ours.contains(name)) {
                let file = snapshot.dir().join(name);
                findings.add(Finding::Stranger { file });
            }
        }
        Err(error) => findings.add(error),
    }
}
