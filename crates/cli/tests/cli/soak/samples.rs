//! What the server says of itself, and rows of figures.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::load::Load;

/// Files that the database may have open besides those that it began with: segments and files of
/// a snapshot that is being made.
pub(super) const FILES_OF_THE_DATABASE: u64 = 24;
/// How much more memory the second half of a long run may take than the first.
const MEMORY_FACTOR_MAX: f64 = 1.10;
/// How much longer the median may be; the machine may have had other work.
const LATENCY_FACTOR_MAX: f64 = 2.0;

/// What the server's metrics say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) resident_bytes: u64,
    pub(super) file_descriptors: u64,
    pub(super) connections: u64,
    pub(super) subscriptions: u64,
    pub(super) visible: u64,
    pub(super) oldest: u64,
}

pub(super) async fn take(admin: &str) -> Sample {
    let mut stream = TcpStream::connect(admin).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let sum = |name: &str, label: &str| -> u64 {
        let lines = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        // Counts and bytes, far below what a double holds exactly.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "see above"
        )]
        let total = values.sum::<f64>() as u64;
        total
    };
    Sample {
        resident_bytes: sum("process_resident_memory_bytes", ""),
        file_descriptors: sum("process_open_fds", ""),
        connections: sum("wellspring_connections{", "http")
            + sum("wellspring_connections{", "websocket"),
        subscriptions: sum("wellspring_subscriptions{", ""),
        visible: sum("wellspring_visible_sequence", ""),
        oldest: sum("wellspring_oldest_sequence", ""),
    }
}

/// As [`take`], once nobody is connected any more.
pub(super) async fn quiet(admin: &str) -> Sample {
    loop {
        let sample = take(admin).await;
        if sample.connections == 0 && sample.subscriptions == 0 {
            return sample;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// One figure of a row.
type Figure = fn(&Window) -> u64;

/// A row of figures.
pub(super) struct Window {
    sample: Sample,
    commits_per_second: u64,
    commit_micros: (u64, u64),
    delivery_micros: (u64, u64),
    visits: u64,
    resets: u64,
}

impl Window {
    pub(super) const HEAD: &'static str = "commits/s | commit p50 p99 ms | delivery p50 p99 ms | \
        resident MiB | files | connections | kept commits | visits | resets";

    pub(super) fn of(load: &Load, length: Duration, sample: Sample) -> Window {
        let (commits, commit_p50, commit_p99) = load.commits.finish_window();
        let (_, delivery_p50, delivery_p99) = load.deliveries.finish_window();
        Window {
            sample,
            commits_per_second: commits / length.as_secs().max(1),
            commit_micros: (commit_p50, commit_p99),
            delivery_micros: (delivery_p50, delivery_p99),
            visits: load.visits.load(Ordering::Relaxed),
            resets: load.resets.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |micros: u64| Duration::from_micros(micros).as_secs_f64() * 1e3;
        let (commit, delivery) = (self.commit_micros, self.delivery_micros);
        write!(
            f,
            "{:5} | {:6.2} {:6.2} | {:6.2} {:6.2} | {:4} | {:3} | {:3} | {:6} | {:6} | {}",
            self.commits_per_second,
            ms(commit.0),
            ms(commit.1),
            ms(delivery.0),
            ms(delivery.1),
            self.sample.resident_bytes >> 20,
            self.sample.file_descriptors,
            self.sample.connections,
            self.sample.visible + 1 - self.sample.oldest,
            self.visits,
            self.resets,
        )
    }
}

/// Compares the second half with the first, after a sixth in which everything finds its size.
pub(super) fn assert_flat(windows: &[Window]) {
    let steady = &windows[windows.len() / 6..];
    let (first, second) = steady.split_at(steady.len() / 2);
    let checks: [(&str, f64, Figure); 4] = [
        ("resident memory", MEMORY_FACTOR_MAX, |window| {
            window.sample.resident_bytes
        }),
        ("open files", MEMORY_FACTOR_MAX, |window| {
            window.sample.file_descriptors
        }),
        ("median of commits", LATENCY_FACTOR_MAX, |window| {
            window.commit_micros.0
        }),
        ("median of deliveries", LATENCY_FACTOR_MAX, |window| {
            window.delivery_micros.0
        }),
    ];
    let mut grown = Vec::new();
    for (name, most, figure) in checks {
        let (before, after) = (median(first, figure), median(second, figure));
        let factor = after / before;
        println!("{name}: median {before} in the first half, {after} in the second: {factor:.3}");
        if factor > most {
            grown.push(name);
        }
    }
    assert!(grown.is_empty(), "grew: {grown:?}");
}

fn median(windows: &[Window], figure: Figure) -> f64 {
    let mut figures: Vec<u64> = windows.iter().map(figure).collect();
    figures.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let median = figures[figures.len() / 2] as f64;
    median
}
