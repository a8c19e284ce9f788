//! Backups of a server at work, and what is restored from them.

use crate::support::{Server, said, spawn, text, wellspring};

#[test]
fn a_served_database_is_backed_up_and_restored_to_a_commit() {
    let server = Server::start();
    for n in 1..=3 {
        let put = server.run(["put", "rooms/a", &format!(r#"{{"n":{n}}}"#)]);
        assert_eq!(put.status, 0, "{}", put.stderr);
    }
    let place = tempfile::tempdir().unwrap();
    let (data, to) = (server.data(), place.path().join("backup"));
    let run = |arguments: &[&str]| said(spawn(wellspring().args(arguments)), "");
    let take = ["backup", "--data", text(&data), "--to", text(&to)];
    let taken = run(&take);
    assert_eq!(taken.status, 0, "{}", taken.stderr);
    assert!(
        taken.stderr.starts_with("backed up through commit 3 into "),
        "{}",
        taken.stderr
    );
    let again = run(&[&take[..], &["--json"]].concat());
    assert_eq!(again.stdout, "{\"head\":3,\"copied_bytes\":0}\n");

    let restored = place.path().join("restored");
    let restore = ["restore", "--from", text(&to), "--data", text(&restored)];
    let beyond = run(&[&restore[..], &["--to-sequence", "4"]].concat());
    assert_eq!(beyond.status, 1);
    assert!(
        beyond
            .stderr
            .starts_with("error: commit 4 cannot be restored: the backup holds commits 1 to 3"),
        "{}",
        beyond.stderr
    );
    let done = run(&[&restore[..], &["--to-sequence", "2"]].concat());
    assert_eq!(done.status, 0, "{}", done.stderr);
    assert!(
        done.stderr.starts_with("restored through commit 2 into "),
        "{}",
        done.stderr
    );
    let onto = run(&restore);
    assert_eq!(onto.status, 1);
    assert!(onto.stderr.contains("is not empty"), "{}", onto.stderr);
}
