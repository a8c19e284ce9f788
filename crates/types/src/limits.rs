//! Every limit of the wire and of storage, with its unit in its name, tied together by
//! assertions that the compiler checks. What an operator may change is a setting whose default
//! or ceiling stands here.

/// Bytes of a whole path.
pub const PATH_BYTES_MAX: usize = 1024;
/// Bytes of one segment of a path.
pub const PATH_SEGMENT_BYTES_MAX: usize = 256;
/// Bytes of a document's data, minified.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;
/// Levels of objects and arrays in a document; the object itself is the first.
pub const DEPTH_MAX: usize = 64;
/// Levels of objects and arrays in a message, which has a few of its own around documents.
pub const MESSAGE_DEPTH_MAX: usize = DEPTH_MAX + 8;
/// Bytes of a number's text.
pub const NUMBER_BYTES_MAX: usize = 128;
/// Bytes of a mutation id.
pub const MUTATION_ID_BYTES_MAX: usize = 128;
/// Writes in one commit.
pub const COMMIT_WRITES_MAX: usize = 500;
/// Entries of `reads` in one commit.
pub const COMMIT_READS_MAX: usize = 500;
/// Transforms in one update.
pub const TRANSFORMS_MAX: usize = 100;
/// Values, nested ones included, that the array transforms of one commit go through: those of the
/// arrays as they are found, each time again, and those of the request.
pub const TRANSFORM_VALUES_MAX: usize = 1 << 20;
/// Nodes of a filter: conditions, `or`s and `not`s; each value of `in` and `not_in` counts, while
/// an `and` only groups and counts if it is empty.
pub const FILTER_NODES_MAX: usize = 64;
/// Values of one `in` or `not_in`: they count towards [`FILTER_NODES_MAX`].
pub const FILTER_VALUES_MAX: usize = FILTER_NODES_MAX;
/// Bytes of a filter, minified. A subscription keeps its filter, parsed, for as long as it lives.
pub const FILTER_BYTES_MAX: usize = 64 << 10;
/// Bytes of one field's path in a filter, a `select` or an `order_by`.
pub const FIELD_PATH_BYTES_MAX: usize = 1024;
/// Fields of `select`.
pub const SELECT_FIELDS_MAX: usize = 64;
/// Keys of `order_by`.
pub const ORDER_BY_KEYS_MAX: usize = 8;
/// Documents, versions or collections in one page, when the request names no limit.
pub const PAGE_DOCUMENTS_DEFAULT: u32 = 100;
/// Documents, versions or collections in one page.
pub const PAGE_DOCUMENTS_MAX: u32 = 1000;
/// Bytes of documents in one page of a list, a query or a subscription's snapshot. A page ends
/// before it would grow past this; one document always fits.
pub const PAGE_BYTES_MAX: usize = 2 << 20;
/// Bytes of a request: HTTP body, WebSocket message, gRPC message, after decompression.
pub const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Bytes of an outgoing message; gRPC clients take 4 MiB unless told otherwise.
pub const MESSAGE_BYTES_MAX: usize = 3_500_000;
/// Bytes of one commit's record in the log.
pub const RECORD_BYTES_MAX: usize = 16 << 20;
/// Documents that a subscription may name as known. They are held until its snapshot is sent.
pub const KNOWN_DOCUMENTS_MAX: usize = 10_000;
/// Bytes of the ids of known documents, together.
pub const KNOWN_BYTES_MAX: usize = 1 << 20;
/// Subscriptions of one connection.
pub const SUBSCRIPTIONS_MAX: usize = 128;
/// Bytes of a subscription's id and of a request's id.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// Collections, or patterns of them, that one subscription can name.
pub const COLLECTION_PATTERNS_MAX: usize = 16;
/// Longest time between two checkpoints of a quiet feed, in milliseconds.
pub const CHECKPOINT_INTERVAL_MS: u64 = 25_000;
/// Shortest `checkpoint_interval_ms` that a client may ask for.
pub const CHECKPOINT_INTERVAL_MS_MIN: u64 = 100;
/// Bytes of changes queued for one subscription before it falls back to reading the log.
pub const QUEUE_BYTES_MAX: usize = 1 << 20;
/// Commits that a subscription of a consumer may be sent and not have acknowledged.
pub const UNACKED_MAX: u32 = 10_000;
/// The same, without `unacked_max`.
pub const UNACKED_DEFAULT: u32 = 1000;
/// Longest time without an acknowledgement while any is due, in milliseconds, without
/// `ack_timeout_ms`.
pub const ACK_TIMEOUT_MS: u64 = 30_000;
/// Shortest and longest `ack_timeout_ms` that a client may ask for.
pub const ACK_TIMEOUT_MS_RANGE: std::ops::RangeInclusive<u64> = 1000..=3_600_000;
/// Consumers of one database, unless a setting says otherwise. Each is a document that is written again
/// with its position.
pub const CONSUMERS_MAX: u32 = 1000;
/// Parts that a consumer's documents fall into, each with one of its subscriptions at a time.
pub const CONSUMER_SLOTS: u32 = 64;
/// Mutation ids remembered.
pub const MUTATION_IDS_MAX: u64 = 1_000_000;
/// How long a mutation id is remembered, in milliseconds of commit time.
pub const MUTATION_ID_AGE_MS_MAX: u64 = 24 * 3600 * 1000;

const _: () = {
    assert!(
        PATH_BYTES_MAX <= u16::MAX as usize,
        "paths index themselves with u16"
    );
    assert!(PATH_SEGMENT_BYTES_MAX < PATH_BYTES_MAX);
    assert!(
        DOCUMENT_BYTES_MAX < MESSAGE_BYTES_MAX,
        "a document fits into a message"
    );
    assert!(
        3 * DOCUMENT_BYTES_MAX < RECORD_BYTES_MAX,
        "an update's before and after fit a record"
    );
    assert!(
        PAGE_BYTES_MAX + DOCUMENT_BYTES_MAX < MESSAGE_BYTES_MAX,
        "a page fits into a message"
    );
    assert!(
        MESSAGE_BYTES_MAX < REQUEST_BYTES_MAX,
        "clients take what servers take"
    );
    assert!(
        KNOWN_BYTES_MAX + 32 * KNOWN_DOCUMENTS_MAX < REQUEST_BYTES_MAX,
        "what may be known fits into a message"
    );
    assert!(PAGE_DOCUMENTS_DEFAULT <= PAGE_DOCUMENTS_MAX);
    assert!(
        PAGE_DOCUMENTS_MAX as usize * (2 * PATH_BYTES_MAX + 8) < MESSAGE_BYTES_MAX,
        "a page of paths fits into a message, were each of their bytes escaped"
    );
    assert!(CHECKPOINT_INTERVAL_MS_MIN < CHECKPOINT_INTERVAL_MS);
};
