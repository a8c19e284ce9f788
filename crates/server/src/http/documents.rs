//! `/v1/documents/…`: one document, or a collection.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, ETAG, HeaderValue};
use http::{HeaderMap, StatusCode, Uri};
use wellspring_engine::Database;
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::reply;
use wellspring_protocol::request;
use wellspring_types::limits::REQUEST_BYTES_MAX;
use wellspring_types::query::{Get, Query};
use wellspring_types::write::{CommitRequest, CommitResult, Precondition, Write};
use wellspring_types::{CollectionPath, Data, DocumentPath, Filter, MutationId, Value, json};

use super::address::Address;
use super::body;
use super::etag::{etag, is_known, write_precondition};
use super::parameters::Parameters;
use super::problem::Problem;
use super::reply::{created, json, written};
use crate::commits;
use crate::errors;
use crate::ids::new_document_id;
use crate::metrics::Metrics;
use crate::reads;
use crate::shared::Shared;

const PREFIX: &str = "/v1/documents/";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A document, or a page of a collection.
pub(super) async fn get(
    State(shared): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match Address::after(PREFIX, uri.path())? {
        Address::Document(path) => get_document(&shared, &uri, &headers, path).await,
        Address::Collection(path) => list(&shared, &uri, path).await,
    }
}

async fn get_document(
    shared: &Shared,
    uri: &Uri,
    headers: &HeaderMap,
    path: DocumentPath,
) -> Result<Response, Problem> {
    let parameters = Parameters::read(uri.query(), &["at"])?;
    let get = Get {
        path,
        at: parameters.parsed("at")?,
    };
    let database = shared.phase.database()?;
    let (document, _seq) = reads::get(&database, &get).await?;
    let tag = etag(document.version);
    let mut response = if is_known(headers, document.version)? {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    } else {
        json(reply::document_body(&document))
    };
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}

async fn list(shared: &Shared, uri: &Uri, collection: CollectionPath) -> Result<Response, Problem> {
    let known = ["where", "select", "order_by", "limit", "cursor", "at"];
    let parameters = Parameters::read(uri.query(), &known)?;
    let select = parameters.list("select");
    let query = Query {
        collection,
        filter: filter(&parameters)?,
        select: if select.is_empty() {
            None
        } else {
            Some(request::select(select)?)
        },
        order_by: request::order_by(parameters.list("order_by"))?,
        limit: request::page_limit(parameters.parsed("limit")?)?,
        cursor: parameters.text("cursor").map(str::to_owned),
        at: parameters.parsed("at")?,
    };
    let database = shared.phase.database()?;
    let page = reads::query(&database, query).await?;
    Ok(json(reply::page_body(&page)))
}

/// The parameter `where`.
///
/// # Errors
/// If it is not a filter.
pub(super) fn filter(parameters: &Parameters) -> Result<Option<Filter>, WireError> {
    let parse = |text| Filter::parse(text).map_err(WireError::from);
    let named = |mut error: WireError| {
        error.message.insert_str(0, "parameter \"where\": ");
        error
    };
    parameters
        .text("where")
        .map(parse)
        .transpose()
        .map_err(named)
}

/// Inserts or replaces a document with the bare data of the body.
pub(super) async fn put(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (write, body) = WriteRequest::read(&shared, request).await?;
    let path = write.document()?;
    let data = Data::parse(&body).map_err(WireError::from)?;
    let database = shared.phase.database()?;
    let may_create = match (write.precondition, &write.mutation_id) {
        (Some(Precondition::Version(_) | Precondition::Exists), _) => false,
        // A repeat finds the document that the first attempt inserted.
        (Some(Precondition::Absent), _) | (None, Some(_)) => true,
        (None, None) => get_now(&database, &path).await?.is_none(),
    };
    let result = write
        .commit((&database, &shared.metrics), Write::set(path.clone(), data))
        .await?;
    // Inserted by this very commit, unless somebody else has overwritten it already.
    let inserted = |now: wellspring_types::Document| {
        now.created_at == result.time && now.version == result.seq
    };
    if may_create && get_now(&database, &path).await?.is_none_or(inserted) {
        return Ok(created(&result, &path));
    }
    Ok(written(&result))
}

