//! The handle that applications hold.

use std::fmt::Write as _;
use std::sync::Arc;

use wellspring_protocol::error::Code;
use wellspring_types::consumer::{ConsumerName, ConsumersPage, ConsumersQuery};
use wellspring_types::history::{HistoryPage, HistoryQuery};
use wellspring_types::listing::{CollectionsPage, CollectionsQuery};
use wellspring_types::query::{Get, Page, Query};
use wellspring_types::write::{CommitRequest, CommitResult, Write};
use wellspring_types::{
    At, CollectionPath, CollectionSet, Data, Document, DocumentPath, MutationId, Object,
    ResumeToken, Sequence,
};

use crate::ClientBuilder;
use crate::changes::ChangesBuilder;
use crate::connection::routes::Id;
use crate::connection::{Link, Request};
use crate::error::{ConnectError, RequestError};
use crate::wire::{self, Answer, ConsumerRequest};

/// A connection to a Wellspring server. Clones are cheap and share it; it closes with the last of
/// them and of the streams made from them, or by [`Client::close`].
///
/// A lost connection is made again by itself. Requests that wait meanwhile are sent again:
/// reading twice is harmless, and every commit carries a mutation id, by which the server
/// recognises a repetition and answers with the first result.
#[derive(Clone, Debug)]
pub struct Client {
    link: Arc<Link>,
}

impl Client {
    /// Connects to a URL like `http://127.0.0.1:7654`.
    ///
    /// # Errors
    /// If the URL is not a server's, nobody answers there in time, or the server refuses.
    pub async fn connect(url: &str) -> Result<Client, ConnectError> {
        Client::builder(url).connect().await
    }

