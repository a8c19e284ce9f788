//! `GET /v1/changes/{collection}`, or `GET /v1/changes?collections=…`: the feed as events, as lines, or as pages.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::ACCEPT;
use http::request::Parts;
use wellspring_engine::PageLimit;
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::feed;
use wellspring_protocol::request;
use wellspring_types::feed::{From, SubscribeRequest, View};
use wellspring_types::limits::{CHECKPOINT_INTERVAL_MS, PAGE_BYTES_MAX, PAGE_DOCUMENTS_MAX};
use wellspring_types::{CollectionSet, ResumeToken, json};

use super::address::Address;
use super::documents::filter;
use super::parameters::Parameters;
use super::problem::Problem;
use super::reply;
use super::stream::{self, StreamForm};
use crate::client::{POLL, subscriber};
use crate::errors;
use crate::shared::Shared;

const PREFIX: &str = "/v1/changes/";
const LAST_EVENT_ID: &str = "last-event-id";
/// Longest wait of a poll: less than proxies usually give a response.
const WAIT_MAX: Duration = Duration::from_secs(55);

/// Parameters of a feed in any form; a page takes `wait`, too.
const PARAMETERS: [&str; 13] = [
    "collections",
    "from",
    "after",
    "time",
    "where",
    "select",
    "old",
    "patch",
    "conflate",
    "known",
    "consumer",
    "unacked_max",
    "ack_timeout_ms",
];

/// The form that a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Stream(StreamForm),
    Page,
}

pub(super) async fn get(
    State(shared): State<Shared>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _body) = request.into_parts();
    match form(&parts.headers) {
        Form::Page => page(&shared, &parts).await,
        Form::Stream(form) => {
            let uri = &parts.uri;
            let request = stream_request(uri.path(), uri.query(), &parts.headers)?;
            match stream::open(&shared, form, request, &parts.extensions) {
                Ok(response) => Ok(response),
                Err(why) => Ok(stream::refuse(form, why)),
            }
        }
    }
}

/// Whether the client asks for a stream rather than a page.
pub(crate) fn asks_for_stream(headers: &HeaderMap) -> bool {
    form(headers) != Form::Page
}

/// What `Accept` says: the first form in it that is a stream, else a page.
fn form(headers: &HeaderMap) -> Form {
    let accepted = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut media_types = accepted.flat_map(|value| value.split(',')).map(|item| {
        item.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    });
    media_types
        .find_map(|media_type| match media_type.as_str() {
            "text/event-stream" => Some(Form::Stream(StreamForm::Events)),
            "application/x-ndjson" => Some(Form::Stream(StreamForm::Lines)),
            "application/json" => Some(Form::Page),
            _ => None,
        })
        .unwrap_or(Form::Page)
}

