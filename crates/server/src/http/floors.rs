//! Floors, as operators see and move them.

use axum::extract::{Request, State};
use axum::response::Response;
use wellspring_engine::{FloorError, FloorMove};
use wellspring_protocol::error::{Code, WireError};
use wellspring_types::{CollectionPath, Object, Sequence, Value, json};

use super::admin::{blocking, limit, number, of_now, string};
use super::body;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::errors;
use crate::shared::Shared;

/// The floor of everything, and those of single collections, in the order of their paths.
pub(super) async fn list(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(request.uri().query(), &["limit", "after"])?;
    let limit = limit(&parameters)?;
    let after = parameters.parsed::<CollectionPath>("after")?;
    let database = shared.phase.database()?;
    let text = blocking(move || {
        let all = database.collection_floors();
        let mut list = Object::new();
        list.insert("visible", number(database.visible().0));
        list.insert("floor", number(database.floor().0));
        list.insert(
            "total",
            number(u64::try_from(all.len()).unwrap_or(u64::MAX)),
        );
        let rest = all
            .iter()
            .filter(|one| Some(&one.collection) > after.as_ref());
        let listed = rest.take(limit).map(|one| {
            let mut told = Object::new();
            told.insert("collection", string(one.collection.as_str()));
            told.insert("floor", number(one.through.0));
            Value::Object(told)
        });
        list.insert("collections", Value::Array(listed.collect()));
        Value::Object(list).to_text()
    });
    Ok(of_now(text.await?))
}

/// Moves a floor.
pub(super) async fn post(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    Parameters::read(parts.uri.query(), &[])?;
    let body = body::read_json(&parts.headers, body, shared.body_timeout()).await?;
    let wished = read_move(&body)?;
    let collection = wished.collection.clone();
    let database = shared.phase.database()?;
    let moved = database.move_floor(wished).await;
    let moved = moved.map_err(|error| refused(&error))?;
    let mut told = Object::new();
    if let Some(collection) = collection {
        told.insert("collection", string(collection.as_str()));
    }
    told.insert("floor", number(moved.floor.0));
    told.insert("moved", Value::Bool(moved.seq.is_some()));
    if let Some(seq) = moved.seq {
        told.insert("seq", number(seq.0));
    }
    Ok(of_now(Value::Object(told).to_text()))
}

/// `{"collection":"rooms","through":123}`, or without a collection.
fn read_move(body: &[u8]) -> Result<FloorMove, WireError> {
    let Value::Object(mut fields) = json::parse_message(body)? else {
        return Err(WireError::invalid_argument("the body must be an object"));
    };
    let wrong = |field: &'static str, told: &str| {
        WireError::invalid_argument(format!("{field} must be {told}")).detail("field", field)
    };
    let collection = match fields.remove("collection") {
        None => None,
        Some(Value::String(path)) => Some(path.parse()?),
        Some(_) => return Err(wrong("collection", "a path")),
    };
    let through = fields.remove("through");
    let through = through.and_then(|through| through.as_number()?.as_u64());
    let through = Sequence(through.ok_or_else(|| wrong("through", "a sequence"))?);
    if let Some(name) = fields.keys().next() {
        let told = format!("there is no field {name:?} here; known: collection, through");
        return Err(WireError::invalid_argument(told));
    }
    Ok(FloorMove {
        collection,
        through,
    })
}

fn refused(error: &FloorError) -> WireError {
    match error {
        FloorError::Commit(error) => errors::commit(error),
        FloorError::Ahead { visible, .. } => {
            WireError::invalid_argument(error.to_string()).detail("visible", visible.0)
        }
        FloorError::UnknownCollection { collection } => {
            WireError::new(Code::NotFound, error.to_string()).detail("path", collection.as_str())
        }
        _ => WireError::internal(),
    }
}
