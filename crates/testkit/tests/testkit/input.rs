//! Files that are not a history that can be judged: it is said, never guessed around.

use wellspring_testkit::history::{History, check};

const DUMP: &str = r#"{"DUMP":{"oldest":1,"head":0}}"#;

/// The error of a history of these lines.
fn refused(lines: &[&str]) -> String {
    let text = lines.join("\n");
    let judged = History::parse("h", text.as_bytes()).and_then(|history| check(&history));
    judged
        .err()
        .map_or_else(|| panic!("accepted: {text}"), |error| error.to_string())
}

#[track_caller]
fn assert_refused(line: &str, why: &str) {
    let error = refused(&[DUMP, line]);
    assert!(error.starts_with("h:2: ") && error.contains(why), "{error}");
}

#[test]
fn a_history_without_a_dump_is_refused() {
    assert!(refused(&[]).contains("no DUMP"));
    assert_refused(DUMP, "h:1 has the first");
}

#[test]
fn unknown_fields_and_records_are_refused() {
    assert_refused(r#"{"X":{"fault":"kill","t":1,"when":2}}"#, "when");
    assert_refused(r#"{"Y":{}}"#, "Y");
    assert_refused("nonsense", "not a record");
}

#[test]
fn an_outcome_without_its_sequence_is_refused() {
    let line = r#"{"W":{"client":"w","op_id":"a","writes":[],"t_inv":1,"t_ret":2,"outcome":"ok"}}"#;
    assert_refused(line, "`seq`");
    let line =
        r#"{"W":{"client":"w","op_id":"a","writes":[],"t_inv":3,"t_ret":2,"outcome":"fail"}}"#;
    assert_refused(line, "ends before it begins");
}

#[test]
fn a_hash_that_is_not_of_its_data_is_refused() {
    let line = r#"{"STATE":{"path":"rooms/1","version":1,"hash":"a1","data":{"n":1}}}"#;
    assert_refused(line, "is not that of the data");
    assert_refused(
        r#"{"STATE":{"path":"rooms/1","version":1}}"#,
        "neither hash nor data",
    );
    assert_refused(
        r#"{"STATE":{"path":"rooms","version":1,"hash":"a1"}}"#,
        "not the path",
    );
}

#[test]
fn a_missing_line_of_a_subscription_is_not_taken_for_a_missing_change() {
    let subscribed = r#"{"R":{"sub":"s","session":1,"idx":0,"t_recv":1,"got":{"subscribed":{"transport":"sse","collection":"rooms","from":"now","how":"live","seq":0}}}}"#;
    let checkpoint =
        r#"{"R":{"sub":"s","session":1,"idx":2,"t_recv":2,"got":{"checkpoint":{"seq":0}}}}"#;
    let error = refused(&[DUMP, subscribed, checkpoint]);
    assert!(
        error.contains("event 1 of the subscription is missing"),
        "{error}"
    );
    let other_session =
        r#"{"R":{"sub":"s","session":2,"idx":1,"t_recv":2,"got":{"checkpoint":{"seq":0}}}}"#;
    let error = refused(&[DUMP, subscribed, other_session]);
    assert!(error.contains("has not begun"), "{error}");
    let earlier =
        r#"{"R":{"sub":"s","session":1,"idx":1,"t_recv":0,"got":{"checkpoint":{"seq":0}}}}"#;
    assert!(refused(&[DUMP, subscribed, earlier]).contains("before the event before it"));
}

#[test]
fn a_filter_needs_the_documents_of_the_log() {
    let query =
        r#"{"G":{"client":"r","t_inv":1,"t_ret":2,"collection":"rooms","filter":{"n":1},"seq":1}}"#;
    let log = r#"{"LOG":{"seq":1,"op_id":"a","changes":[{"path":"rooms/1","hash":"a1"}]}}"#;
    let error = refused(&[r#"{"DUMP":{"oldest":1,"head":1}}"#, query, log]);
    assert!(error.contains("data must be here"), "{error}");
}
