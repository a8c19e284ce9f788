//! Commits of protobuf as the words of the domain.

use wellspring_types::write::{
    CommitRequest, Precondition, Read, Transform, TransformOperation, Write, WriteAction,
};
use wellspring_types::{CollectionPath, Data, MutationId, Sequence};

use super::generated::{self as pb, transform};
use super::request::{filter, marked, unless_empty};
use super::struct_form::{read_elements, read_object};
use crate::error::WireError;
use crate::request;

impl TryFrom<pb::CommitRequest> for CommitRequest {
    type Error = WireError;

    fn try_from(request: pb::CommitRequest) -> Result<CommitRequest, WireError> {
        request::writes_fit(request.writes.len())?;
        request::reads_fit(request.reads.len())?;
        Ok(CommitRequest {
            mutation_id: mutation_id(&request.mutation_id)?,
            writes: each("writes", request.writes, Write::try_from)?,
            reads: each("reads", request.reads, Read::try_from)?,
        })
    }
}

impl pb::CreateDocumentRequest {
    /// As a commit of one insert. Where the request names no id, it is what `generate_id` gives.
    ///
    /// # Errors
    /// If a field is not what it must be.
    pub fn into_commit(
        self,
        generate_id: impl FnOnce() -> String,
    ) -> Result<CommitRequest, WireError> {
        let collection: CollectionPath = self.collection.parse()?;
        let id = unless_empty(self.id).unwrap_or_else(generate_id);
        let path = collection.document(&id)?;
        let write = Write::insert(path, data(self.data)?);
        commit_of(&self.mutation_id, write)
    }
}

impl TryFrom<pb::UpdateDocumentRequest> for CommitRequest {
    type Error = WireError;

    fn try_from(request: pb::UpdateDocumentRequest) -> Result<CommitRequest, WireError> {
        use pb::update_document_request::Precondition as Given;
        let precondition = match request.precondition {
            None => None,
            Some(Given::IfVersion(version)) => Some(Precondition::Version(Sequence(version))),
            Some(Given::IfAbsent(given)) => Some(marked("if_absent", given, Precondition::Absent)?),
            Some(Given::IfExists(given)) => Some(marked("if_exists", given, Precondition::Exists)?),
        };
        let action = update(request.patch, request.transforms)?;
        let write = Write {
            path: request.path.parse()?,
            action,
            precondition,
        };
        commit_of(&request.mutation_id, write)
    }
}

impl TryFrom<pb::DeleteDocumentRequest> for CommitRequest {
    type Error = WireError;

    fn try_from(request: pb::DeleteDocumentRequest) -> Result<CommitRequest, WireError> {
        use pb::delete_document_request::Precondition as Given;
        let precondition = match request.precondition {
            None => None,
            Some(Given::IfVersion(version)) => Some(Precondition::Version(Sequence(version))),
            Some(Given::IfAbsent(given)) => Some(marked("if_absent", given, Precondition::Absent)?),
            Some(Given::IfExists(given)) => Some(marked("if_exists", given, Precondition::Exists)?),
        };
        let write = Write {
            path: request.path.parse()?,
            action: WriteAction::Delete,
            precondition,
        };
        commit_of(&request.mutation_id, write)
    }
}

fn commit_of(mutation: &str, write: Write) -> Result<CommitRequest, WireError> {
    let mutation_id = mutation_id(mutation)?;
    Ok(CommitRequest {
        mutation_id,
        ..CommitRequest::of(vec![write])
    })
}

impl TryFrom<pb::Write> for Write {
    type Error = WireError;

