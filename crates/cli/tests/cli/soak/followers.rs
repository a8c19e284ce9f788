//! Clients that follow all the time, and check that what they see is in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wellspring_client::{ChangeEvent, Changes, Client};
use wellspring_types::{Data, Filter, Sequence, Value};

use super::load::{AUTHORS, Load, now_micros, room};

const CLIENTS: u64 = 8;
const FEEDS_OF_A_CLIENT: u64 = 4;

pub(super) async fn follow(
    tasks: &mut JoinSet<()>,
    url: &str,
    load: &Arc<Load>,
    stop: &CancellationToken,
) {
    for client_number in 0..CLIENTS {
        let client = Client::connect(url).await.unwrap();
        for feed in 0..FEEDS_OF_A_CLIENT {
            let number = client_number * FEEDS_OF_A_CLIENT + feed;
            let changes = client.changes(room(number));
            let changes = match number % 3 {
                0 => changes.filter(by_author(number % AUTHORS)),
                1 => changes.from_snapshot(),
                _ => changes.with_old(),
            };
            let changes = changes.subscribe().await.unwrap();
            let (load, stop) = (Arc::clone(load), stop.clone());
            tasks.spawn(async move {
                let watched = watch(changes, &load);
                stop.run_until_cancelled(watched).await;
            });
        }
    }
}

pub(super) fn by_author(author: u64) -> Filter {
    format!(r#"{{"author":"a{author}"}}"#).parse().unwrap()
}

async fn watch(mut changes: Changes, load: &Load) {
    let mut last = Sequence::ZERO;
    while let Some(event) = changes.next().await {
        match event.unwrap() {
            ChangeEvent::Commit(commit) => {
                assert!(commit.seq > last, "{} after {last}", commit.seq);
                last = commit.seq;
                let now = now_micros();
                for change in &commit.changes {
                    if let Some(sent) = change.data.as_ref().and_then(sent) {
                        load.deliveries.took(now.saturating_sub(sent));
                    }
                }
            }
            ChangeEvent::Snapshot(snapshot) => last = snapshot.seq,
            ChangeEvent::Reset { .. } => {
                load.resets.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
    panic!("a feed ended by itself");
}

/// When the document was sent, in microseconds.
fn sent(data: &Data) -> Option<u64> {
    match data.object().get("sent")? {
        Value::Number(number) => number.as_str().parse().ok(),
        _ => None,
    }
}
