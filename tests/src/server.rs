//! A server with everything small, so that queues overflow, rings wrap, segments roll, snapshots
//! are made and the oldest is dropped while a test looks.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use wellspring_engine::Options;
use wellspring_server::config::{Config, Overrides, Sources};
use wellspring_server::{RunError, Server, write_logs};

use crate::PATIENCE;

/// Makes a database's parts small.
pub fn small(options: &mut Options) {
    options.segment_bytes = 64 << 10;
    options.reserve_bytes = 0;
    options.ring_bytes_max = 16 << 10;
    options.queue_bytes_max = 8 << 10;
    options.exact_read_bytes_max = 8 << 10;
    options.overlay_bytes_max = 64 << 10;
}

/// Makes snapshots, and drops what is over `retention_bytes_max`, as often as can be.
pub fn busy_keeper(options: &mut Options, retention_bytes_max: Option<u64>) {
    options.segment_bytes = 16 << 10;
    options.snapshot_log_bytes_min = 16 << 10;
    options.snapshot_run_bytes = 8 << 10;
    options.keeper_interval_ms = 20;
    options.retention_bytes_max = retention_bytes_max;
}

/// A server on free ports of loopback, for anyone.
///
/// # Errors
/// If there is no port to be had.
pub async fn bind(data_dir: PathBuf) -> Result<Server, RunError> {
    Server::bind(config(data_dir)).await
}

/// A server in the test's process.
#[derive(Debug)]
pub struct Running {
    /// Of its port for clients.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinSet<Result<(), RunError>>,
}

impl Running {
    /// Starts one. It may still be opening its database.
    pub async fn start(data_dir: PathBuf, change: impl FnOnce(&mut Options)) -> Running {
        let server = bind(data_dir).await.unwrap().with_options(change);
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

    /// Stops it, and waits for its end.
    pub async fn stop(mut self) {
        drop(self.stop);
        let ended = tokio::time::timeout(PATIENCE, self.server.join_next()).await;
        let ended = ended.expect("the server stops").unwrap();
        ended.unwrap().unwrap();
    }
}

fn config(data_dir: PathBuf) -> Config {
    let mut overrides = Overrides::default();
    overrides.dev = Some(true);
    overrides.listen = Some("127.0.0.1:0".parse().unwrap());
    overrides.admin = Some("127.0.0.1:0".parse().unwrap());
    overrides.data = Some(data_dir);
    let sources = Sources {
        overrides,
        ..Sources::default()
    };
    Config::load(sources).unwrap()
}

/// The life of a server's process: serves until standard input ends, as it does with the process
/// that started this one. The first line of standard output says where, logs go to standard error.
///
/// # Errors
/// If the server does not start, or does not end well.
#[expect(
    clippy::print_stdout,
    reason = "it is how its starter learns the ports"
)]
pub fn serve(data_dir: PathBuf, change: impl FnOnce(&mut Options)) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    write_logs(&config(data_dir.clone()))?;
    runtime.block_on(async {
        let server = bind(data_dir).await?.with_options(change);
        let addresses = server.addresses();
        println!("{} {}", addresses.clients, addresses.admin);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        // A thread, as reading standard input would hold up the end of the runtime.
        std::thread::spawn(move || {
            std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).ok();
            drop(stop);
        });
        let stopped = async {
            stopped.await.ok();
        };
        Ok(server.run(stopped).await?)
    })
}
