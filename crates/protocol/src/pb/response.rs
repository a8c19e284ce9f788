//! Responses of protobuf from the words of the domain.

use prost::Message;
use wellspring_types::consumer::{ConsumerState, ConsumersPage};
use wellspring_types::history::{DocumentVersion, HistoryPage};
use wellspring_types::limits::MESSAGE_BYTES_MAX;
use wellspring_types::listing::CollectionsPage;
use wellspring_types::query::Page;
use wellspring_types::write::CommitResult;
use wellspring_types::{Document, Select, Sequence, Timestamp};

use super::feed::op_value;
use super::generated as pb;
use super::struct_form::{ContentForm, content};

/// A time, exact to the millisecond as all of ours are.
pub(super) fn time(time: Timestamp) -> prost_types::Timestamp {
    let (seconds, millis) = (time.as_millis() / 1000, time.as_millis() % 1000);
    // The year 9999 ends long before either overflows.
    prost_types::Timestamp {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanos: i32::try_from(millis * 1_000_000).unwrap_or_default(),
    }
}

impl pb::Document {
    /// A document with its data in a form.
    #[must_use]
    pub fn of(document: &Document, form: ContentForm) -> pb::Document {
        pb::Document {
            path: document.path.as_str().to_owned(),
            version: document.version.0,
            created_at: Some(time(document.created_at)),
            updated_at: Some(time(document.updated_at)),
            data: Some(content(&document.data, form)),
        }
    }
}

impl pb::GetDocumentResponse {
    /// A document as of a sequence. Where a Struct would make it too large for a message, it has
    /// JSON text.
    #[must_use]
    pub fn of(document: &Document, seq: Sequence, form: ContentForm) -> pb::GetDocumentResponse {
        let document = documents(std::slice::from_ref(document), form).pop();
        pb::GetDocumentResponse {
            document,
            seq: seq.0,
        }
    }
}

impl pb::QueryResponse {
    /// A page of a query. Where Structs would make it too large for a message, it has JSON text.
    #[must_use]
    pub fn of(page: Page, form: ContentForm) -> pb::QueryResponse {
        let documents = documents(&page.documents, form);
        pb::QueryResponse {
            documents,
            seq: page.seq.0,
            cursor: page.cursor.unwrap_or_default(),
        }
    }
}

impl pb::ListDocumentsResponse {
    /// A page of a collection. Where Structs would make it too large for a message, it has JSON
    /// text.
    #[must_use]
    pub fn of(page: Page, form: ContentForm) -> pb::ListDocumentsResponse {
        let pb::QueryResponse {
            documents,
            seq,
            cursor,
        } = pb::QueryResponse::of(page, form);
        pb::ListDocumentsResponse {
            documents,
            seq,
            cursor,
        }
    }
}

impl pb::GetHistoryResponse {
    /// A page of a document's history. Where Structs would make it too large for a message, it has
    /// JSON text.
    #[must_use]
    pub fn of(page: HistoryPage, form: ContentForm) -> pb::GetHistoryResponse {
        let versions = fitted(&page.versions, form, version_max, version_value);
        pb::GetHistoryResponse {
            versions,
            seq: page.seq.0,
            cursor: page.cursor.unwrap_or_default(),
            truncated: page.truncated,
        }
    }
}

fn documents(documents: &[Document], form: ContentForm) -> Vec<pb::Document> {
    fitted(documents, form, document_max, pb::Document::of)
}

/// Writes all of a page, within a message. `json_max` is an upper bound of what one takes with its
/// data as text.
fn fitted<T, Written: Message>(
    page: &[T],
    form: ContentForm,
    json_max: fn(&T) -> usize,
    write: fn(&T, ContentForm) -> Written,
) -> Vec<Written> {
    // As Structs, numbers grow fivefold; a page is bounded by the bytes of its JSON. Those that
    // still fit are Structs, the rest of the page is text.
    let mut room = MESSAGE_BYTES_MAX.saturating_sub(page.iter().map(json_max).sum());
    let convert = |one: &T| {
        let written = write(one, form);
        let growth = written.encoded_len().saturating_sub(json_max(one));
        if growth > room {
            return write(one, ContentForm::Json);
        }
        room -= growth;
        written
    };
    page.iter().map(convert).collect()
}

