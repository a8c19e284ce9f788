//! `commit`: writes and what they rely on.

use wellspring_types::json::{self, JsonError, Minified};
use wellspring_types::write::{
    CommitRequest, Precondition, Read, Transform, TransformOperation, Write, WriteAction,
};
use wellspring_types::{Data, Filter, Number, Object, Sequence, Value};

use super::fields::{Fields, clip};
use crate::error::WireError;
use crate::request;

/// The documents of a commit that are still to be taken, in the order of its writes.
type Documents = std::vec::IntoIter<Minified>;

/// Reads the body of `POST /v1/commit`: a `commit` without `type` and `id`.
///
/// # Errors
/// If it is not one, naming the field and what is expected of it.
pub fn parse_commit(text: &[u8]) -> Result<CommitRequest, WireError> {
    let (value, documents) = parse_with_documents(text)?;
    read_commit(Fields::of("a commit", value)?, documents)
}

/// Parses a message; what is written by a commit is kept as text beside it, in its order, and an
/// empty object in it. Nobody may look inside of a document before it is sent on as text.
pub(super) fn parse_with_documents(text: &[u8]) -> Result<(Value, Vec<Minified>), JsonError> {
    json::parse_lifting(text, "writes", "data")
}

pub(super) fn read_commit(
    mut fields: Fields,
    documents: Vec<Minified>,
) -> Result<CommitRequest, WireError> {
    let mutation_id = fields
        .string("mutation_id")?
        .map(|text| text.parse())
        .transpose()?;
    let writes = fields.array("writes")?;
    let writes = fields.required("writes", writes)?;
    let reads = fields.array("reads")?.unwrap_or_default();
    fields.finish()?;
    request::writes_fit(writes.len())?;
    request::reads_fit(reads.len())?;
    let mut documents = documents.into_iter();
    Ok(CommitRequest {
        mutation_id,
        writes: each("writes", writes, |write| read_write(write, &mut documents))?,
        reads: each("reads", reads, read_read)?,
    })
}

/// Reads the elements of an array; an error says which it is about.
fn each<T>(
    name: &str,
    elements: Vec<Value>,
    mut read: impl FnMut(Value) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let read = |(index, element)| {
        read(element).map_err(|error: WireError| error.within(&format!("{name}[{index}]")))
    };
    elements.into_iter().enumerate().map(read).collect()
}

fn read_write(value: Value, documents: &mut Documents) -> Result<Write, WireError> {
    let mut fields = Fields::of("a write", value)?;
    let op = fields.string("op")?;
    let op = fields.required("op", op)?;
    let path = fields.string("path")?;
    let path = fields.required("path", path)?.parse()?;
    let precondition = read_precondition(&mut fields)?;
    let action = match op.as_ref() {
        "insert" => {
            fields = fields.called("an insert");
            WriteAction::Insert(read_data(&mut fields, documents)?)
        }
        "set" => {
            fields = fields.called("a set");
            WriteAction::Set(read_data(&mut fields, documents)?)
        }
        "update" => {
            fields = fields.called("an update");
            read_update(&mut fields)?
        }
        "delete" => {
            fields = fields.called("a delete");
            WriteAction::Delete
        }
        other => {
            let message = format!(
                "op must be insert, set, update or delete, not {:?}",
                clip(other)
            );
            return Err(WireError::invalid_argument(message).detail("field", "op"));
        }
    };
    fields.finish()?;
    Ok(Write {
        path,
        action,
        precondition,
    })
}

fn read_precondition(fields: &mut Fields) -> Result<Option<Precondition>, WireError> {
    let version = fields.integer("if_version")?;
    let absent = fields.mark("if_absent")?;
    let exists = fields.mark("if_exists")?;
    match (version, absent, exists) {
        (None, None, None) => Ok(None),
        (Some(version), None, None) => Ok(Some(Precondition::Version(Sequence(version)))),
        (None, Some(()), None) => Ok(Some(Precondition::Absent)),
        (None, None, Some(())) => Ok(Some(Precondition::Exists)),
        _ => Err(WireError::invalid_argument(
            "a write takes one of if_version, if_absent and if_exists",
        )),
    }
}

