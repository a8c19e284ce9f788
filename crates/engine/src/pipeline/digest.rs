//! The digest by which a repeated mutation id is told from a reused one.

use sha2::{Digest, Sha256};
use wellspring_types::Value;
use wellspring_types::write::{
    CommitRequest, Precondition, Read, TransformOperation, Write, WriteAction,
};

/// SHA-256 of everything that a request asks for, its mutation id apart. Every part is preceded
/// by its length or is of fixed length, so that no two requests run into the same bytes.
pub(crate) fn digest(request: &CommitRequest) -> [u8; 32] {
    let mut parts = Parts(Sha256::new());
    parts.count(request.writes.len());
    for write in &request.writes {
        parts.write(write);
    }
    parts.count(request.reads.len());
    for read in &request.reads {
        parts.read(read);
    }
    parts.0.finalize().into()
}

struct Parts(Sha256);

impl Parts {
    fn tag(&mut self, tag: u8) {
        self.0.update([tag]);
    }

    fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.count(text.len());
        self.0.update(text);
    }

    fn write(&mut self, write: &Write) {
        self.text(write.path.as_str().as_bytes());
        match &write.action {
            WriteAction::Insert(data) => {
                self.tag(1);
                self.text(data.as_bytes());
            }
            WriteAction::Set(data) => {
                self.tag(2);
                self.text(data.as_bytes());
            }
            WriteAction::Update { patch, transforms } => {
                self.tag(3);
                let mut text = String::new();
                patch.write(&mut text);
                self.text(text.as_bytes());
                self.count(transforms.len());
                for transform in transforms {
                    self.text(transform.field.as_str().as_bytes());
                    self.operation(&transform.operation);
                }
            }
            WriteAction::Delete => self.tag(4),
        }
        match write.precondition {
            None => self.tag(0),
            Some(Precondition::Version(version)) => {
                self.tag(1);
                self.number(version.0);
            }
            Some(Precondition::Absent) => self.tag(2),
            Some(Precondition::Exists) => self.tag(3),
        }
    }

    fn operation(&mut self, operation: &TransformOperation) {
        match operation {
            TransformOperation::Increment(number) => {
                self.tag(1);
                self.text(number.as_str().as_bytes());
            }
            TransformOperation::ArrayUnion(values) => {
                self.tag(2);
                self.values(values);
            }
            TransformOperation::ArrayRemove(values) => {
                self.tag(3);
                self.values(values);
            }
            TransformOperation::ServerTime => self.tag(4),
            TransformOperation::Remove => self.tag(5),
        }
    }

    fn values(&mut self, values: &[Value]) {
        self.count(values.len());
        for value in values {
            self.text(value.to_text().as_bytes());
        }
    }

    fn read(&mut self, read: &Read) {
        match read {
            Read::Document { path, version } => {
                self.tag(1);
                self.text(path.as_str().as_bytes());
                self.number(version.0);
            }
            Read::Query {
                collection,
                filter,
                at,
            } => {
                self.tag(2);
                self.text(collection.as_str().as_bytes());
                let filter = filter.as_ref().map(ToString::to_string).unwrap_or_default();
                self.text(filter.as_bytes());
                self.number(at.0);
            }
        }
    }
}
