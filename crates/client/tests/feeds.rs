//! Feeds over a connection that fails, with a server that says what a test tells it to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the clippy settings for tests do not reach the helpers of integration tests"
)]

mod fake;

use fake::{FakeServer, Peer, data, from_of, next, patiently, show, text_of};
use wellspring_client::types::feed::{From, Known};
use wellspring_client::types::{CollectionPath, ResumeToken, Sequence};
use wellspring_client::{Changes, ChangesBuilder, ChangesError, Client, Code};

fn rooms() -> CollectionPath {
    "rooms".parse().unwrap()
}

const LIVE: &str = r#"{"type":"subscribed","id":"ID","how":"live","seq":5,"token":"t5"}"#;

fn commit(seq: u64, path: &str, more: &str) -> String {
    format!(
        r#"{{"seq":{seq},"time":"2026-11-24T09:00:00.000Z","changes":[{{"op":"insert","path":"{path}","version":{seq},"data":{{"n":{seq}}}}}]{more}}}"#
    )
}

/// A message of whole commits, whose token is `t` and the last sequence.
fn changes(seqs: std::ops::RangeInclusive<u64>) -> String {
    let last = *seqs.end();
    let commits: Vec<_> = seqs
        .map(|seq| commit(seq, &format!("rooms/{seq}"), ""))
        .collect();
    format!(
        r#"{{"type":"changes","id":"ID","commits":[{}],"token":"t{last}"}}"#,
        commits.join(",")
    )
}

