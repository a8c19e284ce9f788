//! What is not a request of this version is refused, and the error says why and which one.

use wellspring_protocol::error::Code;
use wellspring_protocol::json::{ClientMessage, RequestError, parse_commit, parse_query};

fn refused(text: &str) -> RequestError {
    ClientMessage::parse(text.as_bytes()).expect_err(text)
}

/// That the message is refused as `invalid_argument`, in words that contain `expected`.
fn check(text: &str, expected: &str) {
    let RequestError { error, .. } = refused(text);
    assert_eq!(error.code, Code::InvalidArgument, "{text}");
    assert!(
        error.message.contains(expected),
        "{text}\n{}",
        error.message
    );
}

fn check_write(write: &str, expected: &str) {
    check(
        &format!(r#"{{"type":"commit","id":"c","writes":[{write}]}}"#),
        expected,
    );
}

fn check_subscribe(fields: &str, expected: &str) {
    check(
        &format!(r#"{{"type":"subscribe","id":"s","collection":"rooms",{fields}}}"#),
        expected,
    );
}

fn check_get(at: &str, expected: &str) {
    check(
        &format!(r#"{{"type":"get","id":"g","path":"a/b","at":{at}}}"#),
        expected,
    );
}

#[test]
fn a_misspelt_field_is_named() {
    check_write(
        r#"{"op":"delete","path":"a/b","if_verson":3}"#,
        "writes[0]: a delete has no field \"if_verson\"",
    );
    check(
        r#"{"type":"hello","user":"ann"}"#,
        "hello has no field \"user\"",
    );
    check(
        r#"{"type":"ping","n":1,"id":"x"}"#,
        "ping has no field \"id\"",
    );
    check(
        r#"{"type":"get","id":"g","path":"a/b","version":3}"#,
        "get has no field \"version\"",
    );
    check(
        r#"{"type":"history","id":"h","path":"a/b","at":{"seq":3}}"#,
        "history has no field \"at\"",
    );
    check(
        r#"{"type":"collections","id":"l","at":{"seq":3}}"#,
        "collections has no field \"at\"",
    );
    check(
        r#"{"type":"collections","id":"l","below":"rooms"}"#,
        "\"rooms\" names a collection: a document's path has an even number of segments",
    );
    check_get(r#"{"version":3}"#, "at has no field \"version\"");
    check_subscribe(r#""wehre":{}"#, "subscribe has no field \"wehre\"");
    check_subscribe(
        r#""from":{"now":true,"then":1}"#,
        "from has no field \"then\"",
    );
    let long = format!(r#"{{"type":"hello","{}":1}}"#, "x".repeat(100_000));
    assert!(refused(&long).error.message.len() < 200);
}

#[test]
fn a_field_of_the_wrong_type_says_what_is_expected() {
    check("[]", "a message is an object, not an array");
    check(r#"{"type":7}"#, "type of a message must be a string, not 7");
    check(
        r#"{"type":"ping","n":-1}"#,
        "n of ping must be a non-negative integer, not -1",
    );
    check(
        r#"{"type":"ping","n":1.5}"#,
        "n of ping must be a non-negative integer, not 1.5",
    );
    check(
        r#"{"type":"ping","n":"1"}"#,
        "n of ping must be a non-negative integer, not a string",
    );
    check_subscribe(
        r#""old":1"#,
        "old of subscribe must be true or false, not 1",
    );
    check_get("3", "at is an object, not a number");
    check_get(
        r#"{"seq":"3"}"#,
        "seq of at must be a non-negative integer, not a string",
    );
    check_subscribe(
        r#""where":[]"#,
        "where of subscribe must be an object, not an array",
    );
    check_subscribe(
        r#""where":null"#,
        "where of subscribe must be an object, not null",
    );
    check_subscribe(
        r#""select":["a",1]"#,
        "select of subscribe must be an array of strings",
    );
    check_subscribe(
        r#""from":{"now":false}"#,
        "now of from must be true, not false",
    );
    check_write(
        r#"{"op":"insert","path":"a/b","data":[]}"#,
        "data of an insert must be an object",
    );
    check_write("7", "writes[0]: a write is an object, not a number");
}

#[test]
fn a_missing_field_is_named() {
    check("{}", "a message needs the field type");
    check(r#"{"type":"get","path":"a/b"}"#, "get needs the field id");
    check(r#"{"type":"get","id":"g"}"#, "get needs the field path");
    check(r#"{"type":"ping"}"#, "ping needs the field n");
    check(
        r#"{"type":"commit","id":"c"}"#,
        "commit needs the field writes",
    );
    check(
        r#"{"type":"commit","id":"c","writes":[]}"#,
        "at least one write",
    );
    check_write(r#"{"path":"a/b"}"#, "a write needs the field op");
    check_write(r#"{"op":"set","path":"a/b"}"#, "a set needs the field data");
    check_write(
        r#"{"op":"update","path":"a/b"}"#,
        "an update needs patch or transforms",
    );
    check_subscribe(r#""from":{}"#, "from needs one of");
    check_get("{}", "at needs one of");
    check(
        r#"{"type":"dance"}"#,
        "there is no message of type \"dance\"",
    );
}

#[test]
fn fields_that_do_not_go_together_are_refused() {
    check_write(
        r#"{"op":"delete","path":"a/b","data":{}}"#,
        "a delete has no field \"data\"",
    );
    check_write(
        r#"{"op":"insert","path":"a/b","data":{},"patch":{}}"#,
        "has no field \"patch\"",
    );
    check_write(
        r#"{"op":"upsert","path":"a/b"}"#,
        "op must be insert, set, update or delete",
    );
    check_write(
        r#"{"op":"delete","path":"a/b","if_version":1,"if_exists":true}"#,
        "one of if_version, if_absent and if_exists",
    );
    check_write(
        r#"{"op":"update","path":"a/b","transforms":[{"field":"n","increment":1,"remove":true}]}"#,
        "writes[0]: transforms[0]: a transform needs one of",
    );
    check_write(
        r#"{"op":"update","path":"a/b","transforms":[{"field":"n","increment":"1"}]}"#,
        "increment of a transform must be a number, not a string",
    );
    check_subscribe(
        r#""from":{"now":true,"snapshot":true}"#,
        "from needs one of",
    );
    check_get(
        r#"{"seq":3,"time":"2026-11-24T09:00:00Z"}"#,
        "at needs one of",
    );
    let read = |read: &str| {
        format!(
            r#"{{"type":"commit","id":"c","writes":[{{"op":"delete","path":"a/b"}}],"reads":[{read}]}}"#
        )
    };
    check(
        &read(r#"{"path":"a/b"}"#),
        "reads[0]: a read of a document needs the field version",
    );
    check(
        &read(r#"{"collection":"a"}"#),
        "reads[0]: a read of a query needs the field at",
    );
    check(
        &read(r#"{"path":"a/b","version":1,"at":1}"#),
        "has no field \"at\"",
    );
    check(
        &read("{}"),
        "reads[0]: a read needs either path or collection",
    );
}

#[test]
fn values_out_of_range_are_refused() {
    let query = |fields: &str| format!(r#"{{"type":"query","id":"q","collection":"a",{fields}}}"#);
    check(&query(r#""limit":0"#), "limit must be 1 to 1000, not 0");
    check(
        &query(r#""limit":1001"#),
        "limit must be 1 to 1000, not 1001",
    );
    check(&query(r#""select":[]"#), "at least one");
    check(
        &query(r#""order_by":["a","b","c","d","e","f","g","h","i"]"#),
        "at most 8",
    );
    check_subscribe(
        r#""checkpoint_interval_ms":99"#,
        "must be 100 to 25000, not 99",
    );
    check_subscribe(r#""from":{"time":"yesterday"}"#, "RFC 3339");
    check_get(r#"{"time":"yesterday"}"#, "RFC 3339");
    check(
        r#"{"type":"get","id":"","path":"a/b"}"#,
        "id must have 1 to 128 bytes, not 0",
    );
    check(r#"{"type":"get","id":"g","path":"a"}"#, "a");
    let long = "x".repeat(129);
    let RequestError { id, error } = refused(&format!(r#"{{"type":"unsubscribe","id":"{long}"}}"#));
    assert_eq!((id, error.code), (None, Code::InvalidArgument));
}

#[test]
fn a_commit_that_is_too_large_says_so() {
    let writes = vec![r#"{"op":"delete","path":"a/b"}"#; 501].join(",");
    let error = refused(&format!(
        r#"{{"type":"commit","id":"c","writes":[{writes}]}}"#
    ))
    .error;
    assert_eq!(error.code, Code::TooLarge);
    let text = "x".repeat(1 << 20);
    let write = format!(r#"{{"op":"set","path":"a/b","data":{{"t":"{text}"}}}}"#);
    let error = refused(&format!(
        r#"{{"type":"commit","id":"c","writes":[{write}]}}"#
    ))
    .error;
    assert_eq!(error.code, Code::TooLarge);
}

#[test]
fn what_is_not_built_yet_is_unimplemented_once_it_is_well_formed() {
    let unimplemented = |text: &str, feature: &str| {
        let RequestError { id, error } = refused(text);
        assert_eq!(
            (id.as_deref(), error.code),
            (Some("x"), Code::Unimplemented)
        );
        assert_eq!(error.message, format!("{feature} is not implemented yet"));
    };
    unimplemented(r#"{"type":"auth","id":"x","access_token":"t"}"#, "auth");
    check(
        r#"{"type":"auth","id":"x","access_token":"t","x":1}"#,
        "auth has no field \"x\"",
    );
}

#[test]
fn what_is_asked_of_consumers_is_whole() {
    check(r#"{"type":"ack","id":"x"}"#, "ack needs the field token");
    check(
        r#"{"type":"delete_consumer","id":"x"}"#,
        "delete_consumer needs the field name",
    );
    check(
        r#"{"type":"delete_consumer","id":"x","name":"a/b"}"#,
        "a consumer's name is as one segment of a path: \"a/b\" has a slash",
    );
    check(
        r#"{"type":"subscribe","id":"x","collection":"a","unacked_max":3}"#,
        "unacked_max and ack_timeout_ms go with a consumer",
    );
}

#[test]
fn what_is_known_is_versions_by_ids() {
    let known = |known: &str| {
        let text = format!(r#"{{"type":"subscribe","id":"x","collection":"a","known":{known}}}"#);
        refused(&text).error
    };
    for (text, told) in [
        ("[]", "known is an object, not an array"),
        ("{}", "known needs the field versions"),
        (
            r#"{"versions":{},"epoch":"9f3c2a7e"}"#,
            "known has no field \"epoch\"",
        ),
        (
            r#"{"versions":{"1":"2"}}"#,
            "a version in known must be a sequence, not a string",
        ),
        (
            r#"{"versions":{"1":-2}}"#,
            "a version in known must be a sequence, not a number",
        ),
        (
            r#"{"versions":{"1":0}}"#,
            "known: a version is at least 1, that of \"1\" is 0",
        ),
    ] {
        let error = known(text);
        assert_eq!((error.code, &*error.message), (Code::InvalidArgument, told));
    }
    for id in ["", "b/c", "..", "__c"] {
        let error = known(&format!(r#"{{"versions":{{"{id}":1}}}}"#));
        assert_eq!(error.code, Code::InvalidArgument, "{id}");
    }
    let versions: Vec<_> = (0..10_001).map(|n| format!(r#""{n}":1"#)).collect();
    let error = known(&format!(r#"{{"versions":{{{}}}}}"#, versions.join(",")));
    assert_eq!(error.code, Code::TooLarge);
    let error = known(r#"{"token":"","versions":{}}"#);
    assert_eq!(error.code, Code::TokenInvalid);
}

#[test]
fn an_error_is_addressed_by_the_id_of_the_message() {
    let id = |text: &str| refused(text).id;
    let write = |data: &str| {
        format!(
            r#"{{"type":"commit","id":"c1","writes":[{{"op":"set","path":"a/b","data":{data}}}]}}"#
        )
    };
    assert_eq!(id(&write("{\"a\":1,\"a\":2}")).as_deref(), Some("c1"));
    assert_eq!(id(&write(&"[".repeat(100))).as_deref(), Some("c1"));
    assert_eq!(id(r#"{"type":"dance","id":"d1"}"#).as_deref(), Some("d1"));
    assert_eq!(
        id(r#"{"type":"get","path":1,"id":"g1"}"#).as_deref(),
        Some("g1")
    );
    assert_eq!(id(r#"{"type":"get","id":7}"#), None);
    assert_eq!(id("nonsense"), None);
    assert_eq!(
        refused(&write("{\"a\":1,\"a\":2}")).error.code,
        Code::DuplicateKey
    );
    let deep = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
    assert_eq!(refused(&write(&deep)).error.code, Code::TooDeep);
}

#[test]
fn a_document_of_the_greatest_depth_is_taken() {
    let deepest = format!("{}1{}", "{\"a\":".repeat(64), "}".repeat(64));
    for field in ["\"op\":\"set\",\"data\"", "\"op\":\"update\",\"patch\""] {
        let text = format!(
            r#"{{"type":"commit","id":"c","writes":[{{"path":"a/b",{field}:{deepest}}}]}}"#
        );
        assert!(ClientMessage::parse(text.as_bytes()).is_ok());
    }
}

#[test]
fn bodies_of_http_are_requests_without_type_and_id() {
    assert!(parse_commit(br#"{"writes":[{"op":"delete","path":"a/b"}]}"#).is_ok());
    let error = parse_commit(br#"{"id":"c","writes":[{"op":"delete","path":"a/b"}]}"#).unwrap_err();
    assert_eq!(error.message, "a commit has no field \"id\"");
    let query = parse_query(br#"{"collection":"a","order_by":["-year"]}"#).unwrap();
    assert_eq!((query.limit, query.order_by.len()), (100, 1));
    let error = parse_query(br#"{"type":"query","collection":"a"}"#).unwrap_err();
    assert_eq!(error.message, "a query has no field \"type\"");
}
