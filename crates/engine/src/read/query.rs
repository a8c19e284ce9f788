//! Queries: one collection, filtered and ordered, in pages that are all exact as of the sequence
//! of the first.
//!
//! In the order of ids a page is read where the one before ended. In any other order the whole
//! collection is scanned for each page, and only the best documents are kept: memory is bounded
//! by a page whatever the collection's size.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

use wellspring_types::query::{OrderBy, Page, Query, compare};
use wellspring_types::{Data, Document, Sequence, limits};

use super::as_of::document_at;
use super::exact::{WhenFull, document_bytes};
use super::permit::Permit;
use super::{Exact, Overrun, ReadError, Sources};
use crate::token::{Place, Scope, Sealer};

/// A query whose pin and place are known.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) query: Query,
    pub(crate) pin: Sequence,
    /// The last document of the page before.
    after: Option<Box<str>>,
    changed_bytes_max: usize,
}

/// How long and with how much memory a query may run.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) scan_ms_max: u64,
    pub(crate) changed_bytes_max: usize,
}

/// Checks a query and its cursor. A first page is pinned at `first`.
pub(crate) fn plan(
    query: Query,
    sealer: &Sealer,
    (first, visible): (Sequence, Sequence),
    changed_bytes_max: usize,
) -> Result<Planned, ReadError> {
    let invalid = |reason: String| ReadError::InvalidQuery {
        reason: reason.into(),
    };
    if !(1..=limits::PAGE_DOCUMENTS_MAX).contains(&query.limit) {
        return Err(invalid(format!(
            "limit is 1 to {}",
            limits::PAGE_DOCUMENTS_MAX
        )));
    }
    if query.order_by.len() > limits::ORDER_BY_KEYS_MAX {
        let max = limits::ORDER_BY_KEYS_MAX;
        return Err(invalid(format!("order_by has at most {max} keys")));
    }
    let (pin, after) = match &query.cursor {
        None => (first, None),
        Some(cursor) => {
            let opened = sealer.open(cursor)?;
            let Place::InQuery {
                pin,
                scope,
                last_id,
            } = opened.place
            else {
                return Err(crate::token::TokenError::WrongKind.into());
            };
            if scope != Scope::of_query(&query) {
                return Err(crate::token::TokenError::OtherQuery.into());
            }
            if opened.epoch != sealer.epoch() || pin > visible {
                return Err(ReadError::CursorExpired);
            }
            (pin, Some(last_id))
        }
    };
    Ok(Planned {
        query,
        pin,
        after,
        changed_bytes_max,
    })
}

impl Planned {
    /// Whether this page may be read as of another sequence: no page came before it, and nobody
    /// has said as of when.
    pub(crate) fn may_move(&self) -> bool {
        self.is_first() && self.query.at.is_none()
    }

    /// Whether no page came before it.
    pub(crate) fn is_first(&self) -> bool {
        self.query.cursor.is_none()
    }

    pub(crate) fn re_pin(&mut self, pin: Sequence) {
        debug_assert!(self.may_move(), "only a first page may move its pin");
        self.pin = pin;
    }
}

/// Reads the page. The store must have applied the pin.
pub(crate) fn run(
    planned: &Planned,
    sources: &Sources,
    sealer: &Sealer,
    permit: &Permit,
) -> Result<Page, ReadError> {
    let best = if planned.query.order_by.is_empty() {
        by_id(planned, sources, permit)?
    } else {
        by_order(planned, sources, permit)?
    };
    Ok(page(planned, best, sealer))
}

/// The documents of a page, in order, and whether more follow.
struct Best {
    documents: Vec<Document>,
    more: bool,
}

fn page(planned: &Planned, best: Best, sealer: &Sealer) -> Page {
    let Best {
        mut documents,
        more,
    } = best;
    let cursor = documents.last().filter(|_| more).map(|last| {
        sealer.seal(&Place::InQuery {
            pin: planned.pin,
            scope: Scope::of_query(&planned.query),
            last_id: last.path.id().into(),
        })
    });
    if let Some(select) = &planned.query.select {
        for document in &mut documents {
            document.data = projected(select, &document.data);
        }
    }
    Page {
        documents,
        seq: planned.pin,
        cursor,
    }
}

/// The selected fields of a document. What is a part of a document is within its limits.
pub(crate) fn projected(select: &wellspring_types::Select, data: &Data) -> Data {
    Data::from_object(select.project(data.object())).unwrap_or_else(|_within| data.clone())
}

