//! Reads, as of now or of the past.

use std::sync::Arc;

use wellspring_log::ReadError::BeforeOldest;
use wellspring_store::StoreError;
use wellspring_types::history::{HistoryPage, HistoryQuery};
use wellspring_types::listing::{CollectionsPage, CollectionsQuery};
use wellspring_types::query::{Found, Page, Query};
use wellspring_types::{At, CollectionPath, Document, DocumentPath, Sequence};

use super::Database;
use crate::executor::Job;
use crate::read::{self, Cancelled, OfToken, Permit, ReadError};

/// How often a first page of a query may move its pin before it gives up.
const QUERY_ATTEMPTS: usize = 8;

impl Database {
    /// A page of the collections that were ever written to, in the order of their paths, whether or
    /// not there is anything in them now. A query of each as of the first page's sequence reads the
    /// whole database as of that.
    ///
    /// # Errors
    /// If the query or its cursor is not valid.
    pub fn collections(&self, query: &CollectionsQuery) -> Result<CollectionsPage, ReadError> {
        read::collections_page(query, &self.inner.read, &self.inner.feed.sealer)
    }

    /// The document at `path`; `None` if there is none.
    ///
    /// # Errors
    /// If it could not be read.
    pub async fn get(&self, path: &DocumentPath) -> Result<Option<Document>, ReadError> {
        let (sources, path) = (self.inner.read.clone(), path.clone());
        self.blocking(move || read::get(&sources, &path)).await
    }

    /// The document at `path` as of a sequence, a token or a time, and which sequence that is. As
    /// of a time after the last commit it is as of that one: later commits may have times that
    /// are not after it either.
    ///
    /// # Errors
    /// If that is still to come, or not kept any more, takes too long, or could not be read.
    ///
    /// # Cancel safety
    /// Dropping the future ends the search soon after.
    pub async fn get_at(&self, path: &DocumentPath, at: &At) -> Result<Found, ReadError> {
        let cancelled = Cancelled::default();
        let _on_drop = cancelled.on_drop();
        let permit = Permit::new(self.inner.bounds.scan_ms_max, cancelled);
        let pin = self.pin(&path.collection(), at).await?;
        let (sources, path) = (self.inner.read.clone(), path.clone());
        let find = move || {
            let document = read::document_at(&sources, &path, pin, &permit);
            let collection = path.collection_str();
            document.map_err(|error| sources.unless_dropped(error, collection))
        };
        let document = self.blocking(find).await?;
        Ok(Found { document, seq: pin })
    }

    /// A page of a query, exact as of the sequence of its first page: what is visible, unless the
    /// query says as of when.
    ///
    /// # Errors
    /// If the query or its cursor is not valid, takes too long, is as of what is still to come or
    /// not kept any more, or what it needs could not be read.
    ///
    /// # Cancel safety
    /// Dropping the future ends the scan soon after.
    pub async fn query(&self, query: Query) -> Result<Page, ReadError> {
        let cancelled = Cancelled::default();
        let _on_drop = cancelled.on_drop();
        let permit = Permit::new(self.inner.bounds.scan_ms_max, cancelled);
        let first = match &query.at {
            Some(at) if query.cursor.is_none() => self.pin(&query.collection, at).await?,
            _ => self.visible(),
        };
        let sealer = &self.inner.feed.sealer;
        let pins = (first, self.visible());
        let bytes_max = self.inner.bounds.changed_bytes_max;
        let mut planned = read::plan_query(query, sealer, pins, bytes_max)?;
        if !planned.is_first() && planned.pin < self.floor() {
            return Err(ReadError::CursorExpired);
        }
        for _attempt in 0..QUERY_ATTEMPTS {
            self.inner.read.visible.applied(planned.pin).await;
            let (sources, sealer) = (self.inner.read.clone(), Arc::clone(sealer));
            let (attempt, permit) = (planned.clone(), permit.clone());
            let page = move || read::run_query(&attempt, &sources, &sealer, &permit);
            match self.blocking(page).await {
                Err(ReadError::Log(BeforeOldest { .. })) if planned.may_move() => {
                    planned.re_pin(self.visible());
                }
                Err(error @ ReadError::Log(BeforeOldest { .. })) if planned.is_first() => {
                    let collection = planned.query.collection.as_str();
                    return Err(self.inner.read.unless_dropped(error, collection));
                }
                Err(ReadError::Log(BeforeOldest { .. })) => return Err(ReadError::CursorExpired),
                page => return page,
            }
        }
        Err(ReadError::TooMuchChanged)
    }

    /// A page of the versions of one document, newest first, as far back as its changes are
    /// offered. A search that takes long ends its page early, with more to come.
    ///
    /// # Errors
    /// If the query or its cursor is not valid, or what it needs could not be read.
    ///
    /// # Cancel safety
    /// Dropping the future ends the search soon after.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryPage, ReadError> {
        let cancelled = Cancelled::default();
        let _on_drop = cancelled.on_drop();
        let permit = Permit::new(self.inner.bounds.scan_ms_max, cancelled);
        let (sources, sealer) = (self.inner.read.clone(), Arc::clone(&self.inner.feed.sealer));
        self.blocking(move || read::history_page(&query, &sources, &sealer, &permit))
            .await
    }

    /// The sequence that `at` stands for, as of which the collection can be read.
    async fn pin(&self, collection: &CollectionPath, at: &At) -> Result<Sequence, ReadError> {
        let sources = &self.inner.read;
        let pin = match at {
            At::Sequence(pin) => *pin,
            At::Token(token) => match read::of_token(sources, &self.inner.feed.sealer, token)? {
                OfToken::Position(pin) => pin,
                OfToken::OtherHistory => return Err(ReadError::OtherHistory),
                OfToken::Lost(at) => {
                    (self.inner.feed.lost_future)(at);
                    return Err(ReadError::OtherHistory);
                }
            },
            At::Time(time) => {
                let (sources, collection) = (sources.clone(), collection.clone());
                let times = (*time, self.inner.clock.now());
                let find = move || read::of_time(&sources, collection.as_str(), times);
                self.blocking(find).await?
            }
        };
        // What is durable is about to be visible.
        if pin <= sources.log.head() {
            sources.visible.applied(pin).await;
        }
        read::check_kept(sources, collection.as_str(), pin)?;
        Ok(pin)
    }

    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        match Job::start(&self.inner.feed.executor, work).await {
            Err(_) | Ok(Err(ReadError::Store(StoreError::Closed))) => Err(ReadError::Cancelled),
            Ok(read) => read,
        }
    }
}
