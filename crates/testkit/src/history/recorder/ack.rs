//! Acknowledgements, from the moment that they are sent.

use wellspring_types::{ResumeToken, Sequence};

use super::{Recorder, TokenPlace};
use crate::history::record::{AckRecord, Outcome, Record};

/// An acknowledgement that was sent. Whoever learns its outcome says so; dropped without, it is
/// recorded as unknown.
#[derive(Debug)]
#[must_use = "dropped, it is recorded as of unknown outcome"]
pub struct PendingAck {
    recorder: Recorder,
    record: Option<AckRecord>,
    token: ResumeToken,
}

impl PendingAck {
    pub(super) fn new(recorder: Recorder, sub: Box<str>, at: TokenPlace) -> PendingAck {
        let record = AckRecord {
            sub,
            at_idx: at.idx,
            t_inv: recorder.now(),
            t_ret: None,
            outcome: Outcome::Unknown,
            seq: None,
        };
        PendingAck {
            recorder,
            record: Some(record),
            token: at.token,
        }
    }

    /// What is acknowledged.
    #[must_use]
    pub fn token(&self) -> &ResumeToken {
        &self.token
    }

    /// It was kept until now: it is sent only now.
    pub fn send_now(&mut self) {
        if let Some(record) = &mut self.record {
            record.t_inv = self.recorder.now();
        }
    }

    /// It was answered with this position.
    pub fn acknowledged(mut self, seq: Sequence) {
        self.end(Outcome::Ok, Some(seq.0));
    }

    /// It was refused: its subscription is over, and what it was sent is sent again.
    pub fn refused(mut self) {
        self.end(Outcome::Fail, None);
    }

    fn end(&mut self, outcome: Outcome, seq: Option<u64>) {
        if let Some(record) = self.record.take() {
            let t_ret = Some(self.recorder.now());
            self.recorder.record(&Record::A(AckRecord {
                t_ret,
                outcome,
                seq,
                ..record
            }));
        }
    }
}

impl Drop for PendingAck {
    fn drop(&mut self) {
        self.end(Outcome::Unknown, None);
    }
}
