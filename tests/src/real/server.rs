//! A server over real sockets: commits by the Rust client, subscriptions whose every session comes
//! over another transport, a consumer whose work is shared, servers that stop under all of them and start again.

use tokio::sync::watch;
use tokio::task::JoinSet;
use wellspring_tests::scene::Scene;
use wellspring_tests::server::Running;
use wellspring_tests::writers::{Writer, connect};
use wellspring_tests::{Follower, Group, Transport, Worker};

/// Few, so that writers meet.
const DOCUMENTS: u64 = 12;
const SUBSCRIPTIONS: usize = 18;
const WORKERS: usize = 3;
const STARTS: u64 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_keeps_every_promise_on_every_transport_through_restarts() {
    let scene = Scene::default();
    let mut followers: Vec<_> = (0..SUBSCRIPTIONS)
        .map(|n| Follower::new(scene.recorder.clone(), n, 0, Transport::ALL))
        .collect();
    let group = Group::new(0);
    let worker = |number| Worker::new(scene.recorder.clone(), &group, number, 0);
    let mut workers: Vec<_> = (0..WORKERS).map(worker).collect();
    for start in 0..STARTS {
        let server = Running::start(scene.data_dir(), |_| {}).await;
        let address = server.address;
        let mut writing = JoinSet::new();
        for writer in 0..4 {
            let client = connect(address).await.unwrap();
            let name = format!("w{start}{writer}");
            let mut writer_of = Writer::new(scene.recorder.clone(), &name, DOCUMENTS);
            // One is done first, and then the server stops.
            let count = if writer == 0 { 100 } else { 130 };
            writing.spawn(async move { writer_of.write(&client, count).await });
        }
        let (at, server_at) = watch::channel(Some(address));
        let mut following = JoinSet::new();
        for follower in followers.drain(..) {
            following.spawn(follower.follow(server_at.clone()));
        }
        let mut working = JoinSet::new();
        for worker in workers.drain(..) {
            working.spawn(worker.work(server_at.clone()));
        }
        writing.join_next().await.unwrap().unwrap();
        scene.recorder.fault("stop", Some("under writers"));
        at.send_replace(None);
        server.stop().await;
        drop(at);
        writing.abort_all();
        while writing.join_next().await.is_some() {}
        while let Some(follower) = following.join_next().await {
            followers.push(follower.unwrap());
        }
        workers = working.join_all().await;
    }
    let server = Running::start(scene.data_dir(), |_| {}).await;
    let client = connect(server.address).await.unwrap(); // Waits until it is ready.
    for follower in followers {
        follower.finish(server.address).await;
    }
    workers.remove(0).finish(server.address).await;
    client.close().await;
    server.stop().await;

    let summary = scene.judge_clean().await.summary;
    println!("{summary:?}");
    assert!(
        summary.commits > 500 && summary.changes > 1000,
        "{summary:?}"
    );
    assert!(summary.acks > 50 && summary.conflated > 0, "{summary:?}");
    assert!(summary.refused > 10 && summary.unknown > 0, "{summary:?}");
    assert!(
        summary.snapshots > 3 && summary.sessions > 50,
        "{summary:?}"
    );
}
