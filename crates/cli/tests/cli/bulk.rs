//! Import, export and queries.

use std::io::{BufRead, BufReader};

use crate::support::{Server, said, spawn, text, wellspring};

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

/// Exports the whole database of a server that is stopped for that; its lines.
fn export_all(server: Server) -> String {
    let data = server.data();
    server.signal("TERM");
    let (status, _directory) = server.ended();
    assert_eq!(status, Some(0));
    let exported = said(
        spawn(wellspring().args(["export", "--all", "--data", text(&data)])),
        "",
    );
    assert_eq!(exported.status, 0, "{}", exported.stderr);
    exported.stdout
}

#[test]
fn a_whole_database_is_exported_imported_and_exported_again_byte_for_byte() {
    let server = Server::start();
    for (path, data) in [
        (
            "rooms/42",
            r#"{"topic":"tea","n":123456789012345678901234567890.10}"#,
        ),
        (
            "rooms/42/messages/1",
            r#"{"text":"é\n","deep":{"a":[1e3,-0.0,null]}}"#,
        ),
        ("rooms/42/messages/1/réactions/ann b", "{}"),
        ("rooms/7", r#"{"topic":"old"}"#),
        ("rooms/7", r#"{"topic":"new"}"#),
        ("users/gone", "{}"),
    ] {
        assert_eq!(server.run(["put", path, data]).status, 0, "{path}");
    }
    assert_eq!(server.run(["delete", "users/gone"]).status, 0);
    let rows: String = (0..1500).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    server.run_with(&["import", "numbers", "-", "--id", "n"], &rows);

    let data = server.data();
    let in_use = said(
        spawn(wellspring().args(["export", "--all", "--data", text(&data)])),
        "",
    );
    assert_eq!(in_use.status, 1);
    assert!(
        in_use.stderr.contains("leave out --data"),
        "{}",
        in_use.stderr
    );

    let first = export_all(server);
    assert_eq!(first.lines().count(), 1504);
    assert!(first.contains("{\"path\":\"rooms/42/messages/1/réactions/ann b\",\"data\":{}}\n"));
    assert!(first.contains(
        "{\"path\":\"rooms/42\",\"data\":{\"topic\":\"tea\",\"n\":123456789012345678901234567890.10}}\n"
    ));

    let other = Server::start();
    let file = other.file("dump.ndjson", &first);
    for _ in 0..2 {
        let imported = other.run(["import", "--all", text(&file)]);
        assert_eq!(imported.status, 0, "{}", imported.stderr);
        assert!(
            imported
                .stderr
                .contains("imported 1504 documents into their paths"),
            "{}",
            imported.stderr
        );
    }
    assert_eq!(export_all(other), first);
}

#[test]
fn an_export_of_the_past_says_as_of_when_it_is_and_of_how_many_collections() {
    let server = Server::start();
    server.run(["put", "rooms/1", "{\"n\":1}"]);
    server.run(["put", "rooms/1", "{\"n\":2}"]);
    server.run(["put", "users/1", "{}"]);
    let data = server.data();
    server.signal("TERM");
    let (status, _directory) = server.ended();
    assert_eq!(status, Some(0));
    let exported = said(
        spawn(wellspring().args(["export", "--all", "--at", "1", "--data", text(&data)])),
        "",
    );
    assert_eq!(
        exported.stdout,
        "{\"path\":\"rooms/1\",\"data\":{\"n\":1}}\n"
    );
    assert_eq!(
        exported.stderr,
        "exported 1 document of 1 collection as of 1\n"
    );
}

#[test]
fn lines_of_an_export_go_to_their_paths_or_are_refused_before_any_is_written() {
    let server = Server::start();
    server.run(["put", "rooms/1", "{\"a\":1}"]);
    let exported = server.run(["export", "rooms"]);
    server.run(["delete", "rooms/1"]);
    let back = server.run_with(&["import", "--all"], &exported.stdout);
    assert_eq!(back.status, 0, "{}", back.stderr);
    assert_eq!(server.run(["get", "rooms/1"]).stdout, "{\"a\":1}\n");

    for (row, why) in [
        (
            "{\"path\":\"rooms\",\"data\":{}}",
            "row 2 has no id that can be one",
        ),
        (
            "{\"path\":\"rooms/3\",\"data\":4}",
            "row 2 is not a line of an export",
        ),
        (
            "{\"path\":\"rooms/3\",\"data\":{},\"more\":1}",
            "row 2 is not a line of an export",
        ),
    ] {
        let rows = format!("{{\"path\":\"rooms/2\",\"data\":{{}}}}\n{row}\n");
        let refused = server.run_with(&["import", "--all"], &rows);
        assert_eq!(refused.status, 1);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    assert_eq!(server.run(["get", "rooms/2"]).status, 3);
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
fn an_export_that_fails_leaves_the_one_before() {
    let server = Server::start();
    server.run(["put", "rooms/1", "{}"]);
    let file = server.file("rooms.ndjson", "what was there\n");
    let read = || std::fs::read_to_string(&file).unwrap();
    let failed = server.run(["export", "rooms", text(&file), "--at", "99"]);
    assert_ne!(failed.status, 0);
    assert_eq!(read(), "what was there\n");
    let exported = server.run(["export", "rooms", text(&file)]);
    assert_eq!(exported.status, 0, "{}", exported.stderr);
    assert!(read().starts_with(r#"{"path":"rooms/1","#), "{}", read());
    let beside = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let beside = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = beside.filter(|name| name.contains("export")).collect();
    assert!(left.is_empty(), "{left:?}");
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
