//! The server's life: bind, open the database behind the port, serve, drain, close.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tracing::{error, info, warn};
use wellspring_engine::{CloseError, Database, OpenError, OpenProgress, Options};

use crate::config::{Config, ConfigError, check_address};
use crate::dispatch::{AdminPort, ClientPort};
use crate::listener::{Places, accept_all};
use crate::logs::Logs;
use crate::phase::{Phase, PhaseReader, PhaseWriter, phase};
use crate::shared::Shared;
use crate::supervisor::Supervisor;
use crate::tasks::Tasks;

/// Connections to the port for operators.
const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Progress of an opening is logged when it has come this much further, in commits.
const PROGRESS_COMMITS: u64 = 100_000;

/// Why a server did not run, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A socket that was passed on is at an address that the configuration does not allow.
    #[error("a socket was passed on: {0}")]
    Inherited(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("setting {setting}: cannot listen on {address}: {source}")]
    Bind {
        /// The setting that has the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The database did not open.
    #[error("the database cannot be opened: {0}")]
    Open(#[from] OpenError),
    /// Opening the database panicked.
    #[error("opening the database failed unexpectedly: {0}")]
    OpenPanicked(#[from] JoinError),
    /// The database was not closed cleanly. Everything acknowledged is durable all the same.
    #[error("the database was not closed cleanly: {0}")]
    Close(#[from] CloseError),
}

/// A server that has its ports and does not serve yet.
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
    clients: TcpListener,
    admin: TcpListener,
    addresses: Addresses,
    options: Options,
    logs: Option<Logs>,
    supervisor: Supervisor,
}

/// Listening sockets that somebody else has opened and keeps open: while the server restarts,
/// clients wait in them instead of being refused. What is absent is bound as configured.
#[derive(Debug, Default)]
pub struct Inherited {
    /// For clients.
    pub clients: Option<std::net::TcpListener>,
    /// For operators.
    pub admin: Option<std::net::TcpListener>,
}

/// Where a server listens; with port 0 in the configuration, the ports that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For clients.
    pub clients: SocketAddr,
    /// For operators.
    pub admin: SocketAddr,
}

/// Serves until `shutdown` ends, then drains and closes the database.
///
/// # Errors
/// If a port cannot be had, or the database cannot be opened or closed.
pub async fn run(
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    Server::bind(config).await?.run(shutdown).await
}

impl Server {
    /// Takes the ports that the configuration names.
    ///
    /// # Errors
    /// If one cannot be had.
    pub async fn bind(config: Config) -> Result<Server, RunError> {
        Server::bind_or_inherit(config, Inherited::default()).await
    }

    /// Takes the sockets that were passed on, and otherwise the ports that the configuration
    /// names.
    ///
    /// # Errors
    /// If a port cannot be had, or a socket is at an address that the configuration does not
    /// allow.
    pub async fn bind_or_inherit(config: Config, inherited: Inherited) -> Result<Server, RunError> {
        let (clients, admin) = (("listen", config.listen), ("admin", config.admin));
        let (clients, clients_at) = socket(&config, clients, inherited.clients).await?;
        let (admin, admin_at) = socket(&config, admin, inherited.admin).await?;
        let addresses = Addresses {
            clients: clients_at,
            admin: admin_at,
        };
        Ok(Server {
            options: options(&config),
            config: Arc::new(config),
            clients,
            admin,
            addresses,
            logs: None,
            supervisor: Supervisor::default(),
        })
    }

    /// Lets operators change what these logs have while the server runs.
    #[must_use]
    pub fn with_logs(mut self, logs: Logs) -> Server {
        self.logs = Some(logs);
        self
    }

    /// Tells the supervisor of this process, where there is one (`NOTIFY_SOCKET`), when the server
    /// is ready, how far it has come before, and when it stops.
    #[must_use]
    pub fn supervised(mut self) -> Server {
        self.supervisor = Supervisor::of_process();
        self
    }

    /// Changes how the database will be opened, beyond what the configuration says: for programs
    /// that embed a server, and for tests that want everything small.
    #[must_use]
    pub fn with_options(mut self, change: impl FnOnce(&mut Options)) -> Server {
        change(&mut self.options);
        self
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves until `shutdown` ends, then drains and closes the database.
    ///
    /// # Errors
    /// If the database cannot be opened or closed.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let Server {
            config,
            clients,
            admin,
            addresses,
            options,
            logs,
            supervisor,
        } = self;
        announce(&config, addresses);
        let tasks = Tasks::default();
        let (writer, reader) = phase();
        let shared = Shared::new(Arc::clone(&config), reader.clone(), tasks.clone());
        let admin_places = Places::new(ADMIN_CONNECTIONS_MAX, ADMIN_CONNECTIONS_MAX);
        let client_port = ClientPort::new(shared.clone());
        let admin_port = AdminPort::new(shared, logs);
        tasks.spawn(accept_all(
            clients,
            client_places(&config),
            Arc::clone(&config),
            client_port,
            tasks.clone(),
        ));
        tasks.spawn(accept_all(
            admin,
            admin_places,
            Arc::clone(&config),
            admin_port,
            tasks.clone(),
        ));
        // Beside the tasks: a drain waits for those, and this one for the end of the opening.
        let opening = supervisor.tell_opening(reader.clone());
        let life = Life {
            config,
            options,
            tasks,
            writer: Arc::new(writer),
            reader,
            supervisor,
        };
        let (ended, ()) = tokio::join!(life.live(shutdown), opening);
        ended
    }
}

