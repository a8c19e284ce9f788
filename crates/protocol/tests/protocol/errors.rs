//! The error table, and an error's form on each transport.

use tonic::{Code as Grpc, Status};
use wellspring_protocol::error::{Code, Retry, WireError};
use wellspring_types::{Value, json};

fn rich() -> WireError {
    WireError::new(Code::PreconditionFailed, "rooms/7 is at version 42, not 40")
        .detail("path", "rooms/7")
        .detail("version", 42_u64)
        .after_ms(1500)
}

/// Code, HTTP status, gRPC status, retry, close code.
const TABLE: &str = "\
invalid_argument 400 InvalidArgument never -
too_deep 400 InvalidArgument never -
duplicate_key 400 InvalidArgument never -
mutation_id_reused 400 InvalidArgument never -
too_large 413 InvalidArgument never -
unauthenticated 401 Unauthenticated reauth 4401
permission_denied 403 PermissionDenied never 4403
not_found 404 NotFound never -
already_exists 409 AlreadyExists never -
precondition_failed 412 FailedPrecondition never -
conflict 409 Aborted now -
token_invalid 400 InvalidArgument resync -
token_expired 410 OutOfRange resync -
rate_limited 429 ResourceExhausted backoff 4429
limit_exceeded 429 ResourceExhausted never -
slow - ResourceExhausted now 4409
overloaded 503 Unavailable backoff -
unavailable 503 Unavailable backoff 4500
read_only 503 FailedPrecondition backoff -
cancelled - Cancelled never -
deadline_exceeded 504 DeadlineExceeded backoff -
unimplemented 501 Unimplemented never -
internal 500 Internal backoff -
";

#[test]
fn the_table_is_the_agreed_one() {
    let dash = |number: Option<u16>| number.map_or("-".to_owned(), |number| number.to_string());
    let row = |code: &Code| {
        let http = dash(code.answers_http().then(|| code.http_status()));
        let close = dash(code.close_code());
        format!("{code} {http} {:?} {} {close}\n", code.grpc(), code.retry())
    };
    assert_eq!(Code::ALL.iter().map(row).collect::<String>(), TABLE);
    for code in Code::ALL {
        assert_eq!(code.as_str().parse(), Ok(*code));
    }
}

#[test]
fn an_error_is_a_json_object() {
    assert_eq!(
        rich().to_json(),
        r#"{"code":"precondition_failed","message":"rooms/7 is at version 42, not 40","retry":"never","after_ms":1500,"details":{"path":"rooms/7","version":42}}"#
    );
    assert_eq!(
        WireError::internal().to_json(),
        r#"{"code":"internal","message":"the server met an error that it did not expect","retry":"backoff"}"#
    );
}

#[test]
fn an_error_is_problem_details_and_comes_back() {
    let problem = rich().to_problem_json();
    assert_eq!(
        problem,
        r#"{"type":"urn:wellspring:error:precondition_failed","title":"An `if_…` of a write does not hold.","status":412,"detail":"rooms/7 is at version 42, not 40","code":"precondition_failed","retry":"never","after_ms":1500,"details":{"path":"rooms/7","version":42}}"#
    );
    assert_eq!(
        WireError::from_problem_json(problem.as_bytes()),
        Some(rich())
    );
    assert_eq!(WireError::from_problem_json(b"<html>"), None);
    assert_eq!(WireError::from_problem_json(b"{}"), None);
}

#[test]
fn an_error_is_a_status_and_comes_back() {
    for code in Code::ALL.iter().copied() {
        let error = WireError::new(code, "what went wrong");
        let status = error.to_status();
        assert_eq!(
            (status.code(), status.message()),
            (code.grpc(), "what went wrong")
        );
        assert!(WireError::is_in_status(&status));
        assert_eq!(WireError::from_status(&status), error);
    }
    assert_eq!(WireError::from_status(&rich().to_status()), rich());
}

#[test]
fn a_status_of_others_gets_the_nearest_code() {
    let from = |grpc| WireError::from_status(&Status::new(grpc, "no"));
    assert!(!WireError::is_in_status(&Status::new(
        Grpc::Unavailable,
        "no"
    )));
    assert_eq!(
        from(Grpc::Unavailable),
        WireError::new(Code::Unavailable, "no")
    );
    assert_eq!(from(Grpc::OutOfRange).code, Code::TooLarge);
    assert_eq!(from(Grpc::Unknown).code, Code::Internal);
}

#[test]
fn a_code_of_a_newer_server_is_handled_by_its_retry() {
    let text = br#"{"code":"moon_phase","retry":"resync","detail":"not tonight","news":1}"#;
    let error = WireError::from_problem_json(text).unwrap();
    assert_eq!(
        (error.code, error.retry()),
        (Code::Unknown(Retry::Resync), Retry::Resync)
    );
    assert_eq!(
        error.details.unwrap().get("code"),
        Some(&Value::from("moon_phase"))
    );
    let text = br#"{"code":"moon_phase","retry":"ponder"}"#;
    assert_eq!(
        WireError::from_problem_json(text).unwrap().retry(),
        Retry::Backoff
    );
}

#[test]
fn a_status_fits_into_the_headers_that_clients_take() {
    let mut error = WireError::new(Code::InvalidArgument, "é".repeat(100_000));
    assert!(error.message.len() <= 1024 && error.message.ends_with('…'));
    error = error.detail("text", "x".repeat(100_000).as_str());
    let headers = error.to_status().into_http::<()>().into_parts().0.headers;
    let bytes: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    assert!(bytes < 8192, "{bytes}");
}

#[test]
fn errors_of_parsing_keep_their_codes() {
    let code = |text: &str| WireError::from(json::parse(text.as_bytes()).unwrap_err()).code;
    assert_eq!(code(r#"{"a":1,"a":2}"#), Code::DuplicateKey);
    assert_eq!(code(&"[".repeat(65)), Code::TooDeep);
    assert_eq!(code("{"), Code::InvalidArgument);
}
