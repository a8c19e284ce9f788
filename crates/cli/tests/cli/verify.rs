//! Checking databases and backups.

use std::fs;
use std::path::Path;

use crate::support::{Said, Server, said, spawn, text, wellspring};

fn verify(path: &Path, more: &[&str]) -> Said {
    let arguments = [&["verify", text(path)], more].concat();
    said(spawn(wellspring().args(arguments)), "")
}

fn run(arguments: &[&str]) -> Said {
    said(spawn(wellspring().args(arguments)), "")
}

/// Changes a byte of the first group, and has that told in both forms.
fn damage_is_named(path: &Path) {
    let segment = path.join("log/0000000000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[64 + 30] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let damaged = verify(path, &[]);
    assert_eq!(damaged.status, 1, "{}", damaged.stdout);
    let first: Vec<&str> = damaged.stdout.lines().take(4).collect();
    let named = format!("damage: {} at byte 64", text(&segment));
    assert_eq!(first[0], named, "{}", damaged.stdout);
    assert!(
        first[1].starts_with("  what:  the group's checksum is wrong"),
        "{first:?}"
    );
    assert!(first[2].starts_with("  means: commit 1 "), "{first:?}");
    assert!(first[3].starts_with("  do:    "), "{first:?}");
    assert!(
        damaged.stderr.ends_with("is damaged\n"),
        "{}",
        damaged.stderr
    );
    let json = verify(path, &["--json"]);
    assert_eq!(json.status, 1);
    let finding = format!(
        r#"{{"severity":"damage","file":"{}","offset":64,"#,
        text(&segment)
    );
    assert!(json.stdout.contains(&finding), "{}", json.stdout);
}

#[test]
fn a_database_at_rest_and_its_backup_are_good_until_a_byte_is_changed() {
    let server = Server::start();
    for n in 1..=3 {
        let put = server.run(["put", "rooms/a", &format!(r#"{{"n":{n}}}"#)]);
        assert_eq!(put.status, 0, "{}", put.stderr);
    }
    let data = server.data();
    let used = verify(&data, &[]);
    assert_eq!(used.status, 2);
    assert!(
        used.stderr.contains("is in use by another process")
            && used.stderr.contains("wellspring backup --data"),
        "{}",
        used.stderr
    );

    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("backup");
    let taken = run(&["backup", "--data", text(&data), "--to", text(&to)]);
    assert_eq!(taken.status, 0, "{}", taken.stderr);
    let good = verify(&to, &[]);
    assert_eq!(
        (good.status, good.stderr.as_str()),
        (0, ""),
        "{}",
        good.stdout
    );
    assert!(
        good.stdout
            .contains(": good; read 3 commits from 1 to 3, 0 snapshots"),
        "{}",
        good.stdout
    );

    server.signal("TERM");
    let (status, directory) = server.ended();
    assert_eq!(status, Some(0));
    let good = verify(&data, &["--json"]);
    assert_eq!(
        (good.status, good.stderr.as_str()),
        (0, ""),
        "{}",
        good.stdout
    );
    assert!(
        good.stdout
            .contains(r#""result":"good","oldest":1,"head":3,"commits":3"#)
            && good.stdout.contains(r#""store":"checked""#)
            && good.stdout.contains(r#""findings":[]"#),
        "{}",
        good.stdout
    );

    for path in [&data, &to] {
        damage_is_named(path);
    }
    drop(directory);
}

#[test]
fn what_is_neither_a_database_nor_a_backup_cannot_be_checked() {
    let place = tempfile::tempdir().unwrap();
    let empty = verify(place.path(), &[]);
    assert_eq!(empty.status, 2);
    assert!(
        empty
            .stderr
            .contains("is neither a data directory nor a backup"),
        "{}",
        empty.stderr
    );
    let missing = verify(&place.path().join("missing"), &[]);
    assert_eq!(missing.status, 2, "{}", missing.stderr);
    let help = run(&["verify", "--help"]);
    assert!(help.stdout.contains("Examples:") && help.stdout.contains("Exit status:"));
}