/// Bytes of everything in a message that is not text, at most.
const NAMES_BYTES: usize = 80;

fn document_max(document: &Document) -> usize {
    NAMES_BYTES + document.path.as_str().len() + document.data.as_bytes().len()
}

fn version_max(version: &DocumentVersion) -> usize {
    let data = version.data.as_ref().map(|data| data.as_bytes().len());
    let actor = version.actor.as_ref().map(|actor| actor.len());
    let mutation_id = version.mutation_id.as_ref().map(|id| id.as_str().len());
    NAMES_BYTES
        + [data, actor, mutation_id]
            .into_iter()
            .flatten()
            .sum::<usize>()
}

fn version_value(version: &DocumentVersion, form: ContentForm) -> pb::DocumentVersion {
    let mutation_id = version
        .mutation_id
        .as_ref()
        .map(|id| id.as_str().to_owned());
    pb::DocumentVersion {
        version: version.version.0,
        time: Some(time(version.time)),
        op: version.op.map_or(pb::Op::Unspecified, op_value).into(),
        data: version.data.as_ref().map(|data| content(data, form)),
        actor: version.actor.as_deref().unwrap_or_default().to_owned(),
        mutation_id: mutation_id.unwrap_or_default(),
    }
}

impl From<CollectionsPage> for pb::ListCollectionsResponse {
    fn from(page: CollectionsPage) -> pb::ListCollectionsResponse {
        let paths = page.collections.iter().map(|path| path.as_str().to_owned());
        pb::ListCollectionsResponse {
            collections: paths.collect(),
            seq: page.seq.0,
            cursor: page.cursor.unwrap_or_default(),
        }
    }
}

impl From<ConsumersPage> for pb::ListConsumersResponse {
    fn from(page: ConsumersPage) -> pb::ListConsumersResponse {
        pb::ListConsumersResponse {
            consumers: page.consumers.iter().map(consumer_value).collect(),
            seq: page.seq.0,
            cursor: page.cursor.unwrap_or_default(),
        }
    }
}

fn consumer_value(consumer: &ConsumerState) -> pb::Consumer {
    let view = &consumer.view;
    let filter = view.filter.as_ref();
    let select = view.select.as_ref().map_or(&[][..], Select::fields);
    let collections = consumer.collections.texts();
    pb::Consumer {
        name: consumer.name.as_str().to_owned(),
        collections: collections.into_iter().map(str::to_owned).collect(),
        r#where: filter.map(|filter| pb::Content {
            form: Some(pb::content::Form::Json(filter.canonical().to_owned())),
            ..pb::Content::default()
        }),
        select: select
            .iter()
            .map(|field| field.as_str().to_owned())
            .collect(),
        old: view.old,
        patch: view.patch,
        seq: consumer.position.0,
        token: consumer.token.as_str().to_owned(),
        subscriptions: consumer.subscriptions,
        unacked: consumer.unacked,
    }
}

impl From<CommitResult> for pb::CommitResponse {
    fn from(result: CommitResult) -> pb::CommitResponse {
        let paths = result.paths.iter().map(|path| path.as_str().to_owned());
        pb::CommitResponse {
            seq: result.seq.0,
            time: Some(time(result.time)),
            paths: paths.collect(),
        }
    }
}

impl From<CommitResult> for pb::CreateDocumentResponse {
    /// Of a commit of one write.
    fn from(result: CommitResult) -> pb::CreateDocumentResponse {
        let path = result.paths.first().map(|path| path.as_str().to_owned());
        pb::CreateDocumentResponse {
            seq: result.seq.0,
            time: Some(time(result.time)),
            path: path.unwrap_or_default(),
        }
    }
}

impl From<CommitResult> for pb::UpdateDocumentResponse {
    fn from(result: CommitResult) -> pb::UpdateDocumentResponse {
        pb::UpdateDocumentResponse {
            seq: result.seq.0,
            time: Some(time(result.time)),
        }
    }
}

impl From<CommitResult> for pb::DeleteDocumentResponse {
    fn from(result: CommitResult) -> pb::DeleteDocumentResponse {
        pb::DeleteDocumentResponse {
            seq: result.seq.0,
            time: Some(time(result.time)),
        }
    }
}
