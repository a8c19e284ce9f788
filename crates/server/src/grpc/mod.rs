//! gRPC and gRPC-web: the services of `wellspring.v1`, health, and reflection.

mod changes;
mod consumers;
mod deadline;
mod documents;
mod framing;
mod gate;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{Method, Request, Version};
use hyper::body::Incoming;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tonic_web::GrpcWebLayer;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};
use wellspring_protocol::error::WireError;
use wellspring_protocol::pb::FILE_DESCRIPTOR_SET;
use wellspring_protocol::pb::changes_server::ChangesServer;
use wellspring_protocol::pb::consumers_server::ConsumersServer;
use wellspring_protocol::pb::documents_server::DocumentsServer;
use wellspring_types::limits::REQUEST_BYTES_MAX;

use crate::http::problem::Problem;
use crate::phase::Phase;
use crate::shared::Shared;

/// Bytes of a message that the encoder lets pass; what is written is smaller.
const ENCODED_BYTES_MAX: usize = REQUEST_BYTES_MAX;

/// Services whose health clients may ask for; the empty name is the server.
const SERVICES: [&str; 4] = [
    "",
    "wellspring.v1.Documents",
    "wellspring.v1.Changes",
    "wellspring.v1.Consumers",
];

type Service = BoxCloneSyncService<Request<Body>, Response, std::convert::Infallible>;

/// Answers gRPC requests.
#[derive(Clone)]
pub(crate) struct Grpc(Service);

impl Grpc {
    pub(crate) fn new(shared: Shared) -> Grpc {
        let routes = routes(&shared);
        // The gate is inside the translation of gRPC-web, which so carries its answers, too.
        let gate = service_fn(move |request: Request<tonic::body::Body>| {
            let (shared, routes) = (shared.clone(), routes.clone());
            async move { Ok(gate::pass(&shared, routes, request).await) }
        });
        let service = GrpcWebLayer::new().layer(gate);
        let service =
            ServiceExt::<Request<Body>>::map_response(service, |response: http::Response<_>| {
                response.map(Body::new)
            });
        Grpc(BoxCloneSyncService::new(service))
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response {
        if request.method() != Method::POST {
            return Problem::method_not_allowed("POST").into_response();
        }
        if !is_protobuf(&request) {
            let known = "application/grpc, application/grpc-web or application/grpc-web-text, \
                         alone or with +proto";
            return Problem::unsupported_media_type(known).into_response();
        }
        if request.version() != Version::HTTP_2 && !is_grpc_web(&request) {
            let told = "gRPC needs HTTP/2; over HTTP/1.1 there is gRPC-web";
            return Problem::from(WireError::invalid_argument(told)).into_response();
        }
        let Ok(response) = self.0.clone().oneshot(request.map(Body::new)).await;
        response
    }
}

fn content_type<B>(request: &Request<B>) -> &str {
    let content_type = request.headers().get(CONTENT_TYPE);
    content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn is_grpc_web<B>(request: &Request<B>) -> bool {
    content_type(request).starts_with("application/grpc-web")
}

/// Whether the messages are protobuf, which the library takes for granted.
fn is_protobuf<B>(request: &Request<B>) -> bool {
    let content_type = content_type(request);
    let form = content_type.strip_suffix("+proto").unwrap_or(content_type);
    matches!(
        form,
        "application/grpc" | "application/grpc-web" | "application/grpc-web-text"
    )
}

#[expect(
    clippy::expect_used,
    reason = "the descriptors are checked in, and a test asks the services built of them"
)]
fn routes(shared: &Shared) -> Routes {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    shared.tasks.spawn(report_health(shared.clone(), reporter));
    let documents = DocumentsServer::new(documents::DocumentsService(shared.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ENCODED_BYTES_MAX);
    let changes = ChangesServer::new(changes::ChangesService(shared.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ENCODED_BYTES_MAX);
    let consumers = ConsumersServer::new(consumers::ConsumersService(shared.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(ENCODED_BYTES_MAX);
    Routes::new(documents)
        .add_service(changes)
        .add_service(consumers)
        .add_service(health)
        .add_service(reflection().build_v1().expect("valid descriptors"))
        .add_service(reflection().build_v1alpha().expect("valid descriptors"))
        .prepare()
}

/// Keeps the health service informed.
async fn report_health(shared: Shared, reporter: HealthReporter) {
    for service in SERVICES {
        reporter
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
    let draining = shared.tasks.draining();
    if draining
        .run_until_cancelled(shared.phase.opened())
        .await
        .is_none()
    {
        return;
    }
    if matches!(shared.phase.get(), Phase::Ready(_)) {
        for service in SERVICES {
            reporter
                .set_service_status(service, ServingStatus::Serving)
                .await;
        }
    }
    draining.cancelled().await;
    for service in SERVICES {
        reporter
            .set_service_status(service, ServingStatus::NotServing)
            .await;
    }
}
