//! A connection with as many subscriptions as it may have.

use std::collections::HashMap;

use crate::support::{Socket, TestServer, elements, number, text};

/// One less than a connection may have.
const SUBSCRIPTIONS: u64 = 127;
const COMMITS: u64 = 60;

/// The subscriptions that run, as far as the client was told, each with the last commit that it
/// was sent.
#[derive(Default)]
struct Running(HashMap<String, u64>);

impl Running {
    async fn hear(&mut self, socket: &mut Socket) {
        let message = socket.hear().await;
        let kind = text(&message, "type");
        let id = text(&message, "id").to_owned();
        match kind {
            "subscribed" => {
                let seq = number(&message, "seq");
                assert_eq!(self.0.insert(id, seq), None);
            }
            // Of an unsubscribe.
            "result" => assert!(self.0.remove(&id).is_some()),
            "changes" => {
                let last = self.0.get_mut(&id);
                let last = last.expect("a subscription that has ended says nothing");
                for commit in elements(&message, "commits") {
                    let seq = number(commit, "seq");
                    assert_eq!(*last + 1, seq, "{id}");
                    *last = seq;
                }
            }
            other => assert_eq!(other, "checkpoint"),
        }
    }
}

#[tokio::test]
async fn each_of_many_subscriptions_is_sent_every_commit_while_others_come_and_go() {
    let server = TestServer::start().await;
    let (mut reading, mut writing) = (server.websocket().await, server.websocket().await);
    let mut running = Running::default();
    let subscribe = |id| format!(r#"{{"type":"subscribe","id":"{id}","collection":"a"}}"#);
    for id in 0..SUBSCRIPTIONS {
        reading.say(&subscribe(id)).await;
        running.hear(&mut reading).await;
    }
    let write = async {
        for n in 1..=COMMITS {
            let commit = format!(
                r#"{{"type":"commit","id":"{n}","writes":[{{"op":"set","path":"a/1","data":{{}}}}]}}"#
            );
            writing.say(&commit).await;
        }
        for _ in 0..COMMITS {
            writing.hear_type("result").await;
        }
    };
    let come_and_go = async {
        // While messages wait for them, which are not read as quickly as they are written.
        for id in (0..SUBSCRIPTIONS).step_by(2) {
            let unsubscribe = format!(r#"{{"type":"unsubscribe","id":"{id}"}}"#);
            reading.say(&unsubscribe).await;
            reading.say(&subscribe(id)).await;
            running.hear(&mut reading).await;
        }
    };
    tokio::join!(write, come_and_go);

    // One more, whose answer comes behind those to all that was asked before.
    reading.say(&subscribe(SUBSCRIPTIONS)).await;
    while !running.0.contains_key(&SUBSCRIPTIONS.to_string()) {
        running.hear(&mut reading).await;
    }
    server.put("/v1/documents/a/1", "{}").await;
    let all = usize::try_from(SUBSCRIPTIONS).unwrap() + 1;
    while running.0.len() < all || running.0.values().any(|last| *last != COMMITS + 1) {
        running.hear(&mut reading).await;
    }
}
