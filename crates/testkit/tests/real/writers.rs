//! Commits at random, through the engine or a client.

use wellspring_engine::{CommitError, Database};
use wellspring_testkit::history::recorder::{Recorder, now};
use wellspring_testkit::random::Random;
use wellspring_types::write::{CommitRequest, Precondition, Write};
use wellspring_types::{Data, DocumentPath, Sequence, Value, json};

/// Few, so that writers meet.
const DOCUMENTS: u64 = 12;
pub(crate) const COLLECTIONS: [&str; 2] = ["rooms", "notes"];

/// What a writer learns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Acknowledged(Sequence),
    Refused,
    Unknown,
}

/// Takes commits and reads.
pub(crate) trait Port {
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

/// Commits `count` times. `name` is unlike any other writer's.
pub(crate) async fn write(port: &impl Port, recorder: &Recorder, name: &str, count: u64) {
    let mut random = Random::new(name.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte)));
    for number in 0..count {
        let op_id = format!("{name}-{number}");
        let request = request(port, recorder, &mut random, &op_id).await;
        let pending = recorder.write(name, &op_id, &request);
        let again = random.below(10) == 0;
        let answer = port.commit(request.clone()).await;
        match answer {
            Answer::Acknowledged(seq) => pending.acknowledged(seq),
            Answer::Refused => pending.refused(),
            Answer::Unknown => pending.unknown(),
        }
        // A repeat of what was acknowledged is answered with the first result.
        if again && matches!(answer, Answer::Acknowledged(_)) {
            let pending = recorder.write(name, &op_id, &request);
            match port.commit(request).await {
                Answer::Acknowledged(seq) => pending.acknowledged(seq),
                answer => {
                    pending.unknown();
                    assert!(matches!(answer, Answer::Unknown), "a repeat was refused");
                }
            }
        }
    }
}

async fn request(
    port: &impl Port,
    recorder: &Recorder,
    random: &mut Random,
    op_id: &str,
) -> CommitRequest {
    let mut writes: Vec<Write> = Vec::new();
    for _ in 0..=random.below(3) {
        let collection = COLLECTIONS[usize::try_from(random.below(2)).unwrap()];
        let path = format!("{collection}/{}", random.below(DOCUMENTS));
        let path: DocumentPath = path.parse().unwrap();
        if writes.iter().any(|write| write.path == path) {
            continue;
        }
        let text = format!(
            r#"{{"by":"{op_id}","room":{},"n":{},"pad":"{}"}}"#,
            random.below(3),
            random.below(10),
            "x".repeat(usize::try_from(random.below(200)).unwrap())
        );
        let data = Data::parse(text.as_bytes()).unwrap();
        let write = match random.below(8) {
            0 => Write::insert(path.clone(), data),
            1 => Write::delete(path.clone()),
            2 => match json::parse(format!(r#"{{"n":{}}}"#, random.below(10)).as_bytes()) {
                Ok(Value::Object(patch)) => Write::update(path.clone(), patch),
                other => panic!("{other:?}"),
            },
            _ => Write::set(path.clone(), data),
        };
        let write = if random.below(4) == 0 {
            match port.read(recorder, path).await {
                Some(version) => write.only_if(Precondition::Version(version)),
                None => write,
            }
        } else {
            write
        };
        writes.push(write);
    }
    let mutation_id = Some(op_id.parse().unwrap());
    CommitRequest {
        mutation_id,
        ..CommitRequest::of(writes)
    }
}
