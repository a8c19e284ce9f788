//! What a server sends on a WebSocket.

use wellspring_types::consumer::{ConsumerState, ConsumersPage};
use wellspring_types::feed::View;
use wellspring_types::history::{DocumentVersion, HistoryPage};
use wellspring_types::listing::CollectionsPage;
use wellspring_types::query::Page;
use wellspring_types::write::CommitResult;
use wellspring_types::{
    CollectionPattern, CollectionSet, Document, Epoch, FieldPath, Filter, ResumeToken, Select,
    Sequence, Value, json,
};

use super::feed::{FeedPart, read_feed, read_op};
use super::lenient::{Members, ReadError, parsed_all, read_document, read_documents};
use crate::error::WireError;
use crate::json::reply::{Welcome, WelcomeLimits};

/// A message of a server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerMessage {
    /// The first message.
    Welcome(Welcome),
    /// A request succeeded.
    Result {
        /// The request's id.
        id: String,
        /// What came of it.
        answer: Answer,
    },
    /// A request failed.
    Error {
        /// The request's id; `None`: the server could not tell.
        id: Option<String>,
        /// Why.
        error: WireError,
    },
    /// A message of a subscription.
    Feed {
        /// The subscription's id; `None` outside of WebSockets.
        id: Option<String>,
        /// What it says.
        part: FeedPart,
    },
    /// A subscription is over.
    Ended {
        /// The subscription's id; `None` outside of WebSockets.
        id: Option<String>,
        /// Why.
        error: WireError,
        /// From where to go on.
        token: Option<ResumeToken>,
    },
    /// The answer to a ping.
    Pong {
        /// What the ping had.
        n: u64,
    },
    /// The server is about to close the connection.
    Closing(WireError),
    /// The access token expires soon.
    AuthExpiring {
        /// In milliseconds from now.
        in_ms: u64,
    },
    /// A message of a type that this version does not know.
    Unknown {
        /// Its type.
        kind: String,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Of a commit.
    Committed(CommitResult),
    /// Of a get.
    Document {
        /// As of this sequence.
        seq: Sequence,
        /// The document.
        document: Document,
    },
    /// Of a query.
    Page(Page),
    /// Of a document's history.
    History(HistoryPage),
    /// Which collections there are.
    Collections(CollectionsPage),
    /// Which consumers there are.
    Consumers(ConsumersPage),
    /// Of a request that only succeeds.
    Done {
        /// As of this sequence.
        seq: Sequence,
    },
}

impl ServerMessage {
    /// Reads a message leniently.
    ///
    /// # Errors
    /// If it is not JSON, or a field that is needed is missing or of another type.
    pub fn parse(text: &[u8]) -> Result<ServerMessage, ReadError> {
        let value = json::parse_message(text)?;
        let members = Members::of(&value)?;
        let id = members.optional_string("id");
        match members.text("type")? {
            "welcome" => Ok(ServerMessage::Welcome(read_welcome(members)?)),
            "result" => {
                let id = id.ok_or(ReadError::Field { field: "id" })?;
                Ok(ServerMessage::Result {
                    id,
                    answer: read_answer(members)?,
                })
            }
            "error" => Ok(ServerMessage::Error {
                id,
                error: read_error(members)?,
            }),
            "ended" => {
                let token = members.optional_text("token").map(ResumeToken::new);
                Ok(ServerMessage::Ended {
                    id,
                    error: read_error(members)?,
                    token,
                })
            }
            "pong" => Ok(ServerMessage::Pong {
                n: members.integer("n")?,
            }),
            "closing" => Ok(ServerMessage::Closing(read_error(members)?)),
            "auth_expiring" => Ok(ServerMessage::AuthExpiring {
                in_ms: members.integer("in_ms")?,
            }),
            kind => Ok(match read_feed(kind, members)? {
                Some(part) => ServerMessage::Feed { id, part },
                None => ServerMessage::Unknown {
                    kind: kind.to_owned(),
                },
            }),
        }
    }
}

