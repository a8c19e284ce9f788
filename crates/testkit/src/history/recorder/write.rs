//! Commits, from the moment that they are sent.

use wellspring_types::Sequence;
use wellspring_types::write::{CommitRequest, Precondition, Write, WriteAction};

use super::Recorder;
use crate::history::DocumentHash;
use crate::history::record::{Outcome, Record, WriteKind, WriteOf, WriteRecord};

/// A commit that was sent. Whoever learns its outcome says so; dropped without, because of a
/// timeout, a lost connection or a cancelled task, it is recorded as unknown.
#[derive(Debug)]
#[must_use = "dropped, it is recorded as of unknown outcome"]
pub struct PendingWrite {
    recorder: Recorder,
    record: Option<WriteRecord>,
}

impl PendingWrite {
    pub(super) fn new(
        recorder: Recorder,
        client: &str,
        op_id: &str,
        request: &CommitRequest,
    ) -> PendingWrite {
        let record = WriteRecord {
            client: client.into(),
            op_id: op_id.into(),
            writes: request.writes.iter().map(write_of).collect(),
            t_inv: recorder.now(),
            t_ret: None,
            outcome: Outcome::Unknown,
            seq: None,
        };
        PendingWrite {
            recorder,
            record: Some(record),
        }
    }

    /// It was acknowledged.
    pub fn acknowledged(mut self, seq: Sequence) {
        self.end(Outcome::Ok, Some(seq.0));
    }

    /// It was refused: it has not happened and will not. `unavailable`, a timeout and a lost
    /// connection are no refusals.
    pub fn refused(mut self) {
        self.end(Outcome::Fail, None);
    }

    /// Nobody can tell.
    pub fn unknown(mut self) {
        self.end(Outcome::Unknown, None);
    }

    fn end(&mut self, outcome: Outcome, seq: Option<u64>) {
        if let Some(record) = self.record.take() {
            let t_ret = Some(self.recorder.now());
            let record = WriteRecord {
                t_ret,
                outcome,
                seq,
                ..record
            };
            self.recorder.record(&Record::W(record));
        }
    }
}

impl Drop for PendingWrite {
    fn drop(&mut self) {
        self.end(Outcome::Unknown, None);
    }
}

fn write_of(write: &Write) -> WriteOf {
    let (kind, hash) = match &write.action {
        WriteAction::Insert(data) => (WriteKind::Insert, Some(DocumentHash::of(data))),
        WriteAction::Set(data) => (WriteKind::Set, Some(DocumentHash::of(data))),
        WriteAction::Update { .. } => (WriteKind::Update, None),
        WriteAction::Delete => (WriteKind::Delete, None),
    };
    let if_version = match write.precondition {
        Some(Precondition::Version(version)) => Some(version.0),
        Some(Precondition::Absent) => Some(0),
        Some(Precondition::Exists) | None => None,
    };
    WriteOf {
        path: write.path.as_str().into(),
        kind,
        if_version,
        hash,
        data: None,
    }
}
