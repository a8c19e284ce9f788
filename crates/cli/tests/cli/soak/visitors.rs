//! Clients that come and go, and some that stop reading.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use wellspring_client::{ChangeEvent, Client};
use wellspring_types::ResumeToken;
use wellspring_types::query::Query;

use super::followers::by_author;
use super::load::{AUTHORS, Dice, Load, ROOMS, room};

const VISITORS: u64 = 4;
const EVENTS_OF_A_VISIT: usize = 20;
/// Longest that a visitor waits for the next event.
const VISIT: Duration = Duration::from_millis(500);
const STALLED: u64 = 4;
/// Longest that one holds its connection without reading: the server ends it long before.
const STALL: Duration = Duration::from_secs(10);

pub(super) fn come_and_go(
    tasks: &mut JoinSet<()>,
    url: &str,
    load: &Arc<Load>,
    stop: &CancellationToken,
) {
    for visitor in 0..VISITORS {
        let (url, load, stop) = (url.to_owned(), Arc::clone(load), stop.clone());
        tasks.spawn(async move {
            let mut dice = Dice::new(2_000 + visitor);
            let mut token = None;
            while !stop.is_cancelled() {
                token = visit(&url, &mut dice, token, &load).await;
                load.visits.fetch_add(1, Ordering::Relaxed);
                event_stream(&url, &mut dice).await.unwrap();
            }
        });
    }
    for reader in 0..STALLED {
        let (url, load, stop) = (url.to_owned(), Arc::clone(load), stop.clone());
        tasks.spawn(async move {
            let mut dice = Dice::new(3_000 + reader);
            while !stop.is_cancelled() {
                let stalled = stall(&url, &mut dice, &load);
                if let Some(ended) = stop.run_until_cancelled(stalled).await {
                    ended.unwrap();
                }
            }
        });
    }
}

/// Connects, goes on after what it saw last or begins anew, sees some of a feed, reads, leaves.
async fn visit(
    url: &str,
    dice: &mut Dice,
    token: Option<(u64, ResumeToken)>,
    load: &Load,
) -> Option<(u64, ResumeToken)> {
    let client = Client::connect(url).await.unwrap();
    let fresh = dice.below(ROOMS);
    let number = token.as_ref().map_or(fresh, |(number, _)| *number);
    let changes = client.changes(room(number));
    let changes = match (token, dice.below(4)) {
        (_, 0) => changes.from_snapshot(),
        (_, 1) => changes
            .from_beginning()
            .filter(by_author(dice.below(AUTHORS))),
        (Some((_, token)), _) => changes.after(token),
        (None, _) => changes,
    };
    let mut changes = changes.subscribe().await.unwrap();
    let mut newest = None;
    for _ in 0..EVENTS_OF_A_VISIT {
        let Ok(Some(event)) = timeout(VISIT, changes.next()).await else {
            break;
        };
        let event = event.unwrap();
        if matches!(event, ChangeEvent::Reset { .. }) {
            load.resets.fetch_add(1, Ordering::Relaxed);
        }
        newest = event.token().cloned().or(newest);
    }
    let query = Query {
        collection: room(number),
        filter: Some(by_author(dice.below(AUTHORS))),
        select: None,
        order_by: Vec::new(),
        limit: 100,
        cursor: None,
        at: None,
    };
    client.query(query).await.unwrap();
    let path = format!("{}/1", room(number)).parse().unwrap();
    client.get(path).await.unwrap();
    client.close().await;
    newest.map(|token| (number, token))
}

/// Reads some of an event stream and hangs up.
async fn event_stream(url: &str, dice: &mut Dice) -> io::Result<()> {
    let path = format!("/v1/changes/{}?from=snapshot", room(dice.below(ROOMS)));
    let mut stream = get(url, &path, None).await?;
    let mut some = vec![0; 16 << 10];
    stream.read_exact(&mut some).await?;
    assert!(some.starts_with(b"HTTP/1.1 200"), "{}", some.escape_ascii());
    Ok(())
}

/// Asks for everything that there is, and reads nothing of it.
async fn stall(url: &str, dice: &mut Dice, load: &Load) -> io::Result<()> {
    let room = room(dice.below(ROOMS));
    let path = format!("/v1/changes/{room}?from=beginning&old=true&patch=true");
    let stream = get(url, &path, Some(4 << 10)).await?;
    load.stalls.fetch_add(1, Ordering::Relaxed);
    sleep(STALL).await;
    drop(stream);
    Ok(())
}

/// Sends a request for a stream of events.
async fn get(
    url: &str,
    path: &str,
    receive_bytes: Option<u32>,
) -> io::Result<tokio::net::TcpStream> {
    let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    let socket = TcpSocket::new_v4()?;
    if let Some(bytes) = receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    let mut stream = socket.connect(address).await?;
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}
