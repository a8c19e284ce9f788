//! Single documents and commits, and their exit statuses.

use crate::support::Server;

#[test]
fn put_get_and_delete_with_their_exit_statuses() {
    let server = Server::start();
    let put = server.run(["put", "rooms/42", r#"{"topic": "tea", "n": 1.50}"#]);
    assert_eq!(
        (put.status, put.stdout.as_str()),
        (0, "rooms/42 is at version 1\n")
    );
    let got = server.run(["get", "rooms/42"]);
    assert_eq!(
        (got.status, got.stdout.as_str()),
        (0, "{\"topic\":\"tea\",\"n\":1.50}\n")
    );
    let envelope = server.run(["get", "rooms/42", "--envelope"]).stdout;
    assert!(
        envelope.starts_with(r#"{"path":"rooms/42","version":1,"#),
        "{envelope}"
    );

    let from_stdin = server.run_with(&["put", "rooms/43"], "{}");
    assert_eq!(from_stdin.stdout, "rooms/43 is at version 2\n");
    let stale = server.run(["put", "rooms/42", "{}", "--if-version", "7"]);
    assert_eq!((stale.status, stale.stdout.as_str()), (4, ""));
    assert_eq!(
        server.run(["put", "rooms/42", "{}", "--if-absent"]).status,
        4
    );
    assert_eq!(
        server
            .run(["delete", "rooms/42", "--if-version", "7"])
            .status,
        4
    );

    assert_eq!(server.run(["delete", "rooms/42"]).status, 0);
    let absent = server.run(["get", "rooms/42"]);
    assert_eq!((absent.status, absent.stdout.as_str()), (3, ""));
    assert_eq!(absent.stderr, "error: there is no document rooms/42\n");
    assert_eq!(server.run(["delete", "rooms/42"]).status, 3);
}

#[test]
fn wrong_usage_is_exit_status_2() {
    let server = Server::start();
    assert_eq!(
        server.run(["put", "rooms", "{}"]).status,
        2,
        "a collection is no document"
    );
    assert_eq!(
        server.run(["put", "rooms/1", "[]"]).status,
        2,
        "an array is no document"
    );
    assert_eq!(server.run(["query", "rooms", "--where", "{"]).status, 2);
    assert_eq!(
        server.run(["import", "rooms", "-", "--batch", "0"]).status,
        2
    );
    assert_eq!(server.run_with(&["commit", "-"], "{}").status, 2);
    assert_eq!(
        server.run(["--server", "nowhere", "get", "rooms/1"]).status,
        2
    );
}

#[test]
fn a_commit_is_all_or_nothing() {
    let server = Server::start();
    server.run(["put", "rooms/1", r#"{"votes":1.0}"#]);
    let good = r#"{"writes":[
        {"op":"update","path":"rooms/1","transforms":[{"field":"votes","increment":0.15}]},
        {"op":"insert","path":"rooms/2","data":{}}]}"#;
    let committed = server.run_with(&["commit", "-"], good);
    assert_eq!(committed.status, 0, "{}", committed.stderr);
    assert!(
        committed.stdout.starts_with(r#"{"seq":2,"#),
        "{}",
        committed.stdout
    );
    assert!(
        committed
            .stdout
            .contains(r#""paths":["rooms/1","rooms/2"]"#),
        "{}",
        committed.stdout
    );
    let again = server.run_with(&["commit", "-"], good);
    assert_eq!(again.status, 4, "rooms/2 exists");
    assert_eq!(server.run(["get", "rooms/1"]).stdout, "{\"votes\":1.15}\n");
}
