//! The generated services use the strict codec, and clients the lenient side of it.

use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::pb;
use wellspring_protocol::pb::documents_client::DocumentsClient;
use wellspring_protocol::pb::documents_server::{Documents, DocumentsServer};

/// Answers a `GetDocument` with the path that was asked for; nothing else is called.
struct Echo;

type Answer<T> = Result<Response<T>, Status>;

fn not_called<T>() -> Answer<T> {
    Err(WireError::internal().to_status())
}

#[tonic::async_trait]
impl Documents for Echo {
    async fn get_document(
        &self,
        request: Request<pb::GetDocumentRequest>,
    ) -> Answer<pb::GetDocumentResponse> {
        let document = pb::Document {
            path: request.into_inner().path,
            ..Default::default()
        };
        Ok(Response::new(pb::GetDocumentResponse {
            document: Some(document),
            seq: 7,
        }))
    }

    async fn list_documents(
        &self,
        _request: Request<pb::ListDocumentsRequest>,
    ) -> Answer<pb::ListDocumentsResponse> {
        not_called()
    }

    async fn get_history(
        &self,
        _request: Request<pb::GetHistoryRequest>,
    ) -> Answer<pb::GetHistoryResponse> {
        not_called()
    }

    async fn list_collections(
        &self,
        _request: Request<pb::ListCollectionsRequest>,
    ) -> Answer<pb::ListCollectionsResponse> {
        not_called()
    }

    async fn create_document(
        &self,
        _request: Request<pb::CreateDocumentRequest>,
    ) -> Answer<pb::CreateDocumentResponse> {
        not_called()
    }

    async fn update_document(
        &self,
        _request: Request<pb::UpdateDocumentRequest>,
    ) -> Answer<pb::UpdateDocumentResponse> {
        not_called()
    }

    async fn delete_document(
        &self,
        _request: Request<pb::DeleteDocumentRequest>,
    ) -> Answer<pb::DeleteDocumentResponse> {
        not_called()
    }

    async fn query(&self, _request: Request<pb::QueryRequest>) -> Answer<pb::QueryResponse> {
        not_called()
    }

    async fn commit(&self, _request: Request<pb::CommitRequest>) -> Answer<pb::CommitResponse> {
        not_called()
    }
}

/// Sends a message of any type to `GetDocument`, as a client of another schema would.
async fn get_document_with<T>(message: T) -> Result<(), WireError>
where
    T: prost::Message + Send + Sync + 'static,
{
    let mut client = tonic::client::Grpc::new(DocumentsServer::new(Echo));
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/wellspring.v1.Documents/GetDocument");
    let codec = ProstCodec::<T, pb::GetDocumentResponse>::new();
    let answer = client.unary(Request::new(message), path, codec).await;
    answer
        .map(|_| ())
        .map_err(|status| WireError::from_status(&status))
}

#[tokio::test]
async fn a_request_reaches_the_service_and_its_response_the_client() {
    let mut client = DocumentsClient::new(DocumentsServer::new(Echo));
    let request = pb::GetDocumentRequest {
        path: "a/b".into(),
        ..Default::default()
    };
    let response = client.get_document(request).await.unwrap().into_inner();
    assert_eq!(
        (response.document.unwrap().path.as_str(), response.seq),
        ("a/b", 7)
    );
}

#[tokio::test]
async fn a_field_that_the_server_does_not_know_is_refused() {
    let newer = pb::UpdateDocumentRequest {
        path: "a/b".into(),
        mutation_id: "m".into(),
        ..Default::default()
    };
    let error = get_document_with(newer).await.unwrap_err();
    let expected = "wellspring.v1.GetDocumentRequest has no field 7";
    assert_eq!(error, WireError::invalid_argument(expected));
}

#[tokio::test]
async fn a_field_of_another_type_is_refused() {
    // Its field 1 is a message, whose bytes are no UTF-8.
    let other = pb::GetDocumentResponse {
        document: Some(pb::Document {
            version: u64::MAX,
            ..Default::default()
        }),
        seq: 0,
    };
    let error = get_document_with(other).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
}
