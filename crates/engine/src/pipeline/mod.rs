//! The pipeline: one writer thread that orders commits and makes them durable, in groups.
//!
//! The step that orders is a seam: what reaches the writer is a [`Command`], complete with the
//! time that it was stamped with, and what the writer makes of it depends on nothing but the
//! state and the command. A replicated log can take the place of the channel later.

mod digest;
mod effect;
mod judge;
mod mutations;
mod recent;
mod space;
mod writer;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use wellspring_types::write::{CommitRequest, CommitResult, Read, TransformOperation, WriteAction};
use wellspring_types::{Object, Sequence, Timestamp, Value, limits};

use crate::commit::CommitError;
use crate::executor::{Next, Patience};

pub(crate) use digest::digest;
pub(crate) use mutations::{Memory, Mutations};
pub(crate) use space::Reserve;
pub(crate) use writer::{Writer, WriterParts};

/// The version of what the pipeline makes of commands; it stands in each snapshot.
pub(crate) const VERSION: u32 = 1;

/// Commits that may wait for the writer.
const COMMANDS_MAX: usize = 4096;
/// Bytes of commits that may wait for the writer.
const COMMAND_BYTES_MAX: usize = 64 << 20;
/// Bytes that one permit of the budget stands for, so that its count fits a `u32`.
const PERMIT_BYTES: usize = 1024;

/// A commit to be ordered.
pub(crate) struct Command {
    pub(crate) request: CommitRequest,
    /// Who asks; absent without authentication.
    pub(crate) principal: Option<Arc<str>>,
    /// Digest of the request, where it has a mutation id.
    pub(crate) digest: Option<[u8; 32]>,
    /// The time that it was stamped with, before it was ordered.
    pub(crate) stamped: Timestamp,
    /// Its reads by query were found unchanged through here, and the writer checks what came
    /// later; or they were not, and it is refused unless it is a repeat.
    pub(crate) reads_checked: Result<Sequence, CommitError>,
    /// Whether it helps to free space on the disk, so that it is taken while others are refused
    /// for the lack of it.
    pub(crate) frees_space: bool,
}

/// A command, where its answer goes, and its share of the budget.
struct Ordered {
    command: Command,
    answer: oneshot::Sender<Result<CommitResult, CommitError>>,
    _budget: Option<OwnedSemaphorePermit>,
}

/// What becomes of a command that was handed over.
pub(crate) struct Answered(oneshot::Receiver<Result<CommitResult, CommitError>>);

impl Answered {
    /// The answer; `None` while there is none.
    pub(crate) fn look(&mut self) -> Option<Result<CommitResult, CommitError>> {
        match self.0.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(CommitError::OutcomeUnknown)),
        }
    }
}

/// The way to the writer.
pub(crate) struct Pipeline {
    /// `None` once it is closed.
    commands: Mutex<Option<mpsc::Sender<Ordered>>>,
    budget: Arc<Semaphore>,
}

/// The writer's end.
pub(crate) struct Commands(mpsc::Receiver<Ordered>);

pub(crate) fn channel() -> (Pipeline, Commands) {
    let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
    let budget = Arc::new(Semaphore::new(COMMAND_BYTES_MAX / PERMIT_BYTES));
    (
        Pipeline {
            commands: Mutex::new(Some(commands)),
            budget,
        },
        Commands(receiver),
    )
}

impl Commands {
    /// The next command, until nobody can send any more and all are taken.
    fn next(&mut self, patience: Patience) -> Next<Ordered> {
        match patience {
            Patience::Wait => self.0.blocking_recv().map_or(Next::Over, Next::Found),
            Patience::None => match self.0.try_recv() {
                Ok(ordered) => Next::Found(ordered),
                Err(TryRecvError::Empty) => Next::Nothing,
                Err(TryRecvError::Disconnected) => Next::Over,
            },
        }
    }
}

