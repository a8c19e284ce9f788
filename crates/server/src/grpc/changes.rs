//! The service `Changes`.

use futures_util::stream;
use tonic::{Request, Response, Status};
use wellspring_protocol::pb::changes_server::Changes;
use wellspring_protocol::pb::{ContentForm, SubscribeRequest};

use super::deadline::Deadline;
use super::framing::{GrpcFraming, Responses};
use crate::client::{GRPC, subscriber};
use crate::session::{Feed, Session, Terms, outbox};
use crate::shared::Shared;

pub(super) struct ChangesService(pub(super) Shared);

#[tonic::async_trait]
impl Changes for ChangesService {
    type SubscribeStream = Responses;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Responses>, Status> {
        let deadline = request
            .extensions()
            .get::<Deadline>()
            .and_then(|deadline| deadline.0);
        let subscriber = subscriber(GRPC, request.extensions());
        let request = request.into_inner();
        let framing = GrpcFraming(ContentForm::of(request.format)?);
        let request = wellspring_types::feed::SubscribeRequest::try_from(request)?;
        let database = self.0.phase.database()?;
        let feed = Feed::open(&database, subscriber, request)?;
        let (outbox, taker) = outbox(self.0.outbox_limits());
        let terms = Terms {
            deadline,
            ..self.0.terms(subscriber)
        };
        let session = Session::new(framing, outbox, database, terms).with(feed);
        self.0.tasks.spawn(session.run(stream::empty()));
        Ok(Response::new(Responses(taker)))
    }
}
