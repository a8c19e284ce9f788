//! The service `Consumers`.

use tonic::{Request, Response, Status};
use wellspring_protocol::pb::consumers_server::Consumers;
use wellspring_protocol::pb::{
    AcknowledgeRequest, AcknowledgeResponse, DeleteConsumerRequest, DeleteConsumerResponse,
    ListConsumersRequest, ListConsumersResponse,
};
use wellspring_types::ResumeToken;
use wellspring_types::consumer::{ConsumerName, ConsumersQuery};

use crate::shared::Shared;
use crate::{consumers, reads};

pub(super) struct ConsumersService(pub(super) Shared);

#[tonic::async_trait]
impl Consumers for ConsumersService {
    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        let token = ResumeToken::try_from(request.into_inner())?;
        let database = self.0.phase.database()?;
        let seq = consumers::ack(&database, &token).await?.0;
        Ok(Response::new(AcknowledgeResponse { seq }))
    }

    async fn list_consumers(
        &self,
        request: Request<ListConsumersRequest>,
    ) -> Result<Response<ListConsumersResponse>, Status> {
        let query = ConsumersQuery::try_from(request.into_inner())?;
        let database = self.0.phase.database()?;
        let page = reads::consumers(&database, query).await?;
        Ok(Response::new(page.into()))
    }

    async fn delete_consumer(
        &self,
        request: Request<DeleteConsumerRequest>,
    ) -> Result<Response<DeleteConsumerResponse>, Status> {
        let name = ConsumerName::try_from(request.into_inner())?;
        let database = self.0.phase.database()?;
        let seq = consumers::delete(&database, &name).await?.0;
        Ok(Response::new(DeleteConsumerResponse { seq }))
    }
}
