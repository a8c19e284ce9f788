//! What earlier releases have written is read, to the digit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wellspring_engine::verify::{Finding, Severity, VerifyOptions, verify};
use wellspring_engine::{CommitError, Database, PageLimit};
use wellspring_protocol::json::parse_commit;
use wellspring_tests::golden::{copy, describe, describe_commit, options, root};
use wellspring_types::ResumeToken;
use wellspring_types::feed::{FeedMessage, From, SubscribeRequest};

use crate::damage::scene::all_files;

/// Each golden directory.
fn all() -> Vec<PathBuf> {
    let entries = fs::read_dir(root()).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = all_files(directory).into_iter();
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// Opens a copy, has `check` look at it with the lines that are expected, and closes it.
async fn with_copy<C>(golden: &Path, check: C)
where
    C: AsyncFnOnce(&Database, &str),
{
    let place = tempfile::tempdir().unwrap();
    let data_dir = place.path().join("data");
    copy(&golden.join("data"), &data_dir).unwrap();
    let expected = fs::read_to_string(golden.join("expected")).unwrap();
    let database = Database::open(options(&data_dir), &mut |_| {}).unwrap();
    check(&database, &expected).await;
    database.close().await.unwrap();
    drop(database);
    let report = verify(&data_dir, &VerifyOptions::new(place.path()), &mut |_| {}).unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

/// The lines of a kind, without it.
fn lines<'a>(expected: &'a str, kind: &str) -> Vec<&'a str> {
    let found = expected.lines().filter_map(|line| line.strip_prefix(kind));
    found.filter_map(|rest| rest.strip_prefix(' ')).collect()
}

#[tokio::test]
async fn documents_floors_and_changes_with_their_tokens_are_what_was_written() {
    for golden in all() {
        let before = files(&golden);
        with_copy(&golden, async |database, expected| {
            let found = describe(database).await.unwrap();
            let of_directory =
                |line: &&str| !(line.starts_with("mutation ") || line.starts_with("token "));
            let wanted: Vec<&str> = expected.lines().filter(of_directory).collect();
            for (found, wanted) in found.lines().zip(&wanted) {
                assert_eq!(found, *wanted, "{}", golden.display());
            }
            assert_eq!(found.lines().count(), wanted.len());
        })
        .await;
        assert!(files(&golden) == before, "what is golden is never changed");
    }
}

#[tokio::test]
async fn each_token_goes_on_where_it_was_given() {
    for golden in all() {
        with_copy(&golden, async |database, expected| {
            let tokens = lines(expected, "token");
            assert!(tokens.len() > 5);
            for line in tokens {
                let mut words = line.split(' ');
                let (collection, seq, token) = (
                    words.next().unwrap(),
                    words.next().unwrap(),
                    words.next().unwrap(),
                );
                let seq: u64 = seq.parse().unwrap();
                let request = SubscribeRequest::new(
                    collection.parse().unwrap(),
                    From::Token(ResumeToken::new(token)),
                );
                let mut subscription = database.subscribe(request).unwrap();
                let limit = PageLimit {
                    bytes: 1 << 20,
                    messages: 100,
                };
                let page = subscription.page(limit, Duration::ZERO).await.unwrap();
                assert!(!page.more);
                let mut found = String::new();
                for message in page.messages {
                    match message {
                        FeedMessage::Subscribed { seq: at, .. } => assert_eq!(at.0, seq),
                        FeedMessage::Changes { commits, .. } => {
                            for commit in commits {
                                describe_commit(collection, &commit, &mut found).unwrap();
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
                let mut wanted = String::new();
                for change in lines(expected, "change") {
                    let mut words = change.split(' ');
                    let of = words.next() == Some(collection);
                    if of && words.next().unwrap().parse::<u64>().unwrap() > seq {
                        wanted.push_str(&format!("change {change}\n"));
                    }
                }
                assert_eq!(found, wanted);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn mutation_ids_are_remembered() {
    for golden in all() {
        with_copy(&golden, async |database, expected| {
            let head = database.visible();
            let mutations = lines(expected, "mutation");
            assert!(mutations.len() > 20);
            for line in mutations {
                let (seq, text) = line.split_once(' ').unwrap();
                let request = parse_commit(text.as_bytes()).unwrap();
                let repeated = database.commit(request.clone()).await.unwrap();
                assert_eq!(repeated.seq.0, seq.parse::<u64>().unwrap());
                let mut other = request;
                other.writes.truncate(1);
                other
                    .writes
                    .extend(other.writes.clone().into_iter().map(|mut write| {
                        write.path = "rooms/other".parse().unwrap();
                        write
                    }));
                let refused = database.commit(other).await.unwrap_err();
                assert!(
                    matches!(refused, CommitError::MutationIdReused { .. }),
                    "{refused}"
                );
            }
            assert_eq!(database.visible(), head);
        })
        .await;
    }
}

#[test]
fn checking_finds_the_append_that_was_cut_short_and_nothing_else() {
    for golden in all() {
        let scratch = tempfile::tempdir().unwrap();
        let before = files(&golden);
        let options = VerifyOptions::new(scratch.path());
        let report = verify(&golden.join("data"), &options, &mut |_| {}).unwrap();
        assert_eq!(
            report.worst(),
            Some(Severity::Note),
            "{:?}",
            report.findings
        );
        let torn = report.findings.iter().filter(|finding| {
            matches!(
                finding,
                Finding::Files(wellspring_log::Finding::Torn { .. })
            )
        });
        assert_eq!(torn.count(), 1, "{:?}", report.findings);
        assert_eq!(report.snapshots, 1);
        assert!(
            report.oldest.0 > 1,
            "the log does not reach back to its beginning"
        );
        assert!(files(&golden) == before, "what is golden is never changed");
    }
}
