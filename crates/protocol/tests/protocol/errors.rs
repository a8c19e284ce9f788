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

#[test]
fn the_table_is_the_agreed_one() {
    let row = |code: Code| {
        let http = if code.answers_http() {
            Some(code.http_status())
        } else {
            None
        };
        (http, code.grpc(), code.retry(), code.close_code())
    };
    let expected = [
        (
            Code::InvalidArgument,
            (Some(400), Grpc::InvalidArgument, Retry::Never, None),
        ),
        (
            Code::TooDeep,
            (Some(400), Grpc::InvalidArgument, Retry::Never, None),
        ),
        (
            Code::DuplicateKey,
            (Some(400), Grpc::InvalidArgument, Retry::Never, None),
        ),
        (
            Code::MutationIdReused,
            (Some(400), Grpc::InvalidArgument, Retry::Never, None),
        ),
        (
            Code::TooLarge,
            (Some(413), Grpc::InvalidArgument, Retry::Never, None),
        ),
        (
            Code::Unauthenticated,
            (Some(401), Grpc::Unauthenticated, Retry::Reauth, Some(4401)),
        ),
        (
            Code::PermissionDenied,
            (Some(403), Grpc::PermissionDenied, Retry::Never, Some(4403)),
        ),
        (
            Code::NotFound,
            (Some(404), Grpc::NotFound, Retry::Never, None),
        ),
        (
            Code::AlreadyExists,
            (Some(409), Grpc::AlreadyExists, Retry::Never, None),
        ),
        (
            Code::PreconditionFailed,
            (Some(412), Grpc::FailedPrecondition, Retry::Never, None),
        ),
        (Code::Conflict, (Some(409), Grpc::Aborted, Retry::Now, None)),
        (
            Code::TokenInvalid,
            (Some(400), Grpc::InvalidArgument, Retry::Resync, None),
        ),
        (
            Code::TokenExpired,
            (Some(410), Grpc::OutOfRange, Retry::Resync, None),
        ),
        (
            Code::RateLimited,
            (
                Some(429),
                Grpc::ResourceExhausted,
                Retry::Backoff,
                Some(4429),
            ),
        ),
        (
            Code::LimitExceeded,
            (Some(429), Grpc::ResourceExhausted, Retry::Never, None),
        ),
        (
            Code::Slow,
            (None, Grpc::ResourceExhausted, Retry::Now, Some(4409)),
        ),
        (
            Code::Overloaded,
            (Some(503), Grpc::Unavailable, Retry::Backoff, None),
        ),
        (
            Code::Unavailable,
            (Some(503), Grpc::Unavailable, Retry::Backoff, Some(4500)),
        ),
        (
            Code::ReadOnly,
            (Some(503), Grpc::FailedPrecondition, Retry::Backoff, None),
        ),
        (Code::Cancelled, (None, Grpc::Cancelled, Retry::Never, None)),
        (
            Code::DeadlineExceeded,
            (Some(504), Grpc::DeadlineExceeded, Retry::Backoff, None),
        ),
        (
            Code::Unimplemented,
            (Some(501), Grpc::Unimplemented, Retry::Never, None),
        ),
        (
            Code::Internal,
            (Some(500), Grpc::Internal, Retry::Backoff, None),
        ),
    ];
    assert_eq!(expected.map(|(code, _)| code), Code::ALL);
    for (code, expected) in expected {
        assert_eq!(row(code), expected, "{code}");
        assert_eq!(code.as_str().parse(), Ok(code));
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
