//! What is served to operators: metrics, the subscriptions that there are, floors, the log filter.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::task::spawn_blocking;
use wellspring_engine::SubscriptionStatistics;
use wellspring_protocol::error::WireError;
use wellspring_types::{Number, Object, Value};

use super::parameters::Parameters;
use super::problem::Problem;
use super::{body, floors, health, only_get, reply};
use crate::logs::Logs;
use crate::metrics::CONTENT_TYPE as METRICS_CONTENT_TYPE;
use crate::shared::Shared;

/// Entries of one list, unless the request says how many.
const LISTED: usize = 100;
/// Entries of one list at most.
const LISTED_MAX: usize = 1000;
/// Bytes of a log filter.
const FILTER_BYTES_MAX: usize = 4096;

/// What every request of operators may need.
#[derive(Clone)]
struct Admin {
    shared: Shared,
    /// `None` where somebody else writes this process's logs.
    logs: Option<Logs>,
}

/// Everything that is served to operators.
pub(crate) fn admin_routes(shared: Shared, logs: Option<Logs>) -> Router {
    let log_level = get(log_level)
        .put(set_log_level)
        .fallback(|| async { Problem::method_not_allowed("GET, HEAD, PUT") });
    let floors = get(floors::list)
        .post(floors::post)
        .fallback(|| async { Problem::method_not_allowed("GET, HEAD, POST") });
    let admin = Admin {
        shared: shared.clone(),
        logs,
    };
    Router::new()
        .route("/metrics", get(metrics).fallback(only_get))
        .route("/subscriptions", get(subscriptions).fallback(only_get))
        .route("/log-level", log_level)
        .with_state(admin)
        .merge(
            Router::new()
                .route("/floors", floors)
                .with_state(shared.clone()),
        )
        .merge(health::routes().with_state(shared))
        .fallback(|| async { Problem::no_such_path() })
}

async fn metrics(State(admin): State<Admin>) -> Result<Response, Problem> {
    let metrics = admin.shared.metrics.clone();
    let text = blocking(move || metrics.text()).await?;
    let mut response = of_now(text.map_err(|_never| WireError::internal())?);
    let content_type = HeaderValue::from_static(METRICS_CONTENT_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(response)
}

/// The subscriptions that there are, those furthest behind first.
async fn subscriptions(State(admin): State<Admin>, request: Request) -> Result<Response, Problem> {
    let parameters = Parameters::read(request.uri().query(), &["limit"])?;
    let limit = limit(&parameters)?;
    let database = admin.shared.phase.database()?;
    let text = blocking(move || {
        let visible = database.visible();
        let mut all = database.subscriptions();
        let total = all.len();
        all.sort_unstable_by_key(|one| (std::cmp::Reverse(one.lag), one.id));
        all.truncate(limit);
        let mut list = Object::new();
        list.insert("visible", number(visible.0));
        list.insert("total", number(u64::try_from(total).unwrap_or(u64::MAX)));
        let listed = all.iter().map(|one| Value::Object(listed(one))).collect();
        list.insert("subscriptions", Value::Array(listed));
        Value::Object(list).to_text()
    });
    Ok(of_now(text.await?))
}

/// How much of a list is asked for.
pub(super) fn limit(parameters: &Parameters) -> Result<usize, WireError> {
    let limit = parameters.parsed("limit")?.unwrap_or(LISTED);
    if (1..=LISTED_MAX).contains(&limit) {
        return Ok(limit);
    }
    let told = format!("parameter \"limit\": {limit} is not from 1 to {LISTED_MAX}");
    Err(WireError::invalid_argument(told).detail("parameter", "limit"))
}

fn listed(one: &SubscriptionStatistics) -> Object {
    let peer = one.subscriber.peer.map(|peer| peer.to_string());
    let members = [
        ("id", number(one.id)),
        ("transport", string(one.subscriber.transport)),
        ("peer", peer.map_or(Value::Null, |peer| string(&peer))),
        ("collections", string(&one.collections.to_string())),
        ("conflate", Value::Bool(one.conflates)),
        ("state", string(one.state.as_str())),
        ("position", number(one.position.0)),
        ("lag", number(one.lag)),
        ("floor", number(one.floor.0)),
        ("queued_bytes", number(one.queued_bytes)),
        ("age_seconds", number(one.age.as_secs())),
    ];
    let mut object = Object::new();
    for (name, value) in members {
        object.insert(name, value);
    }
    object
}

async fn log_level(State(admin): State<Admin>) -> Result<Response, Problem> {
    let logs = admin.logs.ok_or_else(not_ours)?;
    Ok(told_filter(&logs))
}

/// Logs by another filter from now on, until the server stops.
async fn set_log_level(State(admin): State<Admin>, request: Request) -> Result<Response, Problem> {
    let body = request.into_body();
    let body = body::read(body, FILTER_BYTES_MAX, admin.shared.body_timeout()).await?;
    let logs = admin.logs.ok_or_else(not_ours)?;
    let filter = std::str::from_utf8(&body).map_err(|_not_utf8| {
        WireError::invalid_argument("the body must be a filter, such as info, as plain text")
    })?;
    let changed = logs.set_filter(filter);
    changed.map_err(|error| WireError::invalid_argument(error.to_string()))?;
    Ok(told_filter(&logs))
}

fn told_filter(logs: &Logs) -> Response {
    let mut object = Object::new();
    object.insert("filter", string(&logs.filter()));
    of_now(Value::Object(object).to_text())
}

fn not_ours() -> WireError {
    WireError::unimplemented("this server does not write the logs of its process")
}

pub(super) fn of_now(text: String) -> Response {
    let mut response = reply::json(text);
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

pub(super) fn number(number: u64) -> Value {
    Value::Number(Number::from(number))
}

pub(super) fn string(text: &str) -> Value {
    Value::String(text.into())
}

/// Runs what may take a while where there are very many subscriptions.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, WireError> {
    let done = spawn_blocking(work).await;
    done.map_err(|_panicked| WireError::internal())
}
