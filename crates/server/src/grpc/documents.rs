//! The service `Documents`.

use tonic::{Request, Response, Status};
use wellspring_protocol::error::WireError;
use wellspring_protocol::pb::documents_server::Documents;
use wellspring_protocol::pb::{
    CommitRequest, CommitResponse, ContentForm, CreateDocumentRequest, CreateDocumentResponse,
    DeleteDocumentRequest, DeleteDocumentResponse, GetDocumentRequest, GetDocumentResponse,
    GetHistoryRequest, GetHistoryResponse, ListCollectionsRequest, ListCollectionsResponse,
    ListDocumentsRequest, ListDocumentsResponse, QueryRequest, QueryResponse,
    UpdateDocumentRequest, UpdateDocumentResponse,
};
use wellspring_types::history::HistoryQuery;
use wellspring_types::listing::CollectionsQuery;
use wellspring_types::query::{Get, Page, Query};
use wellspring_types::write::CommitResult;

use crate::commits;
use crate::ids::new_document_id;
use crate::reads;
use crate::shared::Shared;

pub(super) struct DocumentsService(pub(super) Shared);

impl DocumentsService {
    async fn commit_of(
        &self,
        request: wellspring_types::write::CommitRequest,
    ) -> Result<CommitResult, WireError> {
        let database = self.0.phase.database()?;
        commits::commit(&database, &self.0.metrics, request).await
    }

    async fn page_of(&self, query: Query) -> Result<Page, WireError> {
        let database = self.0.phase.database()?;
        reads::query(&database, query).await
    }
}

#[tonic::async_trait]
impl Documents for DocumentsService {
    async fn get_document(
        &self,
        request: Request<GetDocumentRequest>,
    ) -> Result<Response<GetDocumentResponse>, Status> {
        let request = request.into_inner();
        let form = ContentForm::of(request.format)?;
        let get = Get::try_from(request)?;
        let database = self.0.phase.database()?;
        let (document, seq) = reads::get(&database, &get).await?;
        Ok(Response::new(GetDocumentResponse::of(&document, seq, form)))
    }

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<GetHistoryResponse>, Status> {
        let request = request.into_inner();
        let form = ContentForm::of(request.format)?;
        let query = HistoryQuery::try_from(request)?;
        let database = self.0.phase.database()?;
        let page = reads::history(&database, query).await?;
        Ok(Response::new(GetHistoryResponse::of(page, form)))
    }

    async fn list_collections(
        &self,
        request: Request<ListCollectionsRequest>,
    ) -> Result<Response<ListCollectionsResponse>, Status> {
        let query = CollectionsQuery::try_from(request.into_inner())?;
        let database = self.0.phase.database()?;
        let page = reads::collections(&database, &query)?;
        Ok(Response::new(page.into()))
    }

    async fn list_documents(
        &self,
        request: Request<ListDocumentsRequest>,
    ) -> Result<Response<ListDocumentsResponse>, Status> {
        let request = request.into_inner();
        let form = ContentForm::of(request.format)?;
        let page = self.page_of(Query::try_from(request)?).await?;
        Ok(Response::new(ListDocumentsResponse::of(page, form)))
    }

    async fn create_document(
        &self,
        request: Request<CreateDocumentRequest>,
    ) -> Result<Response<CreateDocumentResponse>, Status> {
        let request = request.into_inner();
        let (collection, mutation) = (request.collection.clone(), request.mutation_id.clone());
        let commit = request.into_commit(|| match collection.parse() {
            Ok(collection) => new_document_id(&collection, mutation.parse().ok().as_ref()),
            // The conversion refuses a collection that does not parse before it asks for an id.
            Err(_) => String::new(),
        })?;
        Ok(Response::new(self.commit_of(commit).await?.into()))
    }

    async fn update_document(
        &self,
        request: Request<UpdateDocumentRequest>,
    ) -> Result<Response<UpdateDocumentResponse>, Status> {
        let commit = request.into_inner().try_into()?;
        Ok(Response::new(self.commit_of(commit).await?.into()))
    }

    async fn delete_document(
        &self,
        request: Request<DeleteDocumentRequest>,
    ) -> Result<Response<DeleteDocumentResponse>, Status> {
        let commit = request.into_inner().try_into()?;
        Ok(Response::new(self.commit_of(commit).await?.into()))
    }

    async fn query(
        &self,
        request: Request<QueryRequest>,
    ) -> Result<Response<QueryResponse>, Status> {
        let request = request.into_inner();
        let form = ContentForm::of(request.format)?;
        let page = self.page_of(Query::try_from(request)?).await?;
        Ok(Response::new(QueryResponse::of(page, form)))
    }

    async fn commit(
        &self,
        request: Request<CommitRequest>,
    ) -> Result<Response<CommitResponse>, Status> {
        let commit = request.into_inner().try_into()?;
        Ok(Response::new(self.commit_of(commit).await?.into()))
    }
}
