//! `wellspring serve`

use std::path::PathBuf;

use clap::Args;
use wellspring_server::Server;
use wellspring_server::config::{Config, Overrides, Sources};

use super::signals;
use crate::failure::Failure;

/// Run a server.
#[derive(Debug, Args)]
#[command(after_help = "\
Settings are read from wellspring.toml (or --config FILE), from variables such as
WELLSPRING_LISTEN, and from these flags; later ones outrank earlier ones.
SIGINT or SIGTERM lets clients finish, and closes the database.")]
pub(crate) struct Serve {
    /// A file of settings; without it, wellspring.toml where there is one.
    #[arg(long, value_name = "FILE", env = "WELLSPRING_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let stop = signals::stop()?;
        let config = Config::load(Sources::of_process(self.config, self.overrides))?;
        let logs = wellspring_server::write_logs(&config)?;
        let server = Server::bind(config).await?;
        Ok(server.with_logs(logs).run(stop).await?)
    }
}