/// What is needed from the opening of the database to its closing.
struct Life {
    config: Arc<Config>,
    options: Options,
    tasks: Tasks,
    writer: Arc<PhaseWriter>,
    reader: PhaseReader,
    supervisor: Supervisor,
}

impl Life {
    async fn live(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut opening = self.open();
        let opened = tokio::select! {
            opened = &mut opening => Some(opened),
            () = &mut shutdown => None,
        };
        let outcome = match opened {
            Some(opened) => {
                let opened = self.opened(opened);
                if opened.is_ok() {
                    shutdown.await;
                }
                self.drain().await;
                opened
            }
            None => {
                info!("stopping once the database is open, which cannot be interrupted");
                self.drain().await;
                self.opened(opening.await)
            }
        };
        let phase = self.reader.get();
        self.writer.set(Phase::Closed);
        outcome?;
        if let Phase::Ready(database) = phase {
            database.close().await?;
        }
        info!("stopped");
        Ok(())
    }

    fn open(&self) -> JoinHandle<Result<Database, OpenError>> {
        let (options, writer) = (self.options.clone(), Arc::clone(&self.writer));
        spawn_blocking(move || {
            let mut log = ProgressLog::default();
            Database::open(options, &mut |progress| {
                log.tell(&progress);
                writer.set(Phase::Opening(Some(progress)));
            })
        })
    }

    fn opened(
        &self,
        opened: Result<Result<Database, OpenError>, JoinError>,
    ) -> Result<(), RunError> {
        match opened
            .map_err(RunError::from)
            .and_then(|opened| opened.map_err(RunError::from))
        {
            Ok(database) => {
                let (seq, epoch) = (database.visible(), database.epoch());
                // Before it is said: whoever waits for that may ask at once.
                self.writer.set(Phase::Ready(database));
                info!(seq = seq.0, %epoch, "ready");
                Ok(())
            }
            Err(error) => {
                error!(%error, "the database was not opened");
                Err(error)
            }
        }
    }

    async fn drain(&self) {
        info!("stopping: clients are asked to leave");
        let patience = Duration::from_millis(self.config.drain_ms);
        self.supervisor.tell_stopping(patience);
        let dropped = self.tasks.drain(patience).await;
        if dropped > 0 {
            warn!(
                dropped,
                "some clients did not leave in time and were cut off"
            );
        }
    }
}

/// The socket for `setting`, and where it is.
async fn socket(
    config: &Config,
    (setting, address): (&'static str, SocketAddr),
    inherited: Option<std::net::TcpListener>,
) -> Result<(TcpListener, SocketAddr), RunError> {
    let failed = |source| RunError::Bind {
        setting,
        address,
        source,
    };
    let Some(inherited) = inherited else {
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        return Ok((listener, bound));
    };
    let bound = inherited.local_addr().map_err(failed)?;
    check_address(config, setting, bound)?;
    inherited.set_nonblocking(true).map_err(failed)?;
    let listener = TcpListener::from_std(inherited).map_err(failed)?;
    info!(setting, address = %bound, "took a socket that was passed on");
    Ok((listener, bound))
}

fn announce(config: &Config, addresses: Addresses) {
    let Addresses { clients, admin } = addresses;
    info!(%clients, %admin, data = %config.data.display(), "listening");
    if config.dev {
        warn!(
            "DEV MODE: everyone who reaches this port may read and write everything; \
             do not use it for data that matters"
        );
    }
    if config.insecure_plaintext {
        warn!("INSECURE PLAINTEXT: connections are not encrypted, and others may read along");
    }
}

fn client_places(config: &Config) -> Places {
    let total_max = usize::try_from(config.connections_max).unwrap_or(usize::MAX);
    let per_address = usize::try_from(config.connections_per_address_max).unwrap_or(usize::MAX);
    // In dev mode every client has the same address.
    Places::new(total_max, if config.dev { usize::MAX } else { per_address })
}

fn options(config: &Config) -> Options {
    let mut options = Options::new(&config.data);
    options.segment_bytes = config.segment_bytes;
    options.cache_bytes = config.cache_bytes;
    options.reserve_bytes = config.reserve_bytes;
    options.retention_age_ms_max = Some(config.retention_age_ms_max).filter(|&most| most > 0);
    options.retention_bytes_max = Some(config.retention_bytes_max).filter(|&most| most > 0);
    options.collection_retention = config.collection_retention();
    options.snapshot_log_bytes_min = config.snapshot_log_bytes_min;
    options.keeper_interval_ms = config.keeper_interval_ms;
    options.consumers_max = config.consumers_max;
    options.mutation_ids_max = config.mutation_ids_max;
    options.mutation_id_age_ms_max = config.mutation_id_age_ms_max;
    options
}

/// Logs how an opening comes along, not too often.
#[derive(Default)]
struct ProgressLog {
    told: u64,
}

impl ProgressLog {
    fn tell(&mut self, progress: &OpenProgress) {
        if let OpenProgress::Applying { applied, head } = progress
            && (self.told == 0 || applied.0 >= self.told + PROGRESS_COMMITS)
        {
            self.told = applied.0.max(1);
            info!(%applied, %head, "the store takes from the log what it lacks");
        }
    }
}