    fn try_from(write: pb::Write) -> Result<Write, WireError> {
        use pb::write::Precondition as Given;
        let precondition = match write.precondition {
            None => None,
            Some(Given::IfVersion(version)) => Some(Precondition::Version(Sequence(version))),
            Some(Given::IfAbsent(given)) => Some(marked("if_absent", given, Precondition::Absent)?),
            Some(Given::IfExists(given)) => Some(marked("if_exists", given, Precondition::Exists)?),
        };
        let path = write.path.parse()?;
        let (op, updates) = (
            write.op,
            write.patch.is_some() || !write.transforms.is_empty(),
        );
        let action = match pb::WriteOp::try_from(op) {
            Ok(pb::WriteOp::Insert) if !updates => WriteAction::Insert(data(write.data)?),
            Ok(pb::WriteOp::Set) if !updates => WriteAction::Set(data(write.data)?),
            Ok(pb::WriteOp::Update) if write.data.is_none() => {
                update(write.patch, write.transforms)?
            }
            Ok(pb::WriteOp::Delete) if write.data.is_none() && !updates => WriteAction::Delete,
            Ok(pb::WriteOp::Unspecified) | Err(_) => {
                return Err(WireError::invalid_argument(format!(
                    "op must be a WRITE_OP_ other than WRITE_OP_UNSPECIFIED, not {op}"
                )));
            }
            Ok(op) => {
                return Err(WireError::invalid_argument(format!(
                    "{} does not take the content given: data is for inserts and sets, \
                     patch and transforms are for updates",
                    op.as_str_name()
                )));
            }
        };
        Ok(Write {
            path,
            action,
            precondition,
        })
    }
}

fn update(
    patch: Option<pb::Content>,
    transforms: Vec<pb::Transform>,
) -> Result<WriteAction, WireError> {
    if patch.is_none() && transforms.is_empty() {
        return Err(WireError::invalid_argument(
            "an update needs patch or transforms",
        ));
    }
    request::transforms_fit(transforms.len())?;
    let patch = patch
        .map(read_object)
        .transpose()
        .map_err(|error| error.within("patch"))?;
    Ok(WriteAction::Update {
        patch: patch.unwrap_or_default(),
        transforms: each("transforms", transforms, Transform::try_from)?,
    })
}

impl TryFrom<pb::Transform> for Transform {
    type Error = WireError;

    fn try_from(transform: pb::Transform) -> Result<Transform, WireError> {
        let operation = match transform.operation {
            Some(transform::Operation::Increment(number)) => {
                TransformOperation::Increment(number.parse()?)
            }
            Some(transform::Operation::ArrayUnion(elements)) => {
                TransformOperation::ArrayUnion(read_elements(elements)?)
            }
            Some(transform::Operation::ArrayRemove(elements)) => {
                TransformOperation::ArrayRemove(read_elements(elements)?)
            }
            Some(transform::Operation::ServerTime(given)) => {
                marked("server_time", given, TransformOperation::ServerTime)?
            }
            Some(transform::Operation::Remove(given)) => {
                marked("remove", given, TransformOperation::Remove)?
            }
            None => {
                return Err(WireError::invalid_argument(
                    "a transform needs one of increment, array_union, array_remove, server_time \
                     and remove",
                ));
            }
        };
        Ok(Transform {
            field: transform.field.parse()?,
            operation,
        })
    }
}

impl TryFrom<pb::Read> for Read {
    type Error = WireError;

    fn try_from(read: pb::Read) -> Result<Read, WireError> {
        match (
            read.path.as_str(),
            read.collection.as_str(),
            read.version,
            read.at,
        ) {
            (path, "", Some(version), None) if !path.is_empty() && read.r#where.is_none() => {
                Ok(Read::Document {
                    path: path.parse()?,
                    version: Sequence(version),
                })
            }
            ("", collection, None, Some(at)) if !collection.is_empty() => Ok(Read::Query {
                collection: collection.parse()?,
                filter: filter(read.r#where)?,
                at: Sequence(at),
            }),
            _ => Err(WireError::invalid_argument(
                "a read needs either path and version, or collection and at (and where)",
            )),
        }
    }
}

/// Converts the elements of a list; an error says which it is about.
fn each<T, U>(
    name: &str,
    elements: Vec<T>,
    convert: impl Fn(T) -> Result<U, WireError>,
) -> Result<Vec<U>, WireError> {
    let convert = |(index, element)| {
        convert(element).map_err(|error: WireError| error.within(&format!("{name}[{index}]")))
    };
    elements.into_iter().enumerate().map(convert).collect()
}

fn data(content: Option<pb::Content>) -> Result<Data, WireError> {
    let content = content.ok_or_else(|| WireError::invalid_argument("data is needed"))?;
    let read = || Ok(Data::from_object(read_object(content)?)?);
    read().map_err(|error: WireError| error.within("data"))
}

fn mutation_id(text: &str) -> Result<Option<MutationId>, WireError> {
    if text.is_empty() {
        Ok(None)
    } else {
        Ok(Some(text.parse()?))
    }
}
