//! `wellspring serve`

use std::path::PathBuf;

use clap::Args;
use listenfd::ListenFd;
use wellspring_server::config::{Config, Overrides, Sources};
use wellspring_server::{Inherited, Server};

use super::signals;
use crate::failure::Failure;
use crate::output::tell;

/// Exit status of a process that a signal has ended before it was done, as shells tell it.
const ENDED_BY_SIGNAL: i32 = 130;

/// Run a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Settings are read from wellspring.toml (or --config FILE), from variables such as
WELLSPRING_LISTEN, and from these flags; later ones outrank earlier ones.
SIGINT or SIGTERM lets clients finish, and closes the database; a second one ends the server at
once, which loses nothing that was acknowledged.
Under systemd it says when it is ready, and takes sockets that are passed on: first the one for
clients, then the one for operators.")]
pub(crate) struct Serve {
    /// A file of settings; without it, wellspring.toml where there is one.
    #[arg(long, value_name = "FILE", env = "WELLSPRING_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

impl Serve {
    pub(crate) async fn run(self, sockets: ListenFd) -> Result<(), Failure> {
        let (stop, stop_at_once) = (signals::stop()?, signals::stop_at_once()?);
        let config = Config::load(Sources::of_process(self.config, self.overrides))?;
        let logs = wellspring_server::write_logs(&config)?;
        let server = Server::bind_or_inherit(config, inherited(sockets)?).await?;
        let server = server.with_logs(logs).supervised();
        tokio::select! {
            ended = server.run(stop) => Ok(ended?),
            () = stop_at_once => {
                tell("asked again: ends at once, and the next opening has more to do");
                // Not through the runtime, which would wait for a database that is being opened.
                std::process::exit(ENDED_BY_SIGNAL);
            }
        }
    }
}

/// The sockets that were passed on, in the order that the help tells.
fn inherited(mut sockets: ListenFd) -> Result<Inherited, Failure> {
    let mut take = |place| {
        let taken = sockets.take_tcp_listener(place);
        taken.map_err(|source| Failure::Socket { place, source })
    };
    Ok(Inherited {
        clients: take(0)?,
        admin: take(1)?,
    })
}