    /// Settings other than the usual ones.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    pub(crate) fn new(link: Arc<Link>) -> Client {
        Client { link }
    }

    /// Applies all writes of a request, or none of them. Without a mutation id it gets a random
    /// one.
    ///
    /// # Errors
    /// If the server refuses, or time is over: then the outcome is unknown, and the error has the
    /// mutation id with which to ask again.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the outcome unknown.
    pub async fn commit(&self, mut request: CommitRequest) -> Result<CommitResult, RequestError> {
        let mutation_id = match &request.mutation_id {
            Some(mutation_id) => mutation_id.clone(),
            None => random_mutation_id()?,
        };
        request.mutation_id = Some(mutation_id.clone());
        let id = self.link.next_id();
        let text = wire::commit(id, request);
        match self
            .link
            .request(Request {
                id,
                text,
                mutation_id: Some(mutation_id),
            })
            .await?
        {
            Answer::Committed(result) => Ok(result),
            _ => Err(RequestError::UnexpectedAnswer),
        }
    }

    /// Creates a document, which must be absent.
    ///
    /// # Errors
    /// As [`Client::commit`]; `already_exists` if it is there.
    pub async fn insert(
        &self,
        path: DocumentPath,
        data: Data,
    ) -> Result<CommitResult, RequestError> {
        self.write(Write::insert(path, data)).await
    }

    /// Creates or replaces a document.
    ///
    /// # Errors
    /// As [`Client::commit`].
    pub async fn set(&self, path: DocumentPath, data: Data) -> Result<CommitResult, RequestError> {
        self.write(Write::set(path, data)).await
    }

    /// Changes parts of a document by a merge patch (RFC 7396): `null` removes a member.
    ///
    /// # Errors
    /// As [`Client::commit`]; `not_found` if there is no such document.
    pub async fn update(
        &self,
        path: DocumentPath,
        patch: Object,
    ) -> Result<CommitResult, RequestError> {
        self.write(Write::update(path, patch)).await
    }

    /// Removes a document.
    ///
    /// # Errors
    /// As [`Client::commit`]; `not_found` if there is no such document.
    pub async fn delete(&self, path: DocumentPath) -> Result<CommitResult, RequestError> {
        self.write(Write::delete(path)).await
    }

    async fn write(&self, write: Write) -> Result<CommitResult, RequestError> {
        self.commit(CommitRequest::of(vec![write])).await
    }

    /// Reads a document; `None` if there is none.
    ///
    /// # Errors
    /// If the server refuses, or time is over.
    pub async fn get(&self, path: DocumentPath) -> Result<Option<Document>, RequestError> {
        self.read(Get { path, at: None }).await
    }

    /// Reads a document as of a sequence, a token or a time; `None` if there was none.
    ///
    /// # Errors
    /// If the server refuses, or time is over; `token_expired` if that is not kept any more,
    /// `invalid_argument` if it is still to come.
    pub async fn get_at(
        &self,
        path: DocumentPath,
        at: At,
    ) -> Result<Option<Document>, RequestError> {
        self.read(Get { path, at: Some(at) }).await
    }

    async fn read(&self, get: Get) -> Result<Option<Document>, RequestError> {
        match self.ask(|id| wire::get(id, get)).await {
            Ok(Answer::Document { document, .. }) => Ok(Some(document)),
            Ok(_) => Err(RequestError::UnexpectedAnswer),
            Err(error) if error.code() == Some(Code::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads one page of a query. All pages that follow by cursor are exact as of the first one's
    /// sequence.
    ///
    /// # Errors
    /// If the server refuses, or time is over; `token_expired` if a page comes too late, or is as
    /// of what is not kept any more.
    pub async fn query(&self, query: Query) -> Result<Page, RequestError> {
        match self.ask(|id| wire::query(id, query)).await? {
            Answer::Page(page) => Ok(page),
            _ => Err(RequestError::UnexpectedAnswer),
        }
    }

    /// Reads one page of the versions of a document, newest first.
    ///
    /// # Errors
    /// If the server refuses, or time is over.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryPage, RequestError> {
        match self.ask(|id| wire::history(id, query)).await? {
            Answer::History(page) => Ok(page),
            _ => Err(RequestError::UnexpectedAnswer),
        }
    }

    /// Reads one page of the collections that have been written to, in the order of their paths,
    /// whether or not a document is left in them. A query of each as of the first page's sequence
    /// reads the whole database as of that.
    ///
    /// # Errors
    /// If the server refuses, or time is over.
    pub async fn collections(
        &self,
        query: CollectionsQuery,
    ) -> Result<CollectionsPage, RequestError> {
        match self.ask(|id| wire::collections(id, query)).await? {
            Answer::Collections(page) => Ok(page),
            _ => Err(RequestError::UnexpectedAnswer),
        }
    }

    /// Acknowledges everything that a consumer's subscription was sent up to a token, waits until that
    /// is on disk, and gives the sequence. [`Consumer::ack`](crate::Consumer::ack) is the short way; this
    /// one may be used by another process.
    ///
    /// # Errors
    /// If the server refuses, or time is over; `not_found` if the subscription that the token is of
    /// has ended, so that what it was sent comes again.
    pub async fn ack(&self, token: ResumeToken) -> Result<Sequence, RequestError> {
        acknowledge(&self.link, token).await
    }

    /// Reads one page of the consumers, by their names.
    ///
    /// # Errors
    /// If the server refuses, or time is over.
    pub async fn consumers(&self, query: ConsumersQuery) -> Result<ConsumersPage, RequestError> {
        match self
            .ask(|id| wire::of_consumers(id, ConsumerRequest::List(query)))
            .await?
        {
            Answer::Consumers(page) => Ok(page),
            _ => Err(RequestError::UnexpectedAnswer),
        }
    }

    /// Deletes a consumer: its subscriptions end, and its position is gone.
    ///
    /// # Errors
    /// If the server refuses, or time is over; `not_found` if there is none, which may be so as an
    /// attempt whose answer was lost has deleted it.
    pub async fn delete_consumer(&self, name: ConsumerName) -> Result<Sequence, RequestError> {
        match self
            .ask(|id| wire::of_consumers(id, ConsumerRequest::Delete(name)))
            .await?
        {
            Answer::Done { seq } => Ok(seq),
            _ => Err(RequestError::UnexpectedAnswer),
        }
    }

    /// Sends a request that may be repeated.
    async fn ask(&self, write: impl FnOnce(Id) -> String) -> Result<Answer, RequestError> {
        ask(&self.link, write).await
    }

    /// The changes of a collection.
    pub fn changes(&self, collection: CollectionPath) -> ChangesBuilder {
        self.changes_of(collection.into())
    }

    /// The changes of several collections, in their one order.
    pub fn changes_of(&self, collections: CollectionSet) -> ChangesBuilder {
        ChangesBuilder::new(Arc::clone(&self.link), collections)
    }

    /// Closes the connection for all clones and streams, and waits until its task has ended.
    pub async fn close(&self) {
        self.link.close().await;
    }
}

pub(crate) async fn acknowledge(link: &Link, token: ResumeToken) -> Result<Sequence, RequestError> {
    match ask(link, |id| {
        wire::of_consumers(id, ConsumerRequest::Ack(token))
    })
    .await?
    {
        Answer::Done { seq } => Ok(seq),
        _ => Err(RequestError::UnexpectedAnswer),
    }
}

async fn ask(link: &Link, write: impl FnOnce(Id) -> String) -> Result<Answer, RequestError> {
    let id = link.next_id();
    let request = Request {
        id,
        text: write(id),
        mutation_id: None,
    };
    link.request(request).await
}

/// 16 random bytes in hexadecimal.
fn random_mutation_id() -> Result<MutationId, RequestError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(RequestError::Random)?;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
    }
    text.parse()
        .map_err(|_unreachable| RequestError::UnexpectedAnswer)
}
