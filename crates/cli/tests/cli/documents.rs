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
fn the_past_is_read_by_at_and_told_by_history() {
    let server = Server::start();
    for n in 1..=2 {
        server.run(["put", "rooms/42", &format!("{{\"n\":{n}}}")]);
    }
    server.run(["delete", "rooms/42"]);
    let first = server.run(["get", "rooms/42", "--at", "1"]);
    assert_eq!((first.status, first.stdout.as_str()), (0, "{\"n\":1}\n"));
    assert_eq!(server.run(["get", "rooms/42", "--at", "3"]).status, 3);
    let ahead = server.run(["get", "rooms/42", "--at", "4"]);
    assert_eq!(ahead.status, 2);
    assert_eq!(
        ahead.stderr,
        "error: sequence 4 is ahead of the last commit, 3\n"
    );
    assert_eq!(server.run(["get", "rooms/42", "--at", "4x"]).status, 2);

    let found = server.run(["query", "rooms", "--at", "2"]).stdout;
    assert!(found.contains(r#""version":2,"#), "{found}");
    let early = server.run(["query", "rooms", "--at", "1970-01-01T00:00:00Z"]);
    assert_eq!((early.status, early.stdout.as_str()), (0, ""));
    let exported = server.run(["export", "rooms", "--at", "2"]);
    assert_eq!(exported.stdout, found);
    assert_eq!(exported.stderr, "exported 1 document of rooms as of 2\n");

    let history = server.run(["history", "rooms/42"]);
    let lines: Vec<_> = history.stdout.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines[0].starts_with(r#"{"version":3,"time":"#),
        "{}",
        history.stdout
    );
    assert!(lines[0].ends_with(r#""op":"delete"}"#));
    assert!(lines[1].ends_with(r#""op":"update","data":{"n":2}}"#));
    assert!(lines[2].ends_with(r#""op":"insert","data":{"n":1}}"#));
    assert_eq!(history.stderr, "");
    let newest = server.run(["history", "rooms/42", "--limit", "1"]);
    assert_eq!(newest.stdout.lines().count(), 1);
    assert_eq!(newest.stderr, "there may be more: see --limit and --all\n");
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
