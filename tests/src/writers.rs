//! Commits at random, through the engine or a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use wellspring_client::{Client, Code, ConnectError, RequestError};
use wellspring_engine::{CommitError, Database};
use wellspring_testkit::history::recorder::{Recorder, now};
use wellspring_testkit::random::Random;
use wellspring_types::write::{CommitRequest, Precondition, Write};
use wellspring_types::{Data, DocumentPath, Sequence, Value, json};

use crate::PATIENCE;
use crate::followers::address;

/// How long is waited before a server is asked again that does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(2);

/// The collections that are written to.
pub const COLLECTIONS: [&str; 2] = ["rooms", "notes"];

/// What a writer learns.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// It is there.
    Acknowledged(Sequence),
    /// It is not, and will not be.
    Refused,
    /// As before, as the database takes no commits now.
    ReadOnly,
    /// Nobody knows.
    Unknown,
}

/// Takes commits and reads.
pub trait Port {
    /// Commits.
    fn commit(&self, request: CommitRequest) -> impl Future<Output = Answer> + Send;
    /// Reads a document and writes that down; gives its version.
    fn read(
        &self,
        recorder: &Recorder,
        path: DocumentPath,
    ) -> impl Future<Output = Option<Sequence>> + Send;
}

impl Port for Database {
    async fn commit(&self, request: CommitRequest) -> Answer {
        match Database::commit(self, request).await {
            Ok(result) => Answer::Acknowledged(result.seq),
            Err(CommitError::Closed | CommitError::OutcomeUnknown | CommitError::StoreFailed) => {
                Answer::Unknown
            }
            Err(CommitError::ReadOnly(_)) => Answer::ReadOnly,
            Err(_) => Answer::Refused,
        }
    }

    async fn read(&self, recorder: &Recorder, path: DocumentPath) -> Option<Sequence> {
        let t_inv = now();
        let found = self.get(&path).await.ok()?;
        recorder.read("reader", &path, t_inv, found.as_ref());
        Some(found.map_or(Sequence::ZERO, |document| document.version))
    }
}

impl Port for Client {
    async fn commit(&self, request: CommitRequest) -> Answer {
        match Client::commit(self, request).await {
            Ok(result) => Answer::Acknowledged(result.seq),
            Err(RequestError::Refused(error)) => match error.code {
                Code::AlreadyExists | Code::NotFound | Code::PreconditionFailed => Answer::Refused,
                Code::ReadOnly => Answer::ReadOnly,
                _ => Answer::Unknown,
            },
            Err(_) => Answer::Unknown,
        }
    }

    async fn read(&self, recorder: &Recorder, path: DocumentPath) -> Option<Sequence> {
        let t_inv = now();
        let found = self.get(path.clone()).await.ok()?;
        recorder.read("reader", &path, t_inv, found.as_ref());
        Some(found.map_or(Sequence::ZERO, |document| document.version))
    }
}

/// Connects once the server's database is open; `None` where the server is gone.
pub async fn connect(server: SocketAddr) -> Option<Client> {
    let url = format!("http://{server}");
    let connecting = async {
        loop {
            let client = Client::builder(&url).request_timeout(Duration::from_secs(2));
            match client.connect().await {
                Ok(client) => return Some(client),
                Err(ConnectError::Refused(_)) => tokio::time::sleep(ASK_AGAIN).await,
                Err(_) => return None,
            }
        }
    };
    let connected = tokio::time::timeout(PATIENCE, connecting).await;
    connected.expect("the database opens in time")
}

/// Commits at random, and writes down what it was told.
#[derive(Debug)]
pub struct Writer {
    recorder: Recorder,
    name: String,
    documents: u64,
    random: Random,
    number: u64,
    /// What nobody knows the outcome of, or could not be taken.
    unanswered: Option<(String, CommitRequest)>,
}