fn read_welcome(members: Members<'_>) -> Result<Welcome, ReadError> {
    let epoch = members.text("epoch")?;
    let epoch =
        u32::from_str_radix(epoch, 16).map_err(|_not_hex| ReadError::Field { field: "epoch" })?;
    let limits = members.members("limits")?;
    Ok(Welcome {
        session: members.text("session")?.to_owned(),
        epoch: Epoch(epoch),
        seq: members.sequence("seq")?,
        heartbeat_ms: members.integer("heartbeat_ms")?,
        features: parsed_all("features", members.optional_array("features"))?,
        limits: WelcomeLimits {
            message_bytes: limits.integer("message_bytes")?,
            subscriptions: limits.integer("subscriptions")?,
        },
    })
}

/// Which request it was shows in what the result has.
fn read_answer(members: Members<'_>) -> Result<Answer, ReadError> {
    let seq = members.sequence("seq")?;
    if members.optional("paths").is_some() {
        let paths = parsed_all("paths", members.array("paths")?)?;
        return Ok(Answer::Committed(CommitResult {
            seq,
            time: members.time("time")?,
            paths,
        }));
    }
    if members.optional("documents").is_some() {
        let documents = read_documents(members.array("documents")?)?;
        return Ok(Answer::Page(Page {
            documents,
            seq,
            cursor: members.optional_string("cursor"),
        }));
    }
    if members.optional("versions").is_some() {
        let versions = members.array("versions")?.iter().map(read_version);
        return Ok(Answer::History(HistoryPage {
            versions: versions.collect::<Result<_, ReadError>>()?,
            seq,
            cursor: members.optional_string("cursor"),
            truncated: members.flag("truncated"),
        }));
    }
    if members.optional("collections").is_some() {
        return Ok(Answer::Collections(CollectionsPage {
            collections: parsed_all("collections", members.array("collections")?)?,
            seq,
            cursor: members.optional_string("cursor"),
        }));
    }
    if members.optional("consumers").is_some() {
        let consumers = members.array("consumers")?.iter().map(read_consumer);
        return Ok(Answer::Consumers(ConsumersPage {
            consumers: consumers.collect::<Result<_, ReadError>>()?,
            seq,
            cursor: members.optional_string("cursor"),
        }));
    }
    match members.optional("document") {
        Some(document) => Ok(Answer::Document {
            seq,
            document: read_document(document)?,
        }),
        None => Ok(Answer::Done { seq }),
    }
}

fn read_version(value: &Value) -> Result<DocumentVersion, ReadError> {
    let members = Members::of(value)?;
    Ok(DocumentVersion {
        version: members.sequence("version")?,
        time: members.time("time")?,
        op: members.optional_text("op").map(read_op).transpose()?,
        data: members.optional_data("data")?,
        actor: members.optional_text("actor").map(Into::into),
        mutation_id: members
            .optional_text("mutation_id")
            .and_then(|text| text.parse().ok()),
    })
}

fn read_consumer(value: &Value) -> Result<ConsumerState, ReadError> {
    let members = Members::of(value)?;
    let unusable = |field| ReadError::Field { field };
    let collections: Vec<CollectionPattern> =
        parsed_all("collections", members.array("collections")?)?;
    let collections = CollectionSet::matching(collections);
    let filter = members.optional("where").map(Filter::from_value);
    let select: Vec<FieldPath> = parsed_all("select", members.optional_array("select"))?;
    let select = (!select.is_empty()).then(|| Select::new(select));
    let count = members.integer("subscriptions")?;
    Ok(ConsumerState {
        name: members.parsed("name")?,
        collections: collections.map_err(|_error| unusable("collections"))?,
        view: View {
            filter: filter.transpose().map_err(|_error| unusable("where"))?,
            select: select.transpose().map_err(|_error| unusable("select"))?,
            old: members.flag("old"),
            patch: members.flag("patch"),
        },
        position: members.sequence("seq")?,
        token: ResumeToken::new(members.text("token")?),
        subscriptions: u32::try_from(count).map_err(|_large| unusable("subscriptions"))?,
        unacked: members.integer("unacked")?,
    })
}

fn read_error(members: Members<'_>) -> Result<WireError, ReadError> {
    let text = |field| members.optional_text(field).unwrap_or_default();
    let mut error = WireError::received(members.text("code")?, text("retry"), text("message"));
    error.after_ms = members.optional_integer("after_ms");
    if let Some(details) = members.object("details") {
        for (name, value) in details {
            error = error.detail(name, Value::clone(value));
        }
    }
    Ok(error)
}
