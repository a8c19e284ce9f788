//! The commands, against a server that is run the same way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the clippy settings for tests do not reach the helpers of integration tests"
)]

mod support;

use std::io::{BufRead, BufReader};

use support::{Server, said, signal, spawn, text, wellspring};

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
fn without_a_server_the_error_says_how_to_start_one() {
    let child = spawn(wellspring().args(["--server", "http://127.0.0.1:1", "get", "rooms/1"]));
    let said = said(child, "");
    assert_eq!(said.status, 5);
    assert!(
        said.stderr
            .contains("Start one with `wellspring serve --dev`"),
        "{}",
        said.stderr
    );
}

#[test]
fn serve_without_dev_mode_says_both_ways_and_is_exit_status_2() {
    let directory = tempfile::tempdir().unwrap();
    let child = spawn(wellspring().current_dir(directory.path()).arg("serve"));
    let said = said(child, "");
    assert_eq!(said.status, 2);
    assert!(
        said.stderr.contains("--dev") && said.stderr.contains("[auth]"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_server_that_is_asked_to_stop_keeps_its_documents() {
    let server = Server::start();
    server.run(["put", "rooms/1", r#"{"a":1}"#]);
    let (status, server) = server.restart();
    assert_eq!(status, Some(0));
    assert_eq!(server.run(["get", "rooms/1"]).stdout, "{\"a\":1}\n");
}

#[test]
fn what_is_exported_imports_again_digit_for_digit() {
    let server = Server::start();
    let rows = r#"[
        {"code": "b", "n": 123456789012345678901234567890.10, "deep": {"a": [1, "é\n"]}},
        {"code": 7, "n": 1e3},
        {"code": "b", "n": 0.10}
    ]"#;
    let file = server.file("rows.json", rows);
    let imported = server.run(["import", "things", text(&file), "--id", "code"]);
    assert_eq!(imported.status, 0, "{}", imported.stderr);
    assert!(
        imported.stderr.contains("imported 2 documents into things"),
        "{}",
        imported.stderr
    );
    assert!(
        imported.stderr.contains("with the same id: 1"),
        "{}",
        imported.stderr
    );
    assert_eq!(
        server.run(["get", "things/b"]).stdout,
        "{\"code\":\"b\",\"n\":0.10}\n"
    );
    assert_eq!(
        server.run(["get", "things/7"]).stdout,
        "{\"code\":7,\"n\":1e3}\n"
    );

    let exported = server.run(["export", "things"]);
    assert_eq!(exported.stdout.lines().count(), 2);
    let again = server.run_with(&["import", "copies", "-"], &exported.stdout);
    assert_eq!(again.status, 0, "{}", again.stderr);
    let data = |lines: &str| -> Vec<String> {
        lines
            .lines()
            .map(|line| line.split_once("\"data\":").unwrap().1.to_owned())
            .collect()
    };
    assert_eq!(
        data(&server.run(["export", "copies"]).stdout),
        data(&exported.stdout)
    );
    assert_eq!(
        server.run(["get", "copies/7"]).stdout,
        "{\"code\":7,\"n\":1e3}\n"
    );
}

#[test]
fn one_wrong_row_keeps_all_from_being_written() {
    let server = Server::start();
    let rows = "{\"code\":1}\n{\"code\":2}\n{\"code\":null}\n";
    let refused = server.run_with(
        &["import", "things", "-", "--id", "code", "--batch", "1"],
        rows,
    );
    assert_eq!(refused.status, 1);
    assert_eq!(
        refused.stderr,
        "error: row 3: code is null; an id is a text or a number\n"
    );
    let no_object = server.run_with(&["import", "things", "-"], "[{},4]");
    assert!(
        no_object.stderr.contains("row 2 is not an object"),
        "{}",
        no_object.stderr
    );
    assert_eq!(server.run(["export", "things"]).stdout, "");
}

#[test]
fn csv_becomes_documents_with_numbers_where_cells_are_exactly_that() {
    let server = Server::start();
    let file = server.file("things.csv", "code,zip,price\na,02134,7.50\n\"b, c\",1,\n");
    assert_eq!(
        server
            .run(["import", "things", text(&file), "--id", "code"])
            .status,
        0
    );
    assert_eq!(
        server.run(["get", "things/a"]).stdout,
        "{\"code\":\"a\",\"zip\":\"02134\",\"price\":7.50}\n"
    );
    assert_eq!(
        server.run(["get", "things/b, c"]).stdout,
        "{\"code\":\"b, c\",\"zip\":1,\"price\":\"\"}\n"
    );
}

#[test]
fn more_documents_than_a_page_are_exported_and_queried_whole() {
    let server = Server::start();
    let rows: String = (0..2500)
        .map(|n| format!("{{\"n\":{n},\"even\":{}}}\n", n % 2 == 0))
        .collect();
    let imported = server.run_with(&["import", "numbers", "-", "--id", "n"], &rows);
    assert_eq!(imported.status, 0, "{}", imported.stderr);
    assert_eq!(
        server.run(["export", "numbers"]).stdout.lines().count(),
        2500
    );
    let query = |arguments: &[&str]| {
        let all: Vec<&str> = ["query", "numbers"]
            .iter()
            .chain(arguments)
            .copied()
            .collect();
        server.run_with(&all, "").stdout
    };
    assert_eq!(
        query(&["--where", r#"{"even":true}"#, "--all"])
            .lines()
            .count(),
        1250
    );
    assert_eq!(query(&[]).lines().count(), 100);
    assert_eq!(query(&["--limit", "1001"]).lines().count(), 1001);
    let last = query(&["--order-by", "-n", "--limit", "1", "--select", "n"]);
    assert!(last.ends_with("\"data\":{\"n\":2499}}\n"), "{last}");
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

#[test]
fn tail_goes_on_exactly_after_the_token_it_told() {
    let server = Server::start();
    for n in 1..=3 {
        server.run(["put", "rooms/1", &format!("{{\"n\":{n}}}")]);
    }
    let tail = |from: &str, limit: &str| {
        server.run([
            "tail", "rooms", "--from", from, "--json", "--old", "--limit", limit,
        ])
    };
    let first = tail("beginning", "3");
    assert_eq!(first.status, 0, "{}", first.stderr);
    let lines: Vec<_> = first.stdout.lines().collect();
    assert!(lines[0].starts_with(r#"{"op":"insert","path":"rooms/1","version":1,"seq":1,"#));
    assert!(
        lines[2].contains(r#""data":{"n":3},"old":{"n":2},"token":""#),
        "{lines:?}"
    );
    let token = first
        .stderr
        .trim()
        .strip_prefix("to go on: --from ")
        .expect("a token")
        .to_owned();
    server.run(["put", "rooms/1", "{\"n\":4}"]);
    let rest = tail(&token, "1");
    assert!(
        rest.stdout.contains(r#""data":{"n":4},"old":{"n":3}"#),
        "{}",
        rest.stdout
    );

    let cut = tail("beginning", "1").stderr;
    let repeats = cut.ends_with(" (the last 1 lines come again)\n");
    let token = cut.split(' ').nth(4).expect("a token").trim();
    let next = tail(token, "1").stdout;
    let expected = if repeats {
        r#""seq":1,"#
    } else {
        r#""seq":2,"#
    };
    assert!(next.contains(expected), "{cut} {next}");

    let snapshot = server.run(["tail", "rooms", "--from", "snapshot", "--limit", "1"]);
    assert!(
        snapshot.stdout.starts_with("=      4 "),
        "{}",
        snapshot.stdout
    );
    assert!(
        snapshot.stdout.ends_with(" rooms/1 {\"n\":4}\n"),
        "{}",
        snapshot.stdout
    );
}

#[test]
fn tail_shows_changes_as_they_come_and_ends_well_when_interrupted() {
    let server = Server::start();
    server.run(["put", "rooms/1", r#"{"open":true}"#]);
    let filter = r#"{"open":true}"#;
    let mut child = server.spawn(&["tail", "rooms", "--from", "snapshot", "--where", filter]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("=      1 "));
    server.run(["put", "rooms/2", r#"{"open":false}"#]);
    server.run(["put", "rooms/1", r#"{"open":false}"#]);
    let left = lines.next().unwrap().unwrap();
    assert!(
        left.starts_with("-      3 ") && left.ends_with(" rooms/1 (filter)"),
        "{left}"
    );
    signal(&child, "INT");
    let said = said(child, "");
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(
        said.stderr.starts_with("to go on: --from "),
        "{}",
        said.stderr
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let server = Server::start();
    let rows: String = (0..3000)
        .map(|n| format!("{{\"n\":{n},\"text\":\"{}\"}}\n", "x".repeat(100)))
        .collect();
    server.run_with(&["import", "numbers", "-", "--id", "n"], &rows);
    let mut child = server.spawn(&["query", "numbers", "--all"]);
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let said = said(child, "");
    assert_eq!((said.status, said.stderr.as_str()), (0, ""));
}

#[test]
fn the_demo_shows_changes_and_ends_when_its_time_is_up() {
    let child = spawn(wellspring().args(["demo", "--seconds", "2", "--listen", "127.0.0.1:0"]));
    let said = said(child, "");
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert!(
        said.stdout.contains("grpcurl -plaintext"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout
            .lines()
            .any(|line| line.starts_with("~      2 ")),
        "{}",
        said.stdout
    );
}

#[test]
fn there_are_completions_for_each_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = said(spawn(wellspring().args(["completions", shell])), "");
        assert_eq!(said.status, 0);
        assert!(said.stdout.contains("wellspring"), "{shell}");
    }
}

#[test]
fn help_documents_the_exit_statuses() {
    let said = said(spawn(wellspring().arg("--help")), "");
    assert!(said.stdout.contains("Exit status:"), "{}", said.stdout);
    let version = support::said(spawn(wellspring().arg("version")), "");
    assert_eq!(
        version.stdout,
        concat!("wellspring ", env!("CARGO_PKG_VERSION"), "\n")
    );
}
