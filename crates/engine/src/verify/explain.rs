//! What findings mean to who operates the database, and what to do.

use wellspring_log::{DamageKind, Finding as OfFiles};
use wellspring_types::Sequence;

use super::finding::Finding;
use super::{Kind, Report};

/// What a finding means, and what to do about it; each is a sentence or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What it means.
    pub means: String,
    /// What to do.
    pub advice: &'static str,
}

const NOTHING: &str = "nothing";
const CHECK_DISK: &str = "nothing for the database; look at what the system says of the disk";
const RESTORE: &str = "restore the newest backup into a new directory (`wellspring restore`), and \
                       look at what the system says of the disk";
const BACK_UP_AGAIN: &str = "take another backup into a new directory, now";
const REPORT: &str = "the disk is not to blame, as every checksum is right: restore a backup, and \
                      report it with this output";
const UPGRADE: &str = "check it with the release that wrote it, or a later one";

fn explained(means: impl Into<String>, advice: &'static str) -> Explanation {
    let means = means.into();
    Explanation { means, advice }
}

impl Report {
    /// What one of its findings means, and what to do.
    #[must_use]
    pub fn explain(&self, finding: &Finding) -> Explanation {
        match finding {
            Finding::Files(finding) => self.explain_files(finding),
            Finding::Meta { .. } | Finding::MetaMissing { .. } => explained(
                "it has the epoch and the key of all tokens: without it the database does not open",
                RESTORE,
            ),
            Finding::RestoreUnfinished { .. } => explained(
                "a restore was cut short: nothing in the directory counts, and it does not open",
                "restore again, into the same directory",
            ),
            Finding::Manifest { .. } => explained(
                "nothing can be restored without it: what belongs to the backup, and where it ends, \
                 is not known. What was checked are the files that are there",
                BACK_UP_AGAIN,
            ),
            Finding::KeptMeta { .. } => explained(
                "the epoch and the key of all tokens are lost: nothing can be restored",
                BACK_UP_AGAIN,
            ),
            Finding::Store { .. } => explained(
                "log and snapshot have all that it holds: the next opening builds it again",
                CHECK_DISK,
            ),
            Finding::StoreUntrusted { .. }
            | Finding::StoreBehind { .. }
            | Finding::StoreMissing { .. } => explained(
                "the next opening builds it again from snapshot and log, which takes a while",
                NOTHING,
            ),
            Finding::Floor { .. } => explained(
                "what is offered to subscribers who come back is not what it was",
                REPORT,
            ),
            Finding::BeginsLater { .. } => explained(
                "what is gone is in the snapshot, but its changes are not offered any more. That is \
                 so after a restore; otherwise the first segments are missing",
                "if it was not restored, find out who has removed segments",
            ),
            Finding::Unreadable { .. } => unreadable(),
        }
    }

    fn explain_files(&self, finding: &OfFiles) -> Explanation {
        match finding {
            OfFiles::Damaged { damage, commits } => {
                let commits = commits.as_ref();
                let lost = commits.map(|commits| (*commits.start(), *commits.end()));
                self.explain_damage(&damage.what, lost)
            }
            OfFiles::NewerFormat { .. } => explained("nothing in it was looked at", UPGRADE),
            OfFiles::WrongEpoch { .. } => explained(
                "files of two databases are mixed, or of two histories of one",
                "put the files back where they belong, or restore a backup",
            ),
            OfFiles::Unreadable(_) => unreadable(),
            OfFiles::Torn { .. } => explained(
                "a crash has cut an append short that was never acknowledged; it is harmless, and \
                 the next opening cuts it off",
                NOTHING,
            ),
            OfFiles::NoIndex { .. } => explained("the next opening makes it again", NOTHING),
            OfFiles::LeftOver { .. } => match self.kind {
                Kind::Database => explained("the next opening removes it", NOTHING),
                Kind::Backup => explained(
                    "it is not in the manifest, and so not in the backup; the next one that is \
                     taken goes on with it or removes it",
                    NOTHING,
                ),
            },
            OfFiles::Stranger { .. } => explained("nobody looks at it", NOTHING),
            OfFiles::Gap { .. } => explained(
                "the database had dropped them before they were backed up: nothing in between can \
                 be restored",
                "back up more often than the database drops its log",
            ),
            _ => explained(String::new(), REPORT),
        }
    }

    fn explain_damage(&self, what: &DamageKind, lost: Option<(Sequence, Sequence)>) -> Explanation {
        let is_backup = self.kind == Kind::Backup;
        match what {
            DamageKind::Index => explained(
                "it is made again from its segment, and nothing is lost; but the file has changed",
                CHECK_DISK,
            ),
            DamageKind::Disagreement(_) => {
                explained("what is there is not what its commits come to", REPORT)
            }
            DamageKind::Snapshot(_) if is_backup => explained(
                "nothing can be restored that needs this snapshot",
                BACK_UP_AGAIN,
            ),
            DamageKind::Snapshot(_) if self.oldest == Sequence(1) => explained(
                "the log still has all that the snapshot holds: the store is built from it",
                "take a backup of what there is after the next snapshot, and look at what the \
                 system says of the disk",
            ),
            DamageKind::Snapshot(_) => explained(
                "it is the only copy of what the log has dropped: once the store has to be built \
                 again, that is lost",
                "while the database still opens, take everything out (`wellspring export --all`); \
                 or restore the newest backup",
            ),
            DamageKind::Backup(_) => {
                explained("what needs these bytes cannot be restored", BACK_UP_AGAIN)
            }
            _ => {
                let which = match lost {
                    Some((first, last)) if first == last => format!("commit {first}"),
                    Some((first, last)) => format!("commits {first} to {last}"),
                    None => "commits".to_owned(),
                };
                if is_backup {
                    let means = format!("{which} cannot be restored, nor what comes after");
                    return explained(means, BACK_UP_AGAIN);
                }
                let means = format!(
                    "{which} had been acknowledged, and cannot be read any more: the database does \
                     not open, or feeds that come to them end with an error"
                );
                explained(means, RESTORE)
            }
        }
    }
}

fn unreadable() -> Explanation {
    explained(
        "it could not be checked",
        "run this as the user of the server; if the system tells of an input or output error, the \
         disk is failing",
    )
}
