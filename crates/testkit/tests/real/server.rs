//! A server over real sockets: commits by the Rust client, subscriptions whose every session comes
//! over another transport, servers that stop under all of them and start again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use wellspring_client::{Client, Code, ConnectError, RequestError};
use wellspring_server::config::{Config, Overrides, Sources};
use wellspring_server::{RunError, Server};
use wellspring_testkit::history::recorder::{FeedRecorder, Recorder, now};
use wellspring_testkit::random::Random;
use wellspring_types::feed::{From, SubscribeRequest};
use wellspring_types::limits::CHECKPOINT_INTERVAL_MS;
use wellspring_types::write::CommitRequest;
use wellspring_types::{DocumentPath, Sequence};

use crate::scene::{Scene, request};
use crate::transports::{Got, PATIENCE, Session, TRANSPORTS, Transport, open};
use crate::writers::{Answer, Port, write};

const SUBSCRIPTIONS: usize = 18;
const STARTS: u64 = 3;

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinSet<Result<(), RunError>>,
}

impl Running {
    async fn start(data: PathBuf) -> Running {
        let mut overrides = Overrides::default();
        overrides.dev = Some(true);
        overrides.listen = Some("127.0.0.1:0".parse().unwrap());
        overrides.admin = Some("127.0.0.1:0".parse().unwrap());
        overrides.data = Some(data);
        overrides.reserve_bytes = Some(1);
        let sources = Sources {
            overrides,
            ..Sources::default()
        };
        let server = Server::bind(Config::load(sources).unwrap()).await.unwrap();
        let address = server.addresses().clients;
        let (stop, stopped) = oneshot::channel::<()>();
        let mut running = JoinSet::new();
        running.spawn(server.run(async {
            stopped.await.ok();
        }));
        Running {
            address,
            stop,
            server: running,
        }
    }

    async fn stop(mut self) {
        drop(self.stop);
        let ended = tokio::time::timeout(PATIENCE, self.server.join_next()).await;
        let ended = ended.expect("the server stops").unwrap();
        ended.unwrap().unwrap();
    }
}

impl Port for Client {
    async fn commit(&self, request: CommitRequest) -> Answer {
        match Client::commit(self, request).await {
            Ok(result) => Answer::Acknowledged(result.seq),
            Err(RequestError::Refused(error)) => match error.code {
                Code::AlreadyExists | Code::NotFound | Code::PreconditionFailed => Answer::Refused,
                _ => Answer::Unknown,
            },
            Err(_) => Answer::Unknown,
        }
    }

    async fn read(&self, recorder: &Recorder, path: DocumentPath) -> Option<Sequence> {
        let t_inv = now();
        let found = self.get(path.clone()).await.ok()?;
        recorder.read("reader", &path, t_inv, found.as_ref());
        Some(found.map_or(Sequence::ZERO, |document| document.version))
    }
}

struct Follower {
    feed: FeedRecorder,
    request: SubscribeRequest,
    random: Random,
}

impl Follower {
    fn new(scene: &Scene, number: usize) -> Follower {
        let mut request = request(number);
        // HTTP has no parameter for it.
        request.checkpoint_interval_ms = CHECKPOINT_INTERVAL_MS;
        Follower {
            feed: FeedRecorder::new(scene.recorder.clone(), &format!("s{number}"), &request),
            request,
            random: Random::new(number as u64),
        }
    }

    async fn open(&mut self, server: SocketAddr, transport: Transport) -> Option<Session> {
        let mut request = self.request.clone();
        match self.feed.token().cloned() {
            Some(at) => {
                self.feed.resume(transport.name(), &at);
                request.from = From::Token(at.token);
            }
            None => self.feed.begin(transport.name(), &request.from),
        }
        let opening = tokio::time::timeout(PATIENCE, open(server, transport, &request));
        opening.await.expect("a session begins in time")
    }

    /// Records something; false where the session is over.
    fn take(&mut self, got: &Got) -> bool {
        match got {
            Got::Part(part) => self.feed.part(part),
            Got::Page(token) => self.feed.page(token),
            Got::Ended(code) => self.feed.ended(code),
            Got::Nothing => return false,
        }
        true
    }

    async fn follow(mut self, server: SocketAddr, mut stop: watch::Receiver<bool>) -> Follower {
        while !*stop.borrow() {
            let any = usize::try_from(self.random.below(TRANSPORTS.len() as u64)).unwrap();
            let Some(mut session) = self.open(server, TRANSPORTS[any]).await else {
                break;
            };
            for _ in 0..=self.random.below(80) {
                let got = tokio::select! {
                    got = session.next() => got,
                    _ = stop.changed() => return self,
                };
                if !self.take(&got) {
                    break;
                }
            }
        }
        self
    }

    /// Polls everything that is left, and once more, which tells the last page's position.
    async fn finish(mut self, server: SocketAddr) {
        for _ in 0..2 {
            loop {
                let mut session = self.open(server, Transport::Poll).await.unwrap();
                let before = self.feed.token().map(|at| at.token.clone());
                while self.take(&session.next().await) {}
                if self.feed.token().map(|at| at.token.clone()) == before {
                    break;
                }
            }
        }
    }
}

/// Connects once the database is open.
async fn connect(server: SocketAddr) -> Client {
    let url = format!("http://{server}");
    let connecting = async {
        loop {
            let client = Client::builder(&url).request_timeout(Duration::from_secs(2));
            match client.connect().await {
                Ok(client) => return client,
                Err(ConnectError::Refused(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    let connected = tokio::time::timeout(PATIENCE, connecting).await;
    connected.expect("the database opens in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_keeps_every_promise_on_every_transport_through_restarts() {
    let scene = Scene::new();
    let mut followers: Vec<_> = (0..SUBSCRIPTIONS)
        .map(|n| Follower::new(&scene, n))
        .collect();
    for start in 0..STARTS {
        let server = Running::start(scene.data_dir()).await;
        let address = server.address;
        let mut writing = JoinSet::new();
        for writer in 0..4 {
            let (client, recorder) = (connect(address).await, scene.recorder.clone());
            writing.spawn(async move {
                let name = format!("w{start}{writer}");
                // One is done first, and then the server stops.
                write(
                    &client,
                    &recorder,
                    &name,
                    if writer == 0 { 100 } else { 130 },
                )
                .await;
            });
        }
        let (stop, stopped) = watch::channel(false);
        let mut following = JoinSet::new();
        for follower in followers.drain(..) {
            following.spawn(follower.follow(address, stopped.clone()));
        }
        writing.join_next().await.unwrap().unwrap();
        scene.recorder.fault("stop", Some("under writers"));
        server.stop().await;
        stop.send_replace(true);
        writing.abort_all();
        while writing.join_next().await.is_some() {}
        while let Some(follower) = following.join_next().await {
            followers.push(follower.unwrap());
        }
    }
    let server = Running::start(scene.data_dir()).await;
    let client = connect(server.address).await; // Waits until it is ready.
    for follower in followers {
        follower.finish(server.address).await;
    }
    client.close().await;
    server.stop().await;

    let report = scene.judge().await;
    assert!(
        report.is_clean(),
        "{:#?}\n{:?}",
        report.verdicts,
        report.summary
    );
    let summary = report.summary;
    println!("{summary:?}");
    assert!(
        summary.commits > 500 && summary.changes > 1000,
        "{summary:?}"
    );
    assert!(summary.refused > 10 && summary.unknown > 0, "{summary:?}");
    assert!(
        summary.snapshots > 3 && summary.sessions > 50,
        "{summary:?}"
    );
}
