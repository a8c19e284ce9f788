//! Writing a history down, from as many tasks and threads as there are.

mod ack;
mod clock;
pub mod dump;
mod feed;
mod sink;
mod write;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use wellspring_types::{Document, DocumentPath, Sequence};

pub use ack::PendingAck;
pub use clock::now;
pub use feed::{Connection, FeedRecorder, TokenPlace};
pub use write::PendingWrite;

use super::DocumentHash;
use super::record::{FaultRecord, PositionRecord, ReadRecord, Record};
use sink::Sink;

/// Writes records to a file, or to memory up to a bound. Clones write to the same. A record is
/// made ready outside of the lock, and written behind it: a copy into a buffer, now and then a
/// `write`.
#[derive(Clone)]
pub struct Recorder {
    // A blocking mutex is right: it is never held across an await, and nobody behind it waits for
    // more than the page cache.
    sink: Arc<Mutex<Sink>>,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("sink", &self.sink)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// Records into a new file.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(path: &Path) -> io::Result<Recorder> {
        Ok(Recorder::new(Sink::file(path)?))
    }

    /// Records into memory, of at most `bytes_max`.
    #[must_use]
    pub fn in_memory(bytes_max: usize) -> Recorder {
        Recorder::new(Sink::memory(bytes_max))
    }

    fn new(sink: Sink) -> Recorder {
        Recorder {
            sink: Arc::new(Mutex::new(sink)),
            clock: Arc::new(now),
        }
    }

    /// The same recorder by another clock, of nanoseconds that do not fall: a simulated one.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Recorder {
        Recorder {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// What its clock shows.
    #[must_use]
    pub fn now(&self) -> u64 {
        (self.clock)()
    }

    /// Writes one record. Should that fail, [`Recorder::finish`] says so: clients have no better
    /// answer to it than to go on, and a history with a hole is never judged.
    pub fn record(&self, record: &Record) {
        match serde_json::to_vec(record) {
            Ok(mut line) => {
                line.push(b'\n');
                self.sink.lock().write(&line);
            }
            Err(error) => self.sink.lock().fail(error.into()),
        }
    }

    /// Begins a commit: call before it is sent. See [`PendingWrite`].
    pub fn write(
        &self,
        client: &str,
        op_id: &str,
        request: &wellspring_types::write::CommitRequest,
    ) -> PendingWrite {
        PendingWrite::new(self.clone(), client, op_id, request)
    }

    /// A read of a document that was asked for at `t_inv` and has just been answered.
    pub fn read(&self, client: &str, path: &DocumentPath, t_inv: u64, found: Option<&Document>) {
        self.record(&Record::G(ReadRecord {
            client: client.into(),
            t_inv,
            t_ret: self.now(),
            path: Some(path.as_str().into()),
            version: Some(found.map_or(0, |document| document.version.0)),
            hash: found.map(|document| DocumentHash::of(&document.data)),
            ..ReadRecord::default()
        }));
    }

    /// A consumer's position, asked for at `t_inv` and just answered.
    pub fn position(&self, consumer: &str, t_inv: u64, seq: Sequence) {
        self.record(&Record::P(PositionRecord {
            consumer: consumer.into(),
            t_inv,
            t_ret: self.now(),
            seq: seq.0,
        }));
    }

    /// Something that was done to the database, now.
    pub fn fault(&self, fault: &str, detail: Option<&str>) {
        self.record(&Record::X(FaultRecord {
            fault: fault.into(),
            t: self.now(),
            detail: detail.map(Into::into),
        }));
    }

    /// Makes sure that everything is written, and returns what was recorded into memory (nothing
    /// where it is a file).
    ///
    /// # Errors
    /// If any record could not be written, or was too much for the bound.
    pub fn finish(&self) -> io::Result<Vec<u8>> {
        self.sink.lock().finish()
    }
}
