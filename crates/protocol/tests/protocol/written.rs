//! Messages that are written as the log is read, compared with those that are written of commits.

use std::sync::Arc;

use proptest::prelude::*;
use wellspring_protocol::json::{JsonChanges, feed};
use wellspring_types::feed::{
    Change, ChangeRef, ChangesWriter, CommitRef, FeedCommit, FeedMessage, Room,
};
use wellspring_types::limits::MESSAGE_BYTES_MAX;
use wellspring_types::{Data, MutationId};

use crate::samples::{any_feed_message, commit, insert, text_of, token};

fn borrowed(change: &Change) -> ChangeRef<'_> {
    ChangeRef {
        op: change.op,
        collection: change.path.collection_str(),
        id: change.path.id(),
        data: change.data.as_ref().map(Data::as_str),
        old: change.old.as_ref().map(Data::as_str),
    }
}

fn push(writer: &JsonChanges, text: &mut String, commit: &FeedCommit) -> Room {
    let head = CommitRef {
        seq: commit.seq,
        time: commit.time,
        actor: commit.actor.as_deref(),
        mutation_id: commit.mutation_id.as_ref().map(MutationId::as_str),
    };
    writer.push(text, head, &mut commit.changes.iter().map(borrowed))
}

/// A commit as the log has it.
fn whole(commit: &FeedCommit) -> Arc<FeedCommit> {
    let changes = commit.changes.iter().map(|change| Change {
        cause: None,
        version: commit.seq,
        patch: None,
        ..change.clone()
    });
    Arc::new(FeedCommit {
        seq: commit.seq,
        time: commit.time,
        actor: commit.actor.clone(),
        mutation_id: commit.mutation_id.clone(),
        changes: changes.collect(),
        conflated: false,
        encoded: Default::default(),
    })
}

proptest! {
    #[test]
    fn what_is_written_as_the_log_is_read_is_what_is_written_of_commits(
        message in any_feed_message(),
        id in proptest::option::of(".{1,8}"),
    ) {
        let FeedMessage::Changes { commits, token } = message else {
            return Ok(());
        };
        let commits: Vec<_> = commits.iter().map(|commit| whole(commit)).collect();
        let writer = JsonChanges::new(id.as_deref());
        let mut text = writer.begin();
        for commit in &commits {
            prop_assert_eq!(push(&writer, &mut text, commit), Room::Enough);
        }
        writer.end(&mut text, &token);
        let message = FeedMessage::Changes { commits, token };
        let mut texts = Vec::new();
        feed::write(id.as_deref(), &message, &mut |text, _token| texts.push(text));
        prop_assert_eq!(vec![text], texts);
    }
}

#[test]
fn a_message_is_never_too_large_and_what_has_no_room_leaves_it_as_it_was() {
    let writer = JsonChanges::new(Some("s1"));
    let mut text = writer.begin();
    let large = commit(5, vec![insert(5, "a/1", &text_of(1_000_000))]);
    let mut commits = 0;
    loop {
        let before = text.clone();
        if push(&writer, &mut text, &large) == Room::TooLittle {
            assert_eq!(text, before);
            break;
        }
        commits += 1;
    }
    writer.end(&mut text, &token("T"));
    assert_eq!(commits, 3);
    assert!(text.len() <= MESSAGE_BYTES_MAX);
}