fn by_id(planned: &Planned, sources: &Sources, permit: &Permit) -> Result<Best, ReadError> {
    let limit = usize::try_from(planned.query.limit).unwrap_or(usize::MAX);
    let mut documents: Vec<Document> = Vec::new();
    let mut bytes = 0;
    let mut more = false;
    scan(
        planned,
        planned.after.clone(),
        sources,
        permit,
        |document| {
            bytes += document_bytes(&document);
            let fits = documents.is_empty() || bytes <= limits::PAGE_BYTES_MAX;
            if documents.len() == limit || !fits {
                more = true;
                return Scan::Enough;
            }
            documents.push(document);
            Scan::GoOn
        },
    )?;
    Ok(Best { documents, more })
}

fn by_order(planned: &Planned, sources: &Sources, permit: &Permit) -> Result<Best, ReadError> {
    let keys: Arc<[OrderBy]> = planned.query.order_by.clone().into();
    let after = match &planned.after {
        None => None,
        Some(id) => {
            let path = planned.query.collection.join(id);
            // The cursor is ours: the document was there at the pin.
            let document = document_at(sources, &path, planned.pin, permit)?;
            Some(document.ok_or(ReadError::CursorExpired)?)
        }
    };
    let limit = usize::try_from(planned.query.limit).unwrap_or(usize::MAX);
    let mut top = Top {
        heap: BinaryHeap::new(),
        bytes: 0,
        limit,
        left_out: None,
    };
    scan(planned, None, sources, permit, |document| {
        let seen = after
            .as_ref()
            .is_some_and(|after| compare(&keys, &document, after).is_le());
        if !seen {
            top.offer(Ranked {
                document,
                keys: Arc::clone(&keys),
            });
        }
        Scan::GoOn
    })?;
    Ok(Best {
        more: top.left_out.is_some(),
        documents: top.into_documents(),
    })
}

enum Scan {
    GoOn,
    Enough,
}

/// Shows `visit` the documents that match, in the order of ids.
fn scan(
    planned: &Planned,
    after: Option<Box<str>>,
    sources: &Sources,
    permit: &Permit,
    mut visit: impl FnMut(Document) -> Scan,
) -> Result<(), ReadError> {
    let query = &planned.query;
    let mut exact = Exact::new(
        query.collection.clone(),
        planned.pin,
        after,
        (planned.changed_bytes_max, WhenFull::Narrow),
    );
    loop {
        permit.check()?;
        let page = match exact.page(sources, limits::PAGE_BYTES_MAX, permit) {
            Ok(page) => page,
            Err(Overrun::Failed(error)) => return Err(error),
            // A read that narrows its pages is not overrun.
            Err(Overrun::Budget) => return Err(ReadError::TooMuchChanged),
        };
        for document in page.documents {
            let matches = query
                .filter
                .as_ref()
                .is_none_or(|filter| filter.matches(document.data.object()));
            if matches && matches!(visit(document), Scan::Enough) {
                return Ok(());
            }
        }
        if page.read_through.is_none() {
            return Ok(());
        }
    }
}

/// The first documents of an order, as many as a page takes.
struct Top {
    /// The last of them on top.
    heap: BinaryHeap<Ranked>,
    bytes: usize,
    limit: usize,
    /// The first document that was left out: the page ends before it, so that whatever comes
    /// after it is left out too, however small.
    left_out: Option<Ranked>,
}

struct Ranked {
    document: Document,
    keys: Arc<[OrderBy]>,
}

impl Top {
    fn offer(&mut self, ranked: Ranked) {
        if self
            .left_out
            .as_ref()
            .is_some_and(|left_out| ranked > *left_out)
        {
            return;
        }
        self.bytes += document_bytes(&ranked.document);
        self.heap.push(ranked);
        while self.is_over_full() {
            let Some(last) = self.heap.pop() else { break };
            self.bytes -= document_bytes(&last.document);
            self.left_out = Some(last);
        }
    }

    /// One document always fits.
    fn is_over_full(&self) -> bool {
        let too_large = self.heap.len() > 1 && self.bytes > limits::PAGE_BYTES_MAX;
        too_large || self.heap.len() > self.limit
    }

    fn into_documents(self) -> Vec<Document> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|ranked| ranked.document)
            .collect()
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Ranked) -> Ordering {
        compare(&self.keys, &self.document, &other.document)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Ranked) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Ranked) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}
