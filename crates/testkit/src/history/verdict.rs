//! What the checker says.

use std::fmt;

use serde::Serialize;

use super::model::Place;

/// A rule of the checker. `C` rules compare commits and reads with the log, `S` rules are the
/// promises of subscriptions, `F` rules those of conflated ones, `A` rules those of consumers: what
/// their acknowledgements stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[allow(missing_docs, reason = "`Rule::promise` says what each is")]
pub enum Rule {
    C1,
    C2,
    C3,
    C4,
    C5,
    C6,
    C7,
    S1,
    S2,
    S3,
    S4,
    S5,
    S6,
    S7,
    S8,
    S9,
    S10,
    F1,
    F2,
    A1,
    A2,
    A3,
    A4,
    A5,
    A6,
}

impl Rule {
    /// All of them.
    pub const ALL: [Rule; 25] = [
        Rule::C1,
        Rule::C2,
        Rule::C3,
        Rule::C4,
        Rule::C5,
        Rule::C6,
        Rule::C7,
        Rule::S1,
        Rule::S2,
        Rule::S3,
        Rule::S4,
        Rule::S5,
        Rule::S6,
        Rule::S7,
        Rule::S8,
        Rule::S9,
        Rule::S10,
        Rule::F1,
        Rule::F2,
        Rule::A1,
        Rule::A2,
        Rule::A3,
        Rule::A4,
        Rule::A5,
        Rule::A6,
    ];

    /// What is promised.
    #[must_use]
    pub fn promise(self) -> &'static str {
        match self {
            Rule::C1 => {
                "each acknowledged write has exactly one change in the log, at its sequence"
            }
            Rule::C2 => "each change in the log comes from a write that was not refused",
            Rule::C3 => "commits and sequences belong to each other one to one, without holes",
            Rule::C4 => "what was acknowledged before another was sent is before it in the order",
            Rule::C5 => "the log adds up: to each image before, to the state, to each snapshot",
            Rule::C6 => "what a write demanded of its document was true just before it",
            Rule::C7 => "a read shows what was acknowledged before it, and nothing not yet written",
            Rule::S1 => "a subscription's sequence only rises",
            Rule::S2 => "no change comes twice, resumes included",
            Rule::S3 => "no matching change is missing",
            Rule::S4 => "a token, and a snapshot, goes on exactly where it ended",
            Rule::S5 => "checkpoints come in time, and never before what they stand for",
            Rule::S6 => "a commit is seen whole or not at all",
            Rule::S7 => "only what is in the log is seen, and nothing before it was written",
            Rule::S8 => "a change has the same content on every transport",
            Rule::S9 => "a gap is declared",
            Rule::S10 => {
                "who follows to the end is sent all that there was, and it adds up to that"
            }
            Rule::F1 => "conflated commits have of each document its newest state",
            Rule::F2 => "of a document no older state is sent after a newer one",
            Rule::A1 => "what was acknowledged is not sent again",
            Rule::A2 => {
                "no change is skipped: through a consumer's position, and before later ones of its \
                 document, each was sent and acknowledged"
            }
            Rule::A3 => "the changes of a document are sent in their order",
            Rule::A4 => {
                "a document is with one subscription until that has acknowledged what it was sent of \
                 it, or is gone"
            }
            Rule::A5 => "a change comes again only once a subscription that was sent it is over",
            Rule::A6 => "an acknowledgement is answered with a position that covers what was sent",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rule.
    pub rule: Rule,
    /// The lines that show it.
    pub records: Vec<Place>,
    /// What happened, as a sentence.
    pub sentence: String,
}

/// How much was checked: a history in which nothing happened is clean, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Lines read.
    pub records: u64,
    /// Commits that were asked for: `ok`, `fail` and `unknown`.
    pub acknowledged: u64,
    /// Refused.
    pub refused: u64,
    /// Of unknown outcome.
    pub unknown: u64,
    /// Commits in the log.
    pub commits: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Their sessions.
    pub sessions: u64,
    /// Changes that they received.
    pub changes: u64,
    /// Commits among them that stood for several.
    pub conflated: u64,
    /// Acknowledgements that were answered.
    pub acks: u64,
    /// Changes that a consumer was sent once more.
    pub repeats: u64,
    /// Snapshots and queries compared with the log.
    pub snapshots: u64,
    /// Reads of documents.
    pub reads: u64,
    /// Faults.
    pub faults: u64,
}

/// What the checker found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every promise that was not kept, by rule, then by the first line that shows it.
    pub verdicts: Vec<Verdict>,
    /// How much was checked.
    pub summary: Summary,
}

impl Report {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdicts.is_empty()
    }

    pub(super) fn add(&mut self, rule: Rule, records: &[Place], sentence: String) {
        self.verdicts.push(Verdict {
            rule,
            records: records.to_vec(),
            sentence,
        });
    }
}
