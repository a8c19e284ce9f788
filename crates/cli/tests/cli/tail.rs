//! Watching a collection.

use std::io::{BufRead, BufReader};

use crate::support::{Server, said, signal};

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
fn tail_skips_what_lies_between_when_it_conflates() {
    let server = Server::start();
    for n in 1..=3 {
        server.run(["put", "rooms/1", &format!("{{\"n\":{n}}}")]);
    }
    let tail = server.run([
        "tail",
        "rooms",
        "--from",
        "beginning",
        "--json",
        "--conflate",
        "--limit",
        "1",
    ]);
    let line = tail.stdout;
    assert!(
        line.starts_with(r#"{"op":"insert","path":"rooms/1","version":3,"seq":3,"#),
        "{line}"
    );
    assert!(
        line.contains(r#","conflated":true,"data":{"n":3},"#),
        "{line}"
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
fn tail_of_a_consumer_goes_on_where_it_was_until_it_is_deleted() {
    let server = Server::start();
    for n in 1..=3 {
        server.run(["put", &format!("orders/{n}"), "{}"]);
    }
    let tail = |limit: &str| {
        let run = server.run([
            "tail",
            "orders",
            "--consumer",
            "mailer",
            "--from",
            "beginning",
            "--limit",
            limit,
        ]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        run.stdout
    };
    let first = tail("3");
    assert!(
        first.contains("orders/1") && first.lines().count() == 3,
        "{first}"
    );
    server.run(["put", "orders/4", "{}"]);
    let rest = tail("1");
    assert!(rest.contains("orders/4"), "{rest}");
    let listed = server.run(["consumers"]).stdout;
    assert!(listed.starts_with("mailer\torders\tat "), "{listed}");
    assert!(listed.contains("0 take part, 0 unacknowledged"), "{listed}");
    assert_eq!(server.run(["delete-consumer", "mailer"]).status, 0);
    assert_eq!(server.run(["consumers"]).stdout, "");
    let again = server.run(["delete-consumer", "mailer"]);
    assert!(
        again.stderr.contains("there is no consumer mailer"),
        "{}",
        again.stderr
    );
    assert_eq!(tail("1"), first.lines().next().unwrap().to_owned() + "\n");
}
