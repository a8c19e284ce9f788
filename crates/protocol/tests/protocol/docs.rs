//! `docs/protocol.md` and `docs/consumers.md` say what the code does: its examples are read by the parsers, its tables
//! are the code's.

use wellspring_protocol::error::{Code, WireError};
use wellspring_protocol::json::client::{self, Answer, ServerMessage};
use wellspring_protocol::json::{ClientMessage, consumers, parse_commit, parse_query, reply};
use wellspring_types::{Filter, limits};

/// The protocol, all pages of it.
fn reference() -> String {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    let pages = ["protocol.md", "consumers.md"];
    let pages = pages.map(|page| std::fs::read_to_string(format!("{docs}/{page}")).unwrap());
    pages.concat()
}

/// The lines of the blocks that begin with three backticks and `info`.
fn examples(info: &str) -> Vec<String> {
    let reference = reference();
    let mut examples = Vec::new();
    let mut block: Option<&str> = None;
    for line in reference.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(opened)) => block = Some(opened),
            (Some(_), Some(_)) => block = None,
            (Some(opened), None) if opened == info => examples.push(line.to_owned()),
            _ => {}
        }
    }
    assert!(!examples.is_empty(), "there is an example of {info}");
    examples
}

/// Reads a `result` whose other members are those of `body`.
fn answer(body: &str) -> Answer {
    let text = format!(r#"{{"type":"result","id":"x",{}"#, &body[1..]);
    match ServerMessage::parse(text.as_bytes()) {
        Ok(ServerMessage::Result { answer, .. }) => answer,
        other => panic!("{body}\n{other:?}"),
    }
}

#[test]
fn messages_are_those_of_the_wire() {
    let (mut requests, mut answers) = (0, 0);
    for text in examples("json") {
        let bytes = text.as_bytes();
        if let Ok(message) = ClientMessage::parse(bytes) {
            requests += 1;
            let written = client::write(&message);
            assert_eq!(ClientMessage::parse(written.as_bytes()), Ok(message));
            continue;
        }
        answers += 1;
        match ServerMessage::parse(bytes) {
            Ok(ServerMessage::Unknown { .. }) => panic!("{text}"),
            Ok(ServerMessage::Error { id, error }) => {
                assert_eq!(reply::error(id.as_deref(), &error), text);
            }
            Ok(ServerMessage::Welcome(welcome)) => assert_eq!(reply::welcome(&welcome), text),
            Ok(_) => {}
            Err(error) => panic!("{text}\n{error}"),
        }
    }
    assert!(
        requests >= 6 && answers >= 12,
        "{requests} requests, {answers} answers"
    );
}

#[test]
fn bodies_are_those_of_http() {
    for text in examples("json commit") {
        parse_commit(text.as_bytes()).unwrap();
    }
    for text in examples("json query") {
        parse_query(text.as_bytes()).unwrap();
    }
    for text in examples("json written") {
        match answer(&text) {
            Answer::Committed(result) => assert_eq!(reply::commit_body(&result), text),
            other => panic!("{other:?}"),
        }
    }
    for text in examples("json listed") {
        match answer(&text) {
            Answer::Page(page) => assert_eq!(reply::page_body(&page), text),
            other => panic!("{other:?}"),
        }
    }
    for text in examples("json history") {
        match answer(&text) {
            Answer::History(page) => assert_eq!(reply::history_body(&page), text),
            other => panic!("{other:?}"),
        }
    }
    for text in examples("json collections") {
        match answer(&text) {
            Answer::Collections(page) => assert_eq!(reply::collections_body(&page), text),
            other => panic!("{other:?}"),
        }
    }
    for text in examples("json consumers") {
        match answer(&text) {
            Answer::Consumers(page) => assert_eq!(consumers::body(&page), text),
            other => panic!("{other:?}"),
        }
    }
    for text in examples("json document") {
        match answer(&format!(r#"{{"seq":1,"document":{text}}}"#)) {
            Answer::Document { document, .. } => assert_eq!(reply::document_body(&document), text),
            other => panic!("{other:?}"),
        }
    }
    for text in examples("json problem") {
        let error = WireError::from_problem_json(text.as_bytes()).unwrap();
        assert_eq!(error.to_problem_json(), text);
    }
}

#[test]
fn a_page_of_a_feed_holds_messages() {
    for text in examples("json page") {
        let value = wellspring_types::json::parse_message(text.as_bytes()).unwrap();
        let messages = value
            .as_object()
            .unwrap()
            .get("messages")
            .unwrap()
            .as_array()
            .unwrap();
        for message in messages {
            let parsed = ServerMessage::parse(message.to_text().as_bytes());
            assert!(
                matches!(parsed, Ok(ServerMessage::Feed { id: None, .. })),
                "{parsed:?}"
            );
        }
    }
}

#[test]
fn filters_are_filters() {
    for text in examples("json where") {
        Filter::parse(&text).unwrap();
    }
}

/// The rows below a table's head.
fn rows(head: &str) -> Vec<String> {
    let reference = reference();
    let rows = reference.lines().skip_while(|line| *line != head).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(str::to_owned)
        .collect()
}

/// `FAILED_PRECONDITION` of `FailedPrecondition`.
fn grpc_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[test]
fn the_table_of_errors_is_the_codes() {
    let row = |code: &Code| {
        let http = if code.answers_http() {
            code.http_status().to_string()
        } else {
            "–".into()
        };
        let close = code
            .close_code()
            .map(|close| close.to_string())
            .unwrap_or_default();
        let cells = format!(
            "| `{code}` | {http} | {} | {} |",
            grpc_name(code.grpc()),
            code.retry()
        );
        let close = if close.is_empty() {
            " |".into()
        } else {
            format!(" {close} |")
        };
        format!("{cells}{close} {} |", code.meaning())
    };
    let expected: Vec<String> = Code::ALL.iter().map(row).collect();
    let found = rows("| code | HTTP | gRPC | retry | close | meaning |");
    assert_eq!(found, expected, "\n{}\n", expected.join("\n"));
}

fn limits_of_consumers() -> [String; 2] {
    let due = "commits that a consumer's subscription was sent and has not acknowledged";
    let sharing = "subscriptions that share a consumer's work";
    [
        format!("| {due} | {} |", limits::UNACKED_MAX),
        format!("| {sharing} | {} |", limits::CONSUMER_SLOTS),
    ]
}

#[test]
fn the_table_of_limits_has_those_of_consumers() {
    let rows = rows("| limit | value |");
    for limit in limits_of_consumers() {
        assert!(rows.contains(&limit), "{limit}");
    }
}

#[test]
fn the_table_of_limits_is_the_limits() {
    let bytes = |bytes: usize| match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ => format!("{bytes} bytes"),
    };
    let expected = [
        ("a path", bytes(limits::PATH_BYTES_MAX)),
        ("a segment of a path", bytes(limits::PATH_SEGMENT_BYTES_MAX)),
        (
            "a document's data, without white space",
            bytes(limits::DOCUMENT_BYTES_MAX),
        ),
        ("levels of a document's data", limits::DEPTH_MAX.to_string()),
        ("a number's text", bytes(limits::NUMBER_BYTES_MAX)),
        (
            "a mutation id, an `id`",
            bytes(limits::MUTATION_ID_BYTES_MAX),
        ),
        ("writes of a commit", limits::COMMIT_WRITES_MAX.to_string()),
        ("reads of a commit", limits::COMMIT_READS_MAX.to_string()),
        (
            "transforms of an update",
            limits::TRANSFORMS_MAX.to_string(),
        ),
        (
            "values that a commit's array transforms go through",
            limits::TRANSFORM_VALUES_MAX.to_string(),
        ),
        ("nodes of a filter", limits::FILTER_NODES_MAX.to_string()),
        (
            "a filter, without white space",
            bytes(limits::FILTER_BYTES_MAX),
        ),
        ("fields of `select`", limits::SELECT_FIELDS_MAX.to_string()),
        ("keys of `order_by`", limits::ORDER_BY_KEYS_MAX.to_string()),
        (
            "documents, versions or collections of a page, at most",
            limits::PAGE_DOCUMENTS_MAX.to_string(),
        ),
        (
            "documents, versions or collections of a page, without `limit`",
            limits::PAGE_DOCUMENTS_DEFAULT.to_string(),
        ),
        (
            "a message or body to the server",
            bytes(limits::REQUEST_BYTES_MAX),
        ),
        (
            "a message from the server",
            bytes(limits::MESSAGE_BYTES_MAX),
        ),
        (
            "collections of a subscription, or patterns of them",
            limits::COLLECTION_PATTERNS_MAX.to_string(),
        ),
        (
            "documents of `known`",
            limits::KNOWN_DOCUMENTS_MAX.to_string(),
        ),
        ("ids of `known`, together", bytes(limits::KNOWN_BYTES_MAX)),
        (
            "subscriptions of a connection",
            limits::SUBSCRIPTIONS_MAX.to_string(),
        ),
    ];
    assert_eq!(limits::REQUEST_ID_BYTES_MAX, limits::MUTATION_ID_BYTES_MAX);
    let expected = expected.map(|(limit, value)| format!("| {limit} | {value} |"));
    let mut found = rows("| limit | value |");
    found.retain(|row| !limits_of_consumers().contains(row));
    assert_eq!(found, expected, "\n{}\n", expected.join("\n"));
}
