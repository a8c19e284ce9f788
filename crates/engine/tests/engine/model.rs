//! The whole engine against a map in memory: random commits, reopenings and crashes; every
//! subscriber, whatever it filters and wherever it resumes, adds up to a fresh query.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wellspring_types::feed::{From, SubscribeRequest, View};
use wellspring_types::query::Query;
use wellspring_types::write::Write;
use wellspring_types::{Filter, Sequence};

use crate::common::{Fixture, Subscriber, data, filter, fixture_with, path, query, shown};

#[derive(Clone, Debug)]
enum Step {
    /// Documents by number, each set to a value or deleted.
    Commit(BTreeMap<u8, Option<u8>>),
    /// The subscriber takes what is there, and perhaps resumes from its token.
    Take {
        resume: bool,
    },
    Reopen,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let commit = prop::collection::btree_map(0..6_u8, prop::option::of(0..4_u8), 1..4);
    let step = prop_oneof![
        8 => commit.prop_map(Step::Commit),
        3 => any::<bool>().prop_map(|resume| Step::Take { resume }),
        1 => Just(Step::Reopen),
        1 => Just(Step::Crash),
    ];
    prop::collection::vec(step, 1..24)
}

fn filters() -> impl Strategy<Value = Option<Filter>> {
    prop_oneof![
        Just(None),
        Just(Some(filter(r#"{"v":1}"#))),
        Just(Some(filter(r#"{"v":{"gte":2}}"#))),
        Just(Some(filter(r#"{"not":{"v":{"in":[0,3]}}}"#))),
    ]
}

/// The writes of a step that make sense in `state`, and the state after.
fn writes(wanted: &BTreeMap<u8, Option<u8>>, state: &mut BTreeMap<String, String>) -> Vec<Write> {
    let mut writes = Vec::new();
    for (id, value) in wanted {
        let at = path(&format!("rooms/{id}"));
        match value {
            Some(value) => {
                let json = format!(r#"{{"v":{value}}}"#);
                writes.push(Write::set(at, data(&json)));
                state.insert(id.to_string(), json);
            }
            None if state.remove(&id.to_string()).is_some() => writes.push(Write::delete(at)),
            None => {}
        }
    }
    writes
}

async fn check(steps: Vec<Step>, wanted: Option<Filter>) {
    let mut fixture = fixture_with(|options| options.queue_bytes_max = 700);
    let view = View {
        filter: wanted.clone(),
        ..View::default()
    };
    let request = |from| SubscribeRequest {
        view: view.clone(),
        ..SubscribeRequest::new("rooms".parse().unwrap(), from)
    };
    let mut state = BTreeMap::new();
    let mut head = Sequence::ZERO;
    let mut subscriber = fixture.subscribe_to(request(From::Beginning));
    for step in steps {
        match step {
            Step::Commit(wanted) => {
                let writes = writes(&wanted, &mut state);
                if !writes.is_empty() {
                    head = fixture.commit(writes).await.seq;
                }
            }
            Step::Take { resume } => {
                take(&mut subscriber, head).await;
                if resume {
                    let from = From::Token(subscriber.token.clone().unwrap());
                    subscriber.subscription = fixture.database.subscribe(request(from)).unwrap();
                }
                assert_view(&fixture, &subscriber, &state, wanted.clone()).await;
            }
            Step::Reopen | Step::Crash => {
                take(&mut subscriber, head).await;
                let crash = matches!(step, Step::Crash);
                fixture = if crash {
                    fixture.crash()
                } else {
                    fixture.reopen().await
                };
                let from = From::Token(subscriber.token.clone().unwrap());
                subscriber.subscription = fixture.database.subscribe(request(from)).unwrap();
            }
        }
    }
    take(&mut subscriber, head).await;
    assert_view(&fixture, &subscriber, &state, wanted).await;
}

/// Takes what is there.
async fn take(subscriber: &mut Subscriber, head: Sequence) {
    use std::time::Duration;
    use wellspring_engine::PageLimit;
    let limit = PageLimit {
        bytes: 1 << 20,
        messages: 1000,
    };
    let page = subscriber
        .subscription
        .page(limit, Duration::ZERO)
        .await
        .unwrap();
    for message in &page.messages {
        subscriber.absorb(message);
    }
    assert!(subscriber.position <= head);
    subscriber.token = Some(page.token);
}

async fn assert_view(
    fixture: &Fixture,
    subscriber: &Subscriber,
    state: &BTreeMap<String, String>,
    wanted: Option<Filter>,
) {
    let fresh = Query {
        filter: wanted.clone(),
        ..query("rooms")
    };
    let fresh = shown(&fixture.database.query(fresh).await.unwrap().documents);
    let held = subscriber.state.iter();
    let held: Vec<_> = held
        .map(|(id, (_, json))| (id.clone(), json.clone()))
        .collect();
    assert_eq!(held, fresh, "folding the feed gives a fresh query");
    let matches = |json: &String| {
        wanted
            .as_ref()
            .is_none_or(|f| f.matches(data(json).object()))
    };
    let expected = state.iter().filter(|(_, json)| matches(json));
    let expected: Vec<_> = expected
        .map(|(id, json)| (id.clone(), json.clone()))
        .collect();
    assert_eq!(fresh, expected, "the query gives what was written");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_history_folds_to_what_was_written(steps in steps(), wanted in filters()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(check(steps, wanted));
    }
}