impl Pipeline {
    /// Has a command ordered and carried out. Waits while too much is waiting already.
    ///
    /// Dropping the future after the command was handed over does not stop it.
    pub(crate) async fn order(&self, command: Command) -> Result<CommitResult, CommitError> {
        let permits = request_bytes(&command.request).min(COMMAND_BYTES_MAX) / PERMIT_BYTES;
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let budget = Arc::clone(&self.budget).acquire_many_owned(permits).await;
        let budget = budget.map_err(|_closed| CommitError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let ordered = Ordered {
            command,
            answer,
            _budget: Some(budget),
        };
        let commands = self.commands.lock().clone().ok_or(CommitError::Closed)?;
        commands
            .send(ordered)
            .await
            .map_err(|_closed| CommitError::Closed)?;
        // A close waits until nobody can send: not for whoever is slow to take an answer.
        drop(commands);
        // The writer answers every command that it took, unless its thread died: then nobody
        // knows how far it came.
        answered.await.unwrap_or(Err(CommitError::OutcomeUnknown))
    }

    /// The same for a command of the database's own, of which there are few: beside the budget, and on
    /// a thread that may block.
    pub(crate) fn order_blocking(&self, command: Command) -> Result<CommitResult, CommitError> {
        let (answer, answered) = oneshot::channel();
        let ordered = Ordered {
            command,
            answer,
            _budget: None,
        };
        let commands = self.commands.lock().clone().ok_or(CommitError::Closed)?;
        let sent = commands.blocking_send(ordered);
        sent.map_err(|_closed| CommitError::Closed)?;
        drop(commands);
        answered
            .blocking_recv()
            .unwrap_or(Err(CommitError::OutcomeUnknown))
    }

    /// Hands over a command of the database's own, of which there are few: beside the budget, and
    /// without waiting. `None` while too many are waiting.
    pub(crate) fn hand_over(&self, command: Command) -> Option<Answered> {
        let (answer, answered) = oneshot::channel();
        let ordered = Ordered {
            command,
            answer,
            _budget: None,
        };
        let commands = self.commands.lock().clone()?;
        commands.try_send(ordered).ok()?;
        Some(Answered(answered))
    }

    /// Lets nothing more in, and frees who waits. The writer ends once it has answered what it
    /// was sent.
    pub(crate) fn close(&self) {
        self.commands.lock().take();
        self.budget.close();
    }
}

/// About how much memory a request takes while it waits.
fn request_bytes(request: &CommitRequest) -> usize {
    let writes = request
        .writes
        .iter()
        .map(|w| 128 + w.path.as_str().len() + action_bytes(&w.action));
    let reads = request.reads.iter().map(|read| match read {
        Read::Document { path, .. } => 128 + path.as_str().len(),
        Read::Query { filter, .. } => {
            128 + filter.as_ref().map_or(0, |filter| filter.to_string().len())
        }
    });
    256 + writes.sum::<usize>() + reads.sum::<usize>()
}

fn action_bytes(action: &WriteAction) -> usize {
    match action {
        WriteAction::Insert(data) | WriteAction::Set(data) => data.as_bytes().len(),
        WriteAction::Update { patch, transforms } => {
            let transforms = transforms.iter().map(|transform| {
                let operands = match &transform.operation {
                    TransformOperation::ArrayUnion(values)
                    | TransformOperation::ArrayRemove(values) => {
                        values.iter().map(value_bytes).sum()
                    }
                    _ => limits::NUMBER_BYTES_MAX,
                };
                transform.field.as_str().len() + operands
            });
            object_bytes(patch) + transforms.sum::<usize>()
        }
        WriteAction::Delete => 0,
    }
}

fn object_bytes(object: &Object) -> usize {
    let members = object.iter();
    let members = members.map(|(key, value)| 48 + key.len() + value_bytes(value));
    64 + members.sum::<usize>()
}

fn value_bytes(value: &Value) -> usize {
    let inside = match value {
        Value::Null | Value::Bool(_) => 0,
        Value::Number(number) => number.as_str().len(),
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(value_bytes).sum(),
        Value::Object(object) => object_bytes(object),
    };
    size_of::<Value>() + inside
}

#[cfg(test)]
mod tests {
    use wellspring_types::Data;
    use wellspring_types::write::{Transform, Write};

    use super::*;

    #[test]
    fn a_request_counts_at_least_the_bytes_that_it_brings() {
        let text = format!(r#"{{"a":[{{"b":"{}"}}]}}"#, "x".repeat(1 << 19));
        let data = Data::parse(text.as_bytes()).unwrap();
        let union = TransformOperation::ArrayUnion(vec![Value::Object(data.object().clone())]);
        let path = || "rooms/1".parse().unwrap();
        let mut transformed = Write::update(path(), Object::new());
        transformed.action = WriteAction::Update {
            patch: Object::new(),
            transforms: vec![Transform {
                field: "a".parse().unwrap(),
                operation: union,
            }],
        };
        let writes = [
            Write::set(path(), data.clone()),
            Write::update(path(), data.object().clone()),
            transformed,
        ];
        for write in writes {
            let bytes = request_bytes(&CommitRequest::of(vec![write]));
            assert!((text.len()..2 * text.len()).contains(&bytes), "{bytes}");
        }
    }
}
