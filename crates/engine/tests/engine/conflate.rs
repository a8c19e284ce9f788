//! Conflation: whoever is behind is sent what the commits come to, and it adds up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use wellspring_engine::PageLimit;
use wellspring_types::feed::{Change, FeedCommit, FeedMessage, From, Op, SubscribeRequest, View};
use wellspring_types::json::merge_patch;
use wellspring_types::{ResumeToken, Sequence, Value};

use crate::common::{Fixture, data, filter, fixture_with, set};
use crate::filters::{commit, documents, request, views};
use crate::views::{History, expected, in_view, text};

fn conflated(view: &View, from: From) -> SubscribeRequest {
    SubscribeRequest {
        conflate: true,
        ..request(view, from)
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// Documents by number, each set or deleted.
    Commit(BTreeMap<u8, Option<String>>),
    /// The subscriber takes what there is, and perhaps goes on from its token, as a poll does.
    Take { resume: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let document = prop::option::weighted(0.7, documents());
    let commit = prop::collection::btree_map(0..4_u8, document, 1..4);
    let step = prop_oneof![
        4 => commit.prop_map(Step::Commit),
        1 => any::<bool>().prop_map(|resume| Step::Take { resume }),
    ];
    prop::collection::vec(step, 1..32)
}

/// A conflating subscription, and up to where it was sent everything.
struct Behind {
    view: View,
    subscription: wellspring_engine::Subscription,
    at: Sequence,
}

impl Behind {
    /// Takes what there is in one pass: at most one commit, which is checked.
    async fn take(&mut self, fixture: &Fixture, history: &History) -> ResumeToken {
        let head = history.last().map_or(Sequence::ZERO, |(seq, _)| *seq);
        // What is not in its queue yet would be another pass.
        let mut handed_out = fixture.database.handed_out();
        handed_out.wait_for(|seq| *seq >= head).await.unwrap();
        let limit = PageLimit {
            bytes: 1 << 20,
            messages: 1000,
        };
        let page = self.subscription.page(limit, Duration::ZERO).await.unwrap();
        assert!(!page.more);
        let mut sent = 0;
        for message in &page.messages {
            if let FeedMessage::Changes { commits, .. } = message {
                assert_eq!(commits.len(), 1);
                check(&self.view, history, self.at, &commits[0]);
                self.at = commits[0].seq;
                sent += 1;
            }
        }
        assert!(sent <= 1, "one pass");
        let (was, is) = (self.at, head);
        assert_eq!(
            in_view(&self.view, history, was),
            in_view(&self.view, history, is),
            "nothing is missing between {was} and {is}"
        );
        self.at = head;
        page.token
    }
}

/// What a commit says is exactly what leads from the view at `after` to the view at the commit.
fn check(view: &View, history: &History, after: Sequence, commit: &FeedCommit) {
    let effects = expected(view, history, after);
    let effects: Vec<_> = effects
        .iter()
        .filter(|effect| effect.seq <= commit.seq)
        .collect();
    let seqs: BTreeSet<_> = effects.iter().map(|effect| effect.seq).collect();
    assert_eq!(seqs.last(), Some(&commit.seq), "of the last that it sees");
    assert_eq!(commit.conflated, seqs.len() > 1);
    let (mut state, then) = (
        in_view(view, history, after),
        in_view(view, history, commit.seq),
    );
    let versions: Vec<_> = commit.changes.iter().map(|of| of.version).collect();
    assert!(versions.is_sorted(), "{versions:?}");
    let mut seen = BTreeSet::new();
    for change in &commit.changes {
        let id = change.path.id().to_owned();
        assert!(seen.insert(id.clone()), "{id} twice");
        let of_it = effects.iter().filter(|effect| effect.id == id);
        let newest = of_it.clone().next_back().unwrap();
        assert_eq!(change.version, newest.seq);
        let turn = of_it.clone().rfind(|effect| effect.op == change.op);
        let cause = turn.filter(|_| change.op != Op::Update);
        assert_eq!(change.cause, cause.and_then(|effect| effect.cause));
        check_change(view, change, state.get(&id));
        match &change.data {
            Some(data) => state.insert(id, text(data)),
            None => state.remove(&id),
        };
    }
    assert_eq!(state, then, "{view:?}: {commit:?}");
}

fn check_change(view: &View, change: &Change, before: Option<&String>) {
    let op = match (before, &change.data) {
        (None, Some(_)) => Op::Insert,
        (Some(_), Some(_)) => Op::Update,
        (Some(_), None) => Op::Delete,
        (None, None) => panic!("{change:?}"),
    };
    assert_eq!(change.op, op, "{change:?}");
    let old = change.old.as_ref().map(text);
    assert_eq!(old.as_ref(), before.filter(|_| view.old), "{change:?}");
    match (&change.patch, &change.old, &change.data) {
        (Some(patch), Some(old), Some(data)) => {
            let mut patched = old.object().clone();
            merge_patch(&mut patched, patch.object());
            assert_eq!(&patched, data.object(), "{change:?}");
        }
        (Some(_), _, _) => assert!(view.patch && op == Op::Update),
        (None, _, Some(data)) if view.patch && op == Op::Update => {
            let cannot = data.as_str().contains("null");
            assert!(cannot, "{change:?} has no patch");
        }
        (None, _, _) => {}
    }
}

async fn follow(view: View, steps: Vec<Step>, queue_bytes_max: usize) {
    let fixture = fixture_with(|options| options.queue_bytes_max = queue_bytes_max);
    let begin = |from| {
        let wanted = conflated(&view, from);
        fixture.database.subscribe(wanted).unwrap()
    };
    let mut behind = Behind {
        view: view.clone(),
        subscription: begin(From::Now),
        at: Sequence::ZERO,
    };
    let (mut state, mut history) = (BTreeMap::new(), History::new());
    for step in steps {
        match step {
            Step::Commit(wanted) => history.extend(commit(&fixture, wanted, &mut state).await),
            Step::Take { resume } => {
                let token = behind.take(&fixture, &history).await;
                if resume {
                    behind.subscription = begin(From::Token(token));
                }
            }
        }
    }
    behind.take(&fixture, &history).await;
    // All of it at once.
    let mut behind = Behind {
        view: view.clone(),
        subscription: begin(From::Beginning),
        at: Sequence::ZERO,
    };
    behind.take(&fixture, &history).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_conflated_feed_adds_up_whenever_it_is_read(
        view in views(),
        steps in steps(),
        queue_bytes_max in prop::sample::select(vec![1_usize, 700, 1 << 20]),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(follow(view, steps, queue_bytes_max));
    }
}

async fn write_counters(fixture: &Fixture, commits: u64) -> Sequence {
    let mut last = Sequence::ZERO;
    for n in 0..commits {
        let at = format!("rooms/{}", n % 3);
        last = fixture.set(&at, &format!(r#"{{"n":{n}}}"#)).await;
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_is_far_behind_is_sent_each_document_once() {
    let db = fixture_with(|options| options.queue_bytes_max = 2048);
    let mut one = db.subscribe_to(conflated(&View::default(), From::Now));
    one.next().await;
    let last = write_counters(&db, 300).await;
    let statistics = db.database.subscriptions();
    assert!(statistics[0].conflates && statistics[0].lag == 300);
    assert!(statistics[0].queued_bytes <= 2048, "{statistics:?}");
    let FeedMessage::Changes { commits, .. } = one.next().await else {
        panic!("changes");
    };
    let [commit] = &commits[..] else {
        panic!("one commit");
    };
    assert_eq!((commit.seq, commit.conflated), (last, true));
    assert_eq!((&commit.actor, &commit.mutation_id), (&None, &None));
    let versions: Vec<_> = commit.changes.iter().map(|of| of.version.0).collect();
    assert_eq!(versions, [last.0 - 2, last.0 - 1, last.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_keeps_up_is_sent_every_commit() {
    let db = fixture_with(|_| {});
    let mut one = db.subscribe_to(conflated(&View::default(), From::Now));
    one.next().await;
    for n in 0..20 {
        let seq = db.set("rooms/1", &format!(r#"{{"n":{n}}}"#)).await;
        let FeedMessage::Changes { commits, .. } = one.next().await else {
            panic!("changes");
        };
        assert_eq!((commits[0].seq, commits[0].conflated), (seq, false));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_and_goes_while_one_is_behind_is_not_sent() {
    let db = fixture_with(|_| {});
    let view = View {
        filter: Some(filter(r#"{"open":true}"#)),
        ..View::default()
    };
    let mut one = db.subscribe_to(conflated(&view, From::Now));
    one.next().await;
    db.set("rooms/1", r#"{"open":true}"#).await;
    db.set("rooms/1", r#"{"open":false}"#).await;
    let seen = db.set("rooms/2", r#"{"open":true}"#).await;
    let FeedMessage::Changes { commits, .. } = one.next().await else {
        panic!("changes");
    };
    assert_eq!((commits[0].seq, commits[0].changes.len()), (seen, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_holds_no_more_however_much_is_behind() {
    let db = fixture_with(|options| options.queue_bytes_max = 2048);
    let mut one = db.subscribe_to(conflated(&View::default(), From::Now));
    one.next().await;
    let text = "x".repeat(50_000);
    let mut last = Sequence::ZERO;
    for n in 0..60 {
        let json = format!(r#"{{"n":{n},"text":"{text}"}}"#);
        last = db.commit(vec![set(&format!("rooms/{n}"), &json)]).await.seq;
    }
    let mut messages = 0;
    while one.position < last {
        let FeedMessage::Changes { commits, .. } = one.next().await else {
            continue;
        };
        let bytes = commits[0]
            .changes
            .iter()
            .map(|of| of.data.as_ref().unwrap().as_bytes().len());
        assert!(bytes.sum::<usize>() < (512 << 10) + text.len() * 2);
        messages += 1;
    }
    assert!(messages > 5, "{messages}");
    assert_eq!(one.state.len(), 60);
    let held = Value::Object(data(&one.state["59"].1).object().clone());
    assert!(held.to_text().contains("59"));
}
