//! One port for everything: gRPC by its content type, the rest by its path. Requests of web pages
//! that may not be here are refused before anything looks at them.

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Version};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower::ServiceExt;
use tracing::debug;
use wellspring_protocol::error::{Code, WireError};

use crate::cors;
use crate::grpc::Grpc;
use crate::http::problem::Problem;
use crate::http::{admin_routes, asks_for_stream, client_routes};
use crate::listener::Handler;
use crate::logs::Logs;
use crate::metrics::{Metrics, Outcome, Protocol, Route, Share, Transport};
use crate::origin::{From, OriginPolicy};
use crate::shared::Shared;

/// Answers what arrives on the port for clients.
#[derive(Clone)]
pub(crate) struct ClientPort {
    shared: Shared,
    routes: Router,
    grpc: Grpc,
}

/// Answers what arrives on the port for operators.
#[derive(Clone)]
pub(crate) struct AdminPort {
    routes: Router,
    origins: OriginPolicy,
    metrics: Metrics,
}

impl ClientPort {
    pub(crate) fn new(shared: Shared) -> ClientPort {
        let routes = client_routes(shared.clone());
        let grpc = Grpc::new(shared.clone());
        ClientPort {
            shared,
            routes,
            grpc,
        }
    }
}

impl AdminPort {
    pub(crate) fn new(shared: Shared, logs: Option<Logs>) -> AdminPort {
        AdminPort {
            origins: OriginPolicy::of_operators(&shared.config),
            metrics: shared.metrics.clone(),
            routes: admin_routes(shared, logs),
        }
    }
}

impl Handler for ClientPort {
    async fn answer(&self, request: Request<Incoming>) -> Response {
        let began = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (transport, route) = kind(&request);
        let response = self.respond(request).await;
        let (outcome, took) = (Outcome::of(&response), began.elapsed());
        self.shared
            .metrics
            .answered(transport, route, outcome, took);
        // Without the query, which may hold a resume token.
        debug!(%method, path, status = response.status().as_u16(), "answered");
        response
    }

    fn connected(&self, version: Version) -> Share {
        self.shared.metrics.connected(match version {
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http1,
        })
    }

    fn turned_away(&self) {
        self.shared.metrics.turned_away();
    }
}

impl ClientPort {
    async fn respond(&self, request: Request<Incoming>) -> Response {
        let from = self.shared.origins.judge(request.headers(), request.uri());
        let origin = match from {
            From::Foreign => return foreign().into_response(),
            From::Page(origin) => Some(origin),
            From::Anyone => None,
        };
        let is_preflight = request.method() == Method::OPTIONS && origin.is_some();
        let mut response = if is_preflight {
            cors::preflight(request.headers())
        } else if is_grpc(request.headers()) {
            self.grpc.answer(request).await
        } else {
            route(&self.routes, request.map(Body::new)).await
        };
        if let Some(origin) = origin {
            cors::allow(response.headers_mut(), origin);
        }
        response
    }
}

impl Handler for AdminPort {
    async fn answer(&self, request: Request<Incoming>) -> Response {
        match self.origins.judge(request.headers(), request.uri()) {
            From::Foreign => foreign().into_response(),
            From::Page(_) | From::Anyone => route(&self.routes, request.map(Body::new)).await,
        }
    }

    fn connected(&self, _version: Version) -> Share {
        self.metrics.connected(Protocol::Admin)
    }

    fn turned_away(&self) {
        self.metrics.turned_away();
    }
}

/// What a request is counted as.
fn kind(request: &Request<Incoming>) -> (Transport, Route) {
    let path = request.uri().path();
    if is_grpc(request.headers()) {
        return (Transport::Grpc, Route::of_grpc(path));
    }
    let is_stream = asks_for_stream(request.headers());
    let route = Route::of_http(request.method(), path, is_stream);
    (Transport::Http, route)
}

async fn route(routes: &Router, request: Request<Body>) -> Response {
    let Ok(response) = routes.clone().oneshot(request).await;
    response
}

fn foreign() -> Problem {
    let told = "requests of this page are not allowed: its origin is not among allowed_origins";
    WireError::new(Code::PermissionDenied, told).into()
}

/// gRPC, or gRPC-web in either of its forms.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    content_type.is_some_and(|content_type| content_type.starts_with("application/grpc"))
}
