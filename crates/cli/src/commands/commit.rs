//! `wellspring commit`

use std::path::PathBuf;

use clap::Args;
use wellspring_protocol::json::{parse_commit, reply};

use super::input::read_all;
use crate::arguments::Target;
use crate::connection::connect;
use crate::failure::Failure;
use crate::output::Output;

/// Write several documents at once, or none.
#[derive(Debug, Args)]
#[command(after_help = "\
The file has what POST /v1/commit takes, such as
  {\"writes\":[{\"op\":\"set\",\"path\":\"rooms/1\",\"data\":{}},{\"op\":\"delete\",\"path\":\"rooms/2\"}]}")]
pub(crate) struct Commit {
    /// A file with the commit as JSON; `-`: standard input.
    file: PathBuf,
}

impl Commit {
    pub(crate) async fn run(self, target: &Target) -> Result<(), Failure> {
        let request = parse_commit(&read_all(&self.file)?).map_err(Failure::Commit)?;
        let client = connect(target).await?;
        let result = client.commit(request).await?;
        client.close().await;
        Output::only_line(reply::commit_body(&result))
    }
}