/// The next document is this write's: an error in an earlier one ended the commit, and without one
/// each that has an object as `data` has taken it.
fn read_data(fields: &mut Fields, documents: &mut Documents) -> Result<Data, WireError> {
    let data = fields.object("data")?;
    let _in_its_place = fields.required("data", data)?;
    let document = documents.next().ok_or_else(WireError::internal)?;
    Ok(Data::from_minified(document)?)
}

fn read_update(fields: &mut Fields) -> Result<WriteAction, WireError> {
    let patch = fields.object("patch")?;
    let transforms = fields.array("transforms")?;
    if patch.is_none() && transforms.is_none() {
        return Err(
            WireError::invalid_argument("an update needs patch or transforms")
                .detail("field", "patch"),
        );
    }
    let (patch, transforms) = (patch.unwrap_or_default(), transforms.unwrap_or_default());
    check_patch(&patch)?;
    request::transforms_fit(transforms.len())?;
    Ok(WriteAction::Update {
        patch,
        transforms: each("transforms", transforms, read_transform)?,
    })
}

/// A patch obeys the limits of the document that it becomes a part of.
pub(crate) fn check_patch(patch: &Object) -> Result<(), WireError> {
    Ok(patch.check_depth()?)
}

fn read_transform(value: Value) -> Result<Transform, WireError> {
    const OPERATIONS: &str =
        "a transform needs one of increment, array_union, array_remove, server_time and remove";
    let mut fields = Fields::of("a transform", value)?;
    let field = fields.string("field")?;
    let field = fields.required("field", field)?.parse()?;
    let candidates = [
        read_increment(&mut fields)?.map(TransformOperation::Increment),
        fields
            .array("array_union")?
            .map(TransformOperation::ArrayUnion),
        fields
            .array("array_remove")?
            .map(TransformOperation::ArrayRemove),
        fields
            .mark("server_time")?
            .map(|()| TransformOperation::ServerTime),
        fields.mark("remove")?.map(|()| TransformOperation::Remove),
    ];
    fields.finish()?;
    let mut given = candidates.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(operation), None) => Ok(Transform { field, operation }),
        _ => Err(WireError::invalid_argument(OPERATIONS)),
    }
}

fn read_increment(fields: &mut Fields) -> Result<Option<Number>, WireError> {
    match fields.any("increment") {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(number)),
        Some(other) => Err(WireError::invalid_argument(format!(
            "increment of a transform must be a number, not {}",
            other.type_name()
        ))
        .detail("field", "increment")),
    }
}

fn read_read(value: Value) -> Result<Read, WireError> {
    let mut fields = Fields::of("a read", value)?;
    let read = match (fields.string("path")?, fields.string("collection")?) {
        (Some(path), None) => {
            fields = fields.called("a read of a document");
            let version = fields.integer("version")?;
            let version = Sequence(fields.required("version", version)?);
            Read::Document {
                path: path.parse()?,
                version,
            }
        }
        (None, Some(collection)) => {
            fields = fields.called("a read of a query");
            let filter = read_filter(&mut fields)?;
            let at = fields.integer("at")?;
            let at = Sequence(fields.required("at", at)?);
            Read::Query {
                collection: collection.parse()?,
                filter,
                at,
            }
        }
        _ => {
            return Err(WireError::invalid_argument(
                "a read needs either path or collection",
            ));
        }
    };
    fields.finish()?;
    Ok(read)
}

/// The field `where`.
pub(super) fn read_filter(fields: &mut Fields) -> Result<Option<Filter>, WireError> {
    let filter = fields
        .object("where")?
        .map(|object| Filter::from_value(&Value::Object(object)));
    filter
        .transpose()
        .map_err(|error| WireError::from(error).within("where"))
}