impl Writer {
    /// A writer whose name is unlike any other's, to so many documents in each collection.
    #[must_use]
    pub fn new(recorder: Recorder, name: &str, documents: u64) -> Writer {
        let seed = name
            .bytes()
            .fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte));
        Writer {
            recorder,
            name: name.to_owned(),
            documents,
            random: Random::new(seed),
            number: 0,
            unanswered: None,
        }
    }

    /// Commits `count` times.
    pub async fn write(&mut self, port: &impl Port, count: u64) {
        for _ in 0..count {
            self.write_once(port).await;
        }
    }

    /// Writes to whatever server there is, until there will be none any more. Adds to
    /// `acknowledged`.
    pub async fn go_on(
        mut self,
        mut server: watch::Receiver<Option<SocketAddr>>,
        acknowledged: Arc<AtomicU64>,
    ) {
        while let Some(address) = address(&mut server).await {
            let Some(client) = connect(address).await else {
                tokio::time::sleep(ASK_AGAIN).await;
                continue;
            };
            loop {
                match self.write_once(&client).await {
                    Answer::Acknowledged(_) => {
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                    Answer::Refused => {}
                    Answer::ReadOnly => tokio::time::sleep(ASK_AGAIN).await,
                    Answer::Unknown => break,
                }
            }
        }
    }

    /// Sends a commit; or once more the one before, if nobody knows what became of it, or the
    /// database did not take any.
    async fn write_once(&mut self, port: &impl Port) -> Answer {
        let again = self.unanswered.take().filter(|_| self.random.below(2) == 0);
        let (op_id, request) = match again {
            Some(unanswered) => unanswered,
            None => {
                self.number += 1;
                let op_id = format!("{}-{}", self.name, self.number);
                (op_id.clone(), self.request(port, &op_id).await)
            }
        };
        let answer = self.send(port, &op_id, &request).await;
        match answer {
            // A repeat of what was acknowledged is answered with the first result.
            Answer::Acknowledged(_) if self.random.below(10) == 0 => {
                let repeated = self.send(port, &op_id, &request).await;
                let refused = matches!(repeated, Answer::Refused);
                assert!(!refused, "a repeat of {op_id} was refused");
            }
            Answer::Unknown | Answer::ReadOnly => self.unanswered = Some((op_id, request)),
            _ => {}
        }
        answer
    }

    async fn send(&self, port: &impl Port, op_id: &str, request: &CommitRequest) -> Answer {
        let pending = self.recorder.write(&self.name, op_id, request);
        let answer = port.commit(request.clone()).await;
        match answer {
            Answer::Acknowledged(seq) => pending.acknowledged(seq),
            Answer::Refused | Answer::ReadOnly => pending.refused(),
            Answer::Unknown => pending.unknown(),
        }
        answer
    }

    async fn request(&mut self, port: &impl Port, op_id: &str) -> CommitRequest {
        let mut writes: Vec<Write> = Vec::new();
        for _ in 0..=self.random.below(3) {
            let collection = COLLECTIONS[usize::try_from(self.random.below(2)).unwrap()];
            let path = format!("{collection}/{}", self.random.below(self.documents));
            let path: DocumentPath = path.parse().unwrap();
            if writes.iter().any(|write| write.path == path) {
                continue;
            }
            let write = self.any_write(op_id, path.clone());
            let is_conditional = self.random.below(4) == 0;
            let version = match is_conditional {
                true => port.read(&self.recorder, path).await,
                false => None,
            };
            writes.push(match version {
                Some(version) => write.only_if(Precondition::Version(version)),
                None => write,
            });
        }
        let mutation_id = Some(op_id.parse().unwrap());
        CommitRequest {
            mutation_id,
            ..CommitRequest::of(writes)
        }
    }

    fn any_write(&mut self, op_id: &str, path: DocumentPath) -> Write {
        let text = format!(
            r#"{{"by":"{op_id}","room":{},"n":{},"pad":"{}"}}"#,
            self.random.below(3),
            self.random.below(10),
            "x".repeat(usize::try_from(self.random.below(200)).unwrap())
        );
        let data = Data::parse(text.as_bytes()).unwrap();
        match self.random.below(8) {
            0 => Write::insert(path, data),
            1 => Write::delete(path),
            2 => {
                let patch = format!(r#"{{"n":{}}}"#, self.random.below(10));
                match json::parse(patch.as_bytes()) {
                    Ok(Value::Object(patch)) => Write::update(path, patch),
                    other => panic!("{other:?}"),
                }
            }
            _ => Write::set(path, data),
        }
    }
}