async fn get_now(
    database: &Database,
    path: &DocumentPath,
) -> Result<Option<wellspring_types::Document>, WireError> {
    database
        .get(path)
        .await
        .map_err(|error| errors::read(&error))
}

/// Changes parts of a document: the body is a merge patch (RFC 7396).
pub(super) async fn patch(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (write, body) = WriteRequest::read(&shared, request).await?;
    let path = write.document()?;
    let Value::Object(patch) = json::parse(&body).map_err(WireError::from)? else {
        return Err(WireError::invalid_argument("a merge patch of a document is an object").into());
    };
    let database = shared.phase.database()?;
    Ok(written(
        &write
            .commit((&database, &shared.metrics), Write::update(path, patch))
            .await?,
    ))
}

/// Removes a document.
pub(super) async fn delete(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let write = WriteRequest::of(&parts.uri, &parts.headers)?;
    let path = write.document()?;
    // Somebody may have put a condition there, which must not be passed over.
    let body = body::read(body, REQUEST_BYTES_MAX, shared.body_timeout());
    if !body.await?.is_empty() {
        let told = "a DELETE has no body; it takes the headers If-Match and Idempotency-Key";
        return Err(WireError::invalid_argument(told).into());
    }
    let database = shared.phase.database()?;
    Ok(written(
        &write
            .commit((&database, &shared.metrics), Write::delete(path))
            .await?,
    ))
}

/// Inserts a document with the bare data of the body, under an id that is made here.
pub(super) async fn post(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (write, body) = WriteRequest::read(&shared, request).await?;
    if write.precondition.is_some() {
        let told = "a POST makes a new id, so there is no If-Match and no If-None-Match";
        return Err(WireError::invalid_argument(told).into());
    }
    let collection = match &write.address {
        Address::Collection(path) => path.clone(),
        Address::Document(_) => {
            return Err(Problem::method_not_allowed("GET, HEAD, PUT, PATCH, DELETE"));
        }
    };
    let id = new_document_id(&collection, write.mutation_id.as_ref());
    let path = collection.document(&id).map_err(WireError::from)?;
    let data = Data::parse(&body).map_err(WireError::from)?;
    let database = shared.phase.database()?;
    let result = write
        .commit(
            (&database, &shared.metrics),
            Write::insert(path.clone(), data),
        )
        .await?;
    Ok(created(&result, &path))
}

/// What a write's URL and headers say.
struct WriteRequest {
    address: Address,
    precondition: Option<Precondition>,
    mutation_id: Option<MutationId>,
}

impl WriteRequest {
    fn of(uri: &Uri, headers: &HeaderMap) -> Result<WriteRequest, WireError> {
        Parameters::read(uri.query(), &[])?;
        Ok(WriteRequest {
            address: Address::after(PREFIX, uri.path())?,
            precondition: write_precondition(headers)?,
            mutation_id: idempotency_key(headers)?,
        })
    }

    async fn read(
        shared: &Shared,
        request: Request<Body>,
    ) -> Result<(WriteRequest, bytes::Bytes), Problem> {
        let (parts, body) = request.into_parts();
        let write = WriteRequest::of(&parts.uri, &parts.headers)?;
        let body = body::read_json(&parts.headers, body, shared.body_timeout()).await?;
        Ok((write, body))
    }

    fn document(&self) -> Result<DocumentPath, Problem> {
        match &self.address {
            Address::Document(path) => Ok(path.clone()),
            Address::Collection(_) => Err(Problem::method_not_allowed("GET, HEAD, POST")),
        }
    }

    async fn commit(
        &self,
        (database, metrics): (&Database, &Metrics),
        write: Write,
    ) -> Result<CommitResult, WireError> {
        let write = Write {
            precondition: self.precondition,
            ..write
        };
        let mut request = CommitRequest::of(vec![write]);
        request.mutation_id = self.mutation_id.clone();
        commits::commit(database, metrics, request).await
    }
}

/// The header `Idempotency-Key`: the mutation id.
///
/// # Errors
/// If it is given twice or is not one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<MutationId>, WireError> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let key = match (keys.next(), keys.next()) {
        (None, _) => return Ok(None),
        (Some(key), None) => key.to_str().ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    let told = "Idempotency-Key must be given once, with 1 to 128 printable characters";
    key.map(Some)
        .ok_or_else(|| WireError::new(Code::InvalidArgument, told))
}
