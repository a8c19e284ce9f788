//! `wellspring demo`

mod guide;
mod sample;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use wellspring_client::{Client, ConnectError, Retry};
use wellspring_server::config::{Config, Overrides, Sources};
use wellspring_server::{RunError, Server};
use wellspring_types::write::CommitRequest;

use self::sample::Sample;
use super::signals;
use super::tail::Printer;
use crate::failure::Failure;

/// The port that is tried first, so that other commands find the demo without being told.
const PORT: u16 = 7654;
const CHANGE_EVERY: Duration = Duration::from_secs(1);
const WAIT_FOR_OPENING: Duration = Duration::from_millis(50);

/// See it work: a server with a sample that changes every second.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep the data in this directory; without it, a temporary one is used and removed.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// Listen on this address; without it, on port 7654, or a free one where that is taken.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// End after this many seconds.
    #[arg(long, value_name = "COUNT")]
    seconds: Option<u64>,
}

impl Demo {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let stop = signals::stop()?;
        let temporary =
            tempfile::tempdir().map_err(|source| Failure::TemporaryDirectory { source })?;
        let server = self.bind(temporary.path()).await?;
        let url = format!("http://{}", server.addresses().clients);
        let (stop_server, stopped) = oneshot::channel::<()>();
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run(async {
            // Stopping by message and by the sender's end are alike.
            stopped.await.ok();
        }));
        let shown = tokio::select! {
            shown = show(&url) => shown,
            () = stop => Ok(()),
            () = self.time_is_up() => Ok(()),
            Some(ended) = tasks.join_next() => {
                ended.map_err(RunError::from)??;
                Ok(())
            }
        };
        drop(stop_server);
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(RunError::from)??;
        }
        shown
    }

    async fn time_is_up(&self) {
        match self.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    }

    async fn bind(&self, temporary: &Path) -> Result<Server, Failure> {
        let data = self.data.clone().unwrap_or_else(|| temporary.join("data"));
        let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let wanted = config(temporary, data.clone(), self.listen.unwrap_or(usual))?;
        wellspring_server::write_logs(&wanted)?;
        match Server::bind(wanted).await {
            Err(RunError::Bind { source, .. })
                if self.listen.is_none() && source.kind() == io::ErrorKind::AddrInUse =>
            {
                let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                Ok(Server::bind(config(temporary, data, free)?).await?)
            }
            other => Ok(other?),
        }
    }
}

/// A dev server's configuration, whatever files and variables there are.
fn config(temporary: &Path, data: PathBuf, listen: SocketAddr) -> Result<Config, Failure> {
    let file = temporary.join("wellspring.toml");
    std::fs::write(&file, "").map_err(|source| Failure::Write {
        path: file.clone(),
        source,
    })?;
    let mut overrides = Overrides::default();
    overrides.dev = Some(true);
    overrides.data = Some(data);
    overrides.listen = Some(listen);
    overrides.admin = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    overrides.log_filter = Some("error".to_owned());
    let sources = Sources {
        file: Some(file),
        environment: Vec::new(),
        overrides,
    };
    Ok(Config::load(sources)?)
}

/// Fills the collection, and shows it change until it is dropped.
async fn show(url: &str) -> Result<(), Failure> {
    let client = connect(url).await?;
    let mut sample = Sample::new();
    client.commit(CommitRequest::of(sample.documents())).await?;
    let mut changes = client.changes(sample::collection()).subscribe().await?;
    let mut printer = Printer::readable();
    printer.say(guide::guide(url))?;
    let mut clock = tokio::time::interval(CHANGE_EVERY);
    loop {
        tokio::select! {
                   event = changes.next() => match event {
                       Some(event) => {
        printer.print(&event?)?;
        }
                       None => return Ok(()),
                   },
                   _ = clock.tick() => {
                       client.commit(CommitRequest::of(vec![sample.change()])).await?;
                   }
               }
    }
}

/// Connects once the server has opened its database.
async fn connect(url: &str) -> Result<Client, Failure> {
    loop {
        match Client::builder(url)
            .client_name("wellspring-demo")
            .connect()
            .await
        {
            Err(ConnectError::Refused(error)) if error.retry() == Retry::Backoff => {
                tokio::time::sleep(WAIT_FOR_OPENING).await;
            }
            Err(source) => {
                return Err(Failure::Connect {
                    server: url.to_owned(),
                    source,
                });
            }
            Ok(client) => return Ok(client),
        }
    }
}
