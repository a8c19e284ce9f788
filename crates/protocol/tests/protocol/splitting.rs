//! Messages that are too large are sent in parts, and the parts are the whole.

use wellspring_protocol::json::client::{FeedPart, ReceivedCommit, ServerMessage};
use wellspring_protocol::json::feed;
use wellspring_types::feed::{Change, FeedMessage, Op};
use wellspring_types::limits::MESSAGE_BYTES_MAX;
use wellspring_types::{Document, ResumeToken, Sequence};

use crate::samples::{commit, data, insert, path, text_of, time, token};

/// The parts of a message as a client receives them, each with the token that its `id:` line on
/// SSE would have.
fn parts(message: &FeedMessage) -> Vec<(FeedPart, Option<ResumeToken>)> {
    let mut parts = Vec::new();
    feed::write(Some("s1"), message, &mut |text, token| {
        assert!(text.len() <= MESSAGE_BYTES_MAX, "{} bytes", text.len());
        match ServerMessage::parse(text.as_bytes()) {
            Ok(ServerMessage::Feed { part, .. }) => parts.push((part, token.cloned())),
            other => panic!("{other:?}"),
        }
    });
    parts
}

fn commits(message: &FeedMessage) -> Vec<Vec<ReceivedCommit>> {
    let parts = parts(message);
    let last = parts.len() - 1;
    let unpack = |(index, (part, sink_token))| match part {
        FeedPart::Changes { commits, token } => {
            assert_eq!(
                token, sink_token,
                "the sink is told the token that is in the text"
            );
            assert_eq!(
                token.is_some(),
                index == last,
                "only the last part has the token"
            );
            commits
        }
        other => panic!("{other:?}"),
    };
    parts.into_iter().enumerate().map(unpack).collect()
}

const MEBIBYTE: usize = (1 << 20) - 100;

#[test]
fn a_large_commit_is_split_between_its_changes() {
    let changes: Vec<Change> = (0..8)
        .map(|index| insert(5, &format!("a/{index}"), &text_of(MEBIBYTE)))
        .collect();
    let message = FeedMessage::Changes {
        commits: vec![commit(5, changes.clone())],
        token: token("T"),
    };
    let parts = commits(&message);
    assert_eq!(
        parts
            .iter()
            .map(|part| part[0].changes.len())
            .collect::<Vec<_>>(),
        [3, 3, 2]
    );
    assert_eq!(
        parts.iter().map(|part| part[0].more).collect::<Vec<_>>(),
        [true, true, false]
    );
    assert!(
        parts
            .iter()
            .all(|part| part.len() == 1 && part[0].seq == Sequence(5))
    );
    let received: Vec<Change> = parts
        .into_iter()
        .flatten()
        .flat_map(|part| part.changes)
        .collect();
    assert_eq!(received, changes);
}

#[test]
fn whole_commits_are_packed_and_a_part_that_goes_on_ends_its_message() {
    let small = |seq| commit(seq, vec![insert(seq, "a/b", "{}")]);
    let large = (0..5)
        .map(|index| insert(2, &format!("a/{index}"), &text_of(MEBIBYTE)))
        .collect();
    let message = FeedMessage::Changes {
        commits: vec![small(1), commit(2, large), small(3), small(4)],
        token: token("T"),
    };
    let shapes: Vec<Vec<(u64, usize, bool)>> = commits(&message)
        .iter()
        .map(|part| {
            part.iter()
                .map(|commit| (commit.seq.0, commit.changes.len(), commit.more))
                .collect()
        })
        .collect();
    assert_eq!(
        shapes,
        [
            vec![(1, 1, false), (2, 3, true)],
            vec![(2, 2, false), (3, 1, false), (4, 1, false)],
        ]
    );
}

#[test]
fn a_change_that_is_too_large_loses_its_patch_and_nothing_else() {
    let update = |patch_bytes| Change {
        op: Op::Update,
        old: Some(data(&text_of(MEBIBYTE))),
        patch: Some(wellspring_types::Data::from_stored(
            text_of(patch_bytes).into(),
        )),
        ..insert(5, "a/b", &text_of(MEBIBYTE))
    };
    let sent = |patch_bytes| {
        let commits_of = vec![commit(5, vec![update(patch_bytes)])];
        let message = FeedMessage::Changes {
            commits: commits_of,
            token: token("T"),
        };
        let mut parts = commits(&message);
        assert_eq!(
            (parts.len(), parts[0].len(), parts[0][0].more),
            (1, 1, false)
        );
        parts.remove(0).remove(0).changes.remove(0)
    };
    assert_eq!(sent(MEBIBYTE), update(MEBIBYTE));
    assert_eq!(
        sent(2 * MEBIBYTE),
        Change {
            patch: None,
            ..update(0)
        }
    );
}

#[test]
fn a_large_snapshot_is_split_between_its_documents() {
    let document = |index: usize| Document {
        path: path(&format!("a/{index}")),
        version: Sequence(3),
        created_at: time("2026-11-24T08:00:00.000Z"),
        updated_at: time("2026-11-24T08:00:00.000Z"),
        data: data(&text_of(MEBIBYTE)),
    };
    let documents: Vec<Document> = (0..5).map(document).collect();
    let removed = vec![path("a/gone")];
    let message = FeedMessage::Snapshot {
        documents: documents.clone(),
        removed: removed.clone(),
        token: token("T"),
    };
    let mut received = (Vec::new(), Vec::new());
    let mut tokens = Vec::new();
    for (part, _token) in parts(&message) {
        match part {
            FeedPart::Snapshot {
                documents,
                removed,
                token,
            } => {
                received.0.extend(documents);
                received.1.extend(removed);
                tokens.push(token);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(received, (documents, removed));
    assert_eq!(tokens, [None, Some(token("T"))]);
}

#[test]
fn a_commit_is_encoded_once_for_all_subscriptions() {
    let shared = commit(5, vec![insert(5, "a/b", "{}")]);
    let write = |id: &str, commits| {
        let message = FeedMessage::Changes {
            commits,
            token: token("T"),
        };
        feed::write(Some(id), &message, &mut |_text, _token| {});
    };
    write("s1", vec![shared.clone()]);
    let encode_again = || -> bytes::Bytes { panic!("it was encoded already") };
    let form = wellspring_types::feed::Form::Json;
    let first = shared.encoded.get_or_encode(form, encode_again).clone();
    write("s2", vec![shared.clone()]);
    assert_eq!(shared.encoded.get_or_encode(form, encode_again), &first);
}

#[test]
fn whole_commits_fill_a_message_the_same_whether_they_are_shared_or_not() {
    let message = || FeedMessage::Changes {
        commits: (1..=9)
            .map(|seq| commit(seq, vec![insert(seq, "a/b", &text_of(MEBIBYTE))]))
            .collect(),
        token: token("T"),
    };
    let alone = message();
    let shared = message();
    let _elsewhere = shared.clone();
    let sequences: Vec<Vec<u64>> = commits(&alone)
        .iter()
        .map(|part| part.iter().map(|commit| commit.seq.0).collect())
        .collect();
    assert_eq!(sequences, [vec![1, 2, 3], vec![4, 5, 6], vec![7, 8, 9]]);
    assert_eq!(commits(&alone), commits(&shared));
}