/// A message of one commit that goes on.
fn part(seq: u64, path: &str) -> String {
    let commit = commit(seq, path, r#","more":true"#);
    format!(r#"{{"type":"changes","id":"ID","commits":[{commit}]}}"#)
}

fn document(path: &str, version: u64) -> String {
    format!(
        r#"{{"path":"{path}","version":{version},"created_at":"2026-11-24T09:00:00.000Z","updated_at":"2026-11-24T09:00:00.000Z","data":{{"v":{version}}}}}"#
    )
}

fn snapshot(documents: &[String], removed: &str, token: &str) -> String {
    let documents = documents.join(",");
    format!(
        r#"{{"type":"snapshot","id":"ID","documents":[{documents}],"removed":[{removed}],"token":"{token}"}}"#
    )
}

/// Subscribes, answered by this message. The subscription's id is returned.
async fn subscribed(builder: ChangesBuilder, peer: &mut Peer, answer: &str) -> (Changes, String) {
    let play = async {
        let id = text_of(&peer.expect("subscribe").await, "id");
        peer.send_to(&id, answer).await;
        id
    };
    let (changes, id) = tokio::join!(patiently(builder.subscribe()), play);
    (changes.unwrap(), id)
}

/// The next `subscribe`, whose `from` is returned, answered by this message.
async fn resubscribed(peer: &mut Peer, answer: &str) -> (String, String) {
    let subscribe = peer.expect("subscribe").await;
    let id = text_of(&subscribe, "id");
    peer.send_to(&id, answer).await;
    (id, from_of(&subscribe))
}

async fn live(server: &FakeServer) -> (Client, Peer, Changes, String) {
    let (client, mut peer) = server.connected(server.client()).await;
    let (stream, id) = subscribed(client.changes(rooms()), &mut peer, LIVE).await;
    (client, peer, stream, id)
}

#[tokio::test]
async fn commits_and_checkpoints_are_shown_in_order_with_the_token_on_the_last_of_a_message() {
    let server = FakeServer::start().await;
    let (_client, mut peer, mut stream, id) = live(&server).await;
    assert_eq!(stream.token(), Some(&ResumeToken::new("t5")));
    peer.send_to(&id, &changes(6..=7)).await;
    peer.send_to(
        &id,
        r#"{"type":"checkpoint","id":"ID","seq":9,"token":"t9"}"#,
    )
    .await;
    assert_eq!(show(&next(&mut stream).await), "commit 6 [rooms/6]");
    assert_eq!(stream.token(), Some(&ResumeToken::new("t5")));
    assert_eq!(show(&next(&mut stream).await), "commit 7 [rooms/7] @t7");
    assert_eq!(show(&next(&mut stream).await), "checkpoint 9 @t9");
    assert_eq!(stream.token(), Some(&ResumeToken::new("t9")));
}

#[tokio::test]
async fn after_a_lost_connection_it_resumes_by_its_last_token_and_drops_what_was_shown() {
    let server = FakeServer::start().await;
    let (_client, mut peer, mut stream, id) = live(&server).await;
    peer.send_to(&id, &changes(6..=7)).await;
    assert_eq!(show(&next(&mut stream).await), "commit 6 [rooms/6]");
    assert_eq!(show(&next(&mut stream).await), "commit 7 [rooms/7] @t7");
    drop(peer);
    let play = async {
        let mut peer = server.welcome().await;
        let resumed = r#"{"type":"subscribed","id":"ID","how":"resumed","seq":5,"token":"t5"}"#;
        let (id, from) = resubscribed(&mut peer, resumed).await;
        // A server that repeats what was seen is not what we have, but is not believed either.
        peer.send_to(&id, &changes(6..=8)).await;
        (from, peer)
    };
    let (event, (from, _peer)) = tokio::join!(next(&mut stream), play);
    assert_eq!(from, r#"{"token":"t7"}"#);
    assert_eq!(show(&event), "commit 8 [rooms/8] @t8");
}

#[tokio::test]
async fn a_commit_in_parts_is_shown_whole_or_not_at_all() {
    let server = FakeServer::start().await;
    let (_client, mut peer, mut stream, id) = live(&server).await;
    peer.send_to(&id, &part(6, "rooms/a")).await;
    let cut_off = part(6, "rooms/b");
    peer.send_to(&id, &cut_off).await;
    drop(peer);
    let play = async {
        let mut peer = server.welcome().await;
        let (id, from) = resubscribed(&mut peer, LIVE).await;
        peer.send_to(&id, &part(6, "rooms/a")).await;
        peer.send_to(&id, &cut_off).await;
        peer.send_to(&id, &changes(6..=7)).await;
        (from, peer)
    };
    let (event, (from, _peer)) = tokio::join!(next(&mut stream), play);
    assert_eq!(from, r#"{"token":"t5"}"#);
    assert_eq!(show(&event), "commit 6 [rooms/a rooms/b rooms/6]");
    assert_eq!(show(&next(&mut stream).await), "commit 7 [rooms/7] @t7");
}

#[tokio::test]
async fn a_snapshot_is_held_until_it_is_whole_and_goes_on_from_its_place() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server.connected(server.client()).await;
    let pinned = r#"{"type":"subscribed","id":"ID","how":"snapshot","seq":5}"#;
    let (mut stream, id) =
        subscribed(client.changes(rooms()).from_snapshot(), &mut peer, pinned).await;
    let first = [document("rooms/c", 1), document("rooms/a", 2)];
    peer.send_to(&id, &snapshot(&first, "", "p1")).await;
    let play = async {
        // The first part is taken in before the connection is lost: nothing is shown of it.
        peer.send_to(&id, r#"{"type":"pong","n":1}"#).await;
        drop(peer);
        let mut peer = server.welcome().await;
        let (id, from) = resubscribed(&mut peer, pinned).await;
        let rest = [document("rooms/b", 3), document("rooms/a", 6)];
        peer.send_to(&id, &snapshot(&rest, r#""rooms/c""#, "p2"))
            .await;
        peer.send_to(&id, r#"{"type":"current","id":"ID","seq":6,"token":"t6"}"#)
            .await;
        (from, peer)
    };
    let (event, (from, _peer)) = tokio::join!(next(&mut stream), play);
    assert_eq!(from, r#"{"token":"p1"}"#);
    assert_eq!(
        show(&event),
        r#"snapshot 6 [rooms/a={"v":6} rooms/b={"v":3}] @t6"#
    );
}

#[tokio::test]
async fn a_reset_forgets_a_half_snapshot_and_lower_sequences_are_shown_again() {
    let server = FakeServer::start().await;
    let (_client, mut peer, mut stream, id) = live(&server).await;
    peer.send_to(&id, r#"{"type":"reset","id":"ID","reason":"epoch"}"#)
        .await;
    peer.send_to(&id, &snapshot(&[document("rooms/a", 1)], "", "p1"))
        .await;
    peer.send_to(&id, r#"{"type":"reset","id":"ID","reason":"retention"}"#)
        .await;
    peer.send_to(&id, r#"{"type":"current","id":"ID","seq":2,"token":"n2"}"#)
        .await;
    peer.send_to(&id, &changes(3..=3)).await;
    assert_eq!(show(&next(&mut stream).await), "reset Epoch");
    assert_eq!(show(&next(&mut stream).await), "reset Retention");
    assert_eq!(show(&next(&mut stream).await), "snapshot 2 [] @n2");
    assert_eq!(show(&next(&mut stream).await), "commit 3 [rooms/3] @t3");
}

#[tokio::test]
async fn what_is_known_is_said_until_the_differences_are_whole() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server.connected(server.client()).await;
    let known = Known {
        token: Some(ResumeToken::new("old")),
        versions: [("a".into(), Sequence(1)), ("b".into(), Sequence(2))].into(),
    };
    let builder = client.changes(rooms()).from_snapshot().known(known);
    let pinned = r#"{"type":"subscribed","id":"ID","how":"snapshot","seq":9,"known":true}"#;
    let (mut stream, id) = subscribed(builder, &mut peer, pinned).await;
    let first = snapshot(&[document("rooms/a", 8)], "", "p1");
    peer.send_to(&id, &first).await;
    // Cut off inside, it goes on from there, and says the same again.
    peer.send_to(&id, &first).await;
    drop(peer);
    let play = async {
        let mut peer = server.welcome().await;
        let subscribe = peer.expect("subscribe").await;
        assert_eq!(from_of(&subscribe), r#"{"token":"p1"}"#);
        let said = subscribe.get("known").unwrap().to_text();
        assert_eq!(said, r#"{"token":"old","versions":{"a":1,"b":2}}"#);
        let id = text_of(&subscribe, "id");
        for text in [
            r#"{"type":"subscribed","id":"ID","how":"resumed","seq":9,"token":"p1"}"#,
            &snapshot(&[], r#""rooms/b""#, "p2"),
            r#"{"type":"current","id":"ID","seq":9,"token":"t9"}"#,
        ] {
            peer.send_to(&id, text).await;
        }
        peer
    };
    let (event, peer) = tokio::join!(next(&mut stream), play);
    let told = r#"differences ["rooms/a"] ["rooms/b"] at 9"#;
    assert_eq!(show(&event), told);
    drop(peer);
    // What it held then is long past.
    let play = async {
        let mut peer = server.welcome().await;
        let subscribe = peer.expect("subscribe").await;
        assert_eq!(from_of(&subscribe), r#"{"token":"t9"}"#);
        assert_eq!(subscribe.get("known"), None);
        let id = text_of(&subscribe, "id");
        for text in [
            r#"{"type":"subscribed","id":"ID","how":"snapshot","seq":12}"#,
            r#"{"type":"reset","id":"ID","reason":"retention"}"#,
        ] {
            peer.send_to(&id, text).await;
        }
        peer
    };
    let (event, _peer) = tokio::join!(next(&mut stream), play);
    assert_eq!(show(&event), "reset Retention");
}

const INVALID: &str = r#"{"type":"error","id":"ID","code":"token_invalid","message":"not a token of this database","retry":"resync"}"#;

#[tokio::test]
async fn a_token_that_was_good_and_is_no_more_becomes_a_reset() {
    let server = FakeServer::start().await;
    let (_client, peer, mut stream, _id) = live(&server).await;
    drop(peer);
    let play = async {
        let mut peer = server.welcome().await;
        resubscribed(&mut peer, INVALID).await;
        peer
    };
    let (event, mut peer) = tokio::join!(next(&mut stream), play);
    assert_eq!(show(&event), "reset Epoch");
    let play = async {
        let pinned = r#"{"type":"subscribed","id":"ID","how":"snapshot","seq":1}"#;
        let (id, from) = resubscribed(&mut peer, pinned).await;
        peer.send_to(&id, r#"{"type":"current","id":"ID","seq":1,"token":"n1"}"#)
            .await;
        from
    };
    let (event, from) = tokio::join!(next(&mut stream), play);
    assert_eq!(
        (show(&event).as_str(), from.as_str()),
        ("snapshot 1 [] @n1", r#"{"snapshot":true}"#)
    );
}

#[tokio::test]
async fn a_token_of_the_callers_own_that_is_refused_is_an_error() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server.connected(server.client()).await;
    let builder = client
        .changes(rooms())
        .from(From::Token(ResumeToken::new("old")));
    let play = async {
        let (_, from) = resubscribed(&mut peer, INVALID).await;
        assert_eq!(from, r#"{"token":"old"}"#);
    };
    let error = tokio::join!(patiently(builder.subscribe()), play)
        .0
        .unwrap_err();
    assert_eq!(error.code(), Some(Code::TokenInvalid));
}

#[tokio::test]
async fn a_subscription_that_ends_for_a_while_goes_on_after_the_token_it_ended_with() {
    let server = FakeServer::start().await;
    let (_client, mut peer, mut stream, id) = live(&server).await;
    peer.send_to(&id, r#"{"type":"ended","id":"ID","code":"slow","message":"too slow","retry":"now","token":"t8"}"#).await;
    let play = async {
        let (id, from) = resubscribed(&mut peer, LIVE).await;
        peer.send_to(&id, &changes(9..=9)).await;
        from
    };
    let (event, from) = tokio::join!(next(&mut stream), play);
    assert_eq!(
        (show(&event).as_str(), from.as_str()),
        ("commit 9 [rooms/9] @t9", r#"{"token":"t8"}"#)
    );
}

#[tokio::test]
async fn a_subscription_that_ends_for_good_is_an_error_and_then_nothing() {
    let server = FakeServer::start().await;
    let (_client, mut peer, mut stream, id) = live(&server).await;
    peer.send_to(
        &id,
        r#"{"type":"ended","id":"ID","code":"permission_denied","message":"no","retry":"never"}"#,
    )
    .await;
    let error = patiently(stream.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, ChangesError::Refused(_)), "{error:?}");
    assert!(patiently(stream.next()).await.is_none());
}

#[tokio::test]
async fn a_stream_that_nobody_reads_holds_up_no_commit_and_loses_nothing() {
    let server = FakeServer::start().await;
    let (client, mut peer) = server
        .connected(server.client().feed_queue_bytes_max(1000))
        .await;
    let (mut stream, id) = subscribed(client.changes(rooms()), &mut peer, LIVE).await;
    let play = async {
        let commit = peer.expect("commit").await;
        for seq in 6..=40 {
            peer.send_to(&id, &changes(seq..=seq)).await;
        }
        peer.accept_commit(&text_of(&commit, "id"), 40).await;
        let unsubscribe = peer.expect("unsubscribe").await;
        assert_eq!(text_of(&unsubscribe, "id"), id);
    };
    let set = client.set("rooms/40".parse().unwrap(), data("{}"));
    let (result, ()) = tokio::join!(patiently(set), play);
    result.unwrap();

    // Each subscription brings a part, and is cut again where it is read too slowly.
    let serve = async {
        loop {
            let Some(subscribe) = peer.expect_or_unsubscribe("subscribe").await else {
                continue;
            };
            let (id, from) = (text_of(&subscribe, "id"), from_of(&subscribe));
            let last: u64 = from
                .trim_matches(|c: char| !c.is_ascii_digit())
                .parse()
                .unwrap();
            assert!((6..40).contains(&last), "{from}");
            for seq in last + 1..=40 {
                peer.send_to(&id, &changes(seq..=seq)).await;
            }
        }
    };
    let read = async {
        for seq in 6..=40 {
            let event = next(&mut stream).await;
            assert_eq!(show(&event), format!("commit {seq} [rooms/{seq}] @t{seq}"));
        }
    };
    tokio::select! {
        () = read => {}
        () = serve => {}
    }
}

#[tokio::test]
async fn dropping_a_stream_ends_its_subscription_and_no_other() {
    let server = FakeServer::start().await;
    let (client, mut peer, stream, id) = live(&server).await;
    let (mut other, other_id) = subscribed(client.changes(rooms()), &mut peer, LIVE).await;
    drop(stream);
    assert_eq!(text_of(&peer.expect("unsubscribe").await, "id"), id);
    peer.send_to(&other_id, &changes(6..=6)).await;
    assert_eq!(show(&next(&mut other).await), "commit 6 [rooms/6] @t6");
}

#[tokio::test]
async fn closing_the_client_ends_its_streams() {
    let server = FakeServer::start().await;
    let (client, _peer, mut stream, _id) = live(&server).await;
    patiently(client.close()).await;
    assert!(patiently(stream.next()).await.is_none());
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_replaced() {
    let server = FakeServer::start().await;
    let greet = async {
        let mut peer = server.accept().await;
        peer.expect("hello").await;
        peer.send(&fake::WELCOME.replace("25000", "10")).await;
        peer
    };
    let (client, _silent) = tokio::join!(server.client().connect(), greet);
    let mut peer = server.welcome().await;
    subscribed(client.unwrap().changes(rooms()), &mut peer, LIVE).await;
}