fn stream_request(
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<SubscribeRequest, WireError> {
    let parameters = Parameters::read(query, &PARAMETERS)?;
    let mut request = subscribe_request(path, &parameters)?;
    // A browser that reconnects repeats its first URL and says how far it has come.
    if let Some(token) = last_event_id(headers)? {
        request.from = From::Token(token);
    }
    Ok(request)
}

/// Where a client says it has come to. One that says something else must not silently be given
/// the changes from some other place.
fn last_event_id(headers: &HeaderMap) -> Result<Option<ResumeToken>, WireError> {
    let mut ids = headers.get_all(LAST_EVENT_ID).iter();
    match (ids.next().map(|id| id.to_str()), ids.next()) {
        (None, _) | (Some(Ok("")), None) => Ok(None),
        (Some(Ok(token)), None) => Ok(Some(ResumeToken::new(token))),
        _ => Err(WireError::new(
            Code::TokenInvalid,
            "Last-Event-ID must be given once, with a token",
        )),
    }
}

async fn page(shared: &Shared, parts: &Parts) -> Result<Response, Problem> {
    let known = [&PARAMETERS[..], &["wait"]].concat();
    let parameters = Parameters::read(parts.uri.query(), &known)?;
    let wait = wait(parameters.text("wait").unwrap_or("0"))?;
    let mut request = subscribe_request(parts.uri.path(), &parameters)?;
    if request.consumer.is_some() {
        let told = "a consumer is for those who stay: take part in it by a stream";
        return Err(WireError::invalid_argument(told)
            .detail("parameter", "consumer")
            .into());
    }
    request.end_on_gap = true;
    let database = shared.phase.database()?;
    let subscriber = subscriber(POLL, &parts.extensions);
    let mut subscription = database
        .subscribe_for(subscriber, request)
        .map_err(|error| errors::subscribe(&error))?;
    let limit = PageLimit {
        bytes: PAGE_BYTES_MAX,
        messages: usize::try_from(PAGE_DOCUMENTS_MAX).unwrap_or(usize::MAX),
    };
    let draining = shared.tasks.draining();
    let page = tokio::select! {
        page = subscription.page(limit, wait) => page.map_err(|error| errors::subscription(&error))?,
        () = draining.cancelled() => {
            let why = WireError::new(Code::Unavailable, "the server is shutting down");
            return Ok(Problem::from(why.after_ms(1000)).into_response());
        }
    };
    let mut response = reply::json(feed::page(&page.messages, &page.token, page.more));
    stream::forbid_caching(response.headers_mut());
    Ok(response)
}

/// The collection of the URL's path, or those of its parameter: a JSON array, as paths may have
/// commas in them.
fn collections(path: &str, parameters: &Parameters) -> Result<CollectionSet, WireError> {
    let named = parameters.text("collections").map(|text| {
        let wrong = || {
            let told = "parameter \"collections\": it is a JSON array of strings";
            WireError::invalid_argument(told).detail("parameter", "collections")
        };
        let value = json::parse_message(text.as_bytes()).map_err(|_error| wrong())?;
        let elements = value.as_array().ok_or_else(wrong)?.iter();
        let patterns = elements.map(|element| element.as_str().map(str::to_owned));
        patterns.collect::<Option<Vec<_>>>().ok_or_else(wrong)
    });
    let named = named.transpose()?;
    let named = named.as_ref().map(|named| named.iter().map(String::as_str));
    if path == PREFIX.trim_end_matches('/') {
        return request::collections(None, named);
    }
    let collection = Address::after(PREFIX, path)?.collection()?;
    request::collections(Some(collection.as_str()), named)
}

fn subscribe_request(path: &str, parameters: &Parameters) -> Result<SubscribeRequest, WireError> {
    if parameters.text("known").is_some() {
        let told = "known does not fit into a URL: send it over WebSocket or gRPC";
        return Err(WireError::unimplemented(told).detail("feature", "known"));
    }
    let select = parameters.list("select");
    Ok(SubscribeRequest {
        collections: collections(path, parameters)?,
        view: View {
            filter: filter(parameters)?,
            select: if select.is_empty() {
                None
            } else {
                Some(request::select(select)?)
            },
            old: parameters.switch("old")?,
            patch: parameters.switch("patch")?,
        },
        from: from(parameters)?,
        known: None,
        consumer: request::consuming(
            parameters.text("consumer"),
            parameters.parsed("unacked_max")?,
            parameters.parsed("ack_timeout_ms")?,
        )?,
        conflate: parameters.switch("conflate")?,
        end_on_gap: false,
        checkpoint_interval_ms: CHECKPOINT_INTERVAL_MS,
    })
}

fn from(parameters: &Parameters) -> Result<From, WireError> {
    let given = [
        parameters.text("from"),
        parameters.text("after"),
        parameters.text("time"),
    ];
    if given.iter().flatten().count() > 1 {
        let told = "from, after and time say where to begin: give one of them";
        return Err(WireError::invalid_argument(told));
    }
    if let Some(token) = parameters.text("after") {
        return Ok(From::Token(request::token(token)?));
    }
    if let Some(time) = parameters.parsed("time")? {
        return Ok(From::Time(time));
    }
    match parameters.text("from") {
        None | Some("now") => Ok(From::Now),
        Some("snapshot") => Ok(From::Snapshot),
        Some("beginning") => Ok(From::Beginning),
        Some(other) => {
            let told = format!("parameter \"from\": {other:?} is not now, snapshot or beginning");
            Err(WireError::invalid_argument(told).detail("parameter", "from"))
        }
    }
}

/// How long a poll waits: `0`, `25s` or `500ms`.
fn wait(text: &str) -> Result<Duration, WireError> {
    let wait = if let Some(millis) = text.strip_suffix("ms") {
        millis.parse().ok().map(Duration::from_millis)
    } else if let Some(seconds) = text.strip_suffix('s') {
        seconds.parse().ok().map(Duration::from_secs)
    } else if text == "0" {
        Some(Duration::ZERO)
    } else {
        None
    };
    wait.filter(|wait| *wait <= WAIT_MAX).ok_or_else(|| {
        let told =
            format!("parameter \"wait\": {text:?} is not 0 or a time up to 55s, such as 25s");
        WireError::invalid_argument(told).detail("parameter", "wait")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(accept: &str) -> Form {
        form(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]))
    }

    #[test]
    fn accept_chooses_the_form() {
        assert_eq!(form(&HeaderMap::new()), Form::Page);
        assert_eq!(accepts("*/*"), Form::Page);
        assert_eq!(
            accepts("text/event-stream"),
            Form::Stream(StreamForm::Events)
        );
        assert_eq!(
            accepts("text/html, Application/X-NDJSON;q=0.9"),
            Form::Stream(StreamForm::Lines)
        );
        assert_eq!(accepts("application/json, text/event-stream"), Form::Page);
    }

    #[test]
    fn a_wait_is_read_with_its_unit() {
        assert_eq!(wait("0"), Ok(Duration::ZERO));
        assert_eq!(wait("25s"), Ok(Duration::from_secs(25)));
        assert_eq!(wait("1500ms"), Ok(Duration::from_millis(1500)));
        for refused in ["", "25", "-1s", "56s", "1m", "18446744073709551615s"] {
            assert!(wait(refused).is_err(), "{refused}");
        }
    }

    fn begins(query: &str) -> Result<From, String> {
        let request = stream_request("/v1/changes/rooms", Some(query), &HeaderMap::new());
        request
            .map(|request| request.from)
            .map_err(|error| error.message)
    }

    #[test]
    fn parameters_say_where_to_begin() {
        assert_eq!(begins(""), Ok(From::Now));
        assert_eq!(begins("from=snapshot"), Ok(From::Snapshot));
        assert_eq!(begins("from=beginning"), Ok(From::Beginning));
        assert_eq!(
            begins("after=abc"),
            Ok(From::Token(ResumeToken::new("abc")))
        );
        assert!(matches!(
            begins("time=2026-11-24T09:00:00Z"),
            Ok(From::Time(_))
        ));
        assert!(begins("from=start").unwrap_err().contains("from"));
        assert!(begins("after=").is_err());
        assert!(
            begins("from=now&after=abc")
                .unwrap_err()
                .contains("one of them")
        );
        assert!(
            begins("wait=25s").unwrap_err().contains("wait"),
            "streams have no wait"
        );
    }

    #[test]
    fn the_last_event_id_outranks_the_query() {
        let headers = |id: &str| {
            HeaderMap::from_iter([(
                http::HeaderName::from_static(LAST_EVENT_ID),
                id.parse().unwrap(),
            )])
        };
        let from = |id: &str| {
            let query = Some("from=snapshot");
            stream_request("/v1/changes/rooms", query, &headers(id))
                .unwrap()
                .from
        };
        assert_eq!(from("abc"), From::Token(ResumeToken::new("abc")));
        assert_eq!(from(""), From::Snapshot);
        let mut twice = headers("abc");
        twice.append(LAST_EVENT_ID, "abc".parse().unwrap());
        let unreadable = HeaderMap::from_iter([(
            http::HeaderName::from_static(LAST_EVENT_ID),
            http::HeaderValue::from_bytes(b"abc\xff").unwrap(),
        )]);
        for refused in [twice, unreadable] {
            let error = stream_request("/v1/changes/rooms", None, &refused).unwrap_err();
            assert_eq!(error.code, Code::TokenInvalid, "{error}");
        }
    }
}
