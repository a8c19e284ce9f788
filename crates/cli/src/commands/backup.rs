//! `wellspring backup`

use std::path::PathBuf;

use clap::Args;
use wellspring_engine::backup::{self, BackupOptions};

use super::transfer::Transfer;
use crate::failure::Failure;
use crate::output::{Output, tell};

/// Copy a database, while it is served or at rest, into a directory that grows.
#[derive(Debug, Args)]
#[command(after_help = "\
Copies what the backup does not hold yet, each byte checked, and leaves the database alone.
What was acknowledged before it began is in it. A run that fails, or is killed, leaves the
backup as it was, and the next one goes on. Whoever reads the backup reads the database, and
can make its tokens: only its owner may.")]
pub(crate) struct Backup {
    /// The directory of the database.
    #[arg(long, value_name = "DIR", env = "WELLSPRING_DATA")]
    data: PathBuf,
    /// The directory of the backup; made when it is missing.
    #[arg(long, value_name = "BACKUP")]
    to: PathBuf,
    /// Print one JSON object on standard output, with `head` and `copied_bytes`.
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let transfer = Transfer::new();
        let to = BackupOptions::new(&self.to);
        let taken = backup::take(&self.data, to, backup::now(), &mut |progress| {
            transfer.tell(progress.done, progress.total);
        })?;
        let copied = transfer.finish(taken.copied);
        let (head, to) = (taken.head, self.to.display());
        if self.json {
            let copied = taken.copied;
            return Output::only_line(format_args!(r#"{{"head":{head},"copied_bytes":{copied}}}"#));
        }
        tell(format_args!(
            "backed up through commit {head} into {to}: copied {copied}"
        ));
        Ok(())
    }
}
