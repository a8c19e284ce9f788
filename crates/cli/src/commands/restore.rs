//! `wellspring restore`

use std::path::PathBuf;

use clap::Args;
use wellspring_engine::backup::{self, BackupOptions, RestorePoint};
use wellspring_types::{Sequence, Timestamp};

use super::transfer::Transfer;
use crate::failure::Failure;
use crate::output::{Output, tell};

/// Make a database from a backup, as it was at its end or before.
#[derive(Debug, Args)]
#[command(after_help = "\
Nobody can open the directory before everything in it is durable. A restore that was cut short is
simply done again. Clients that come back with tokens from before are sent a reset with the reason
epoch, or token_expired where they ask for that.")]
pub(crate) struct Restore {
    /// The directory of the backup.
    #[arg(long, value_name = "BACKUP")]
    from: PathBuf,
    /// The directory of the database: a new or an empty one.
    #[arg(long, value_name = "DIR", env = "WELLSPRING_DATA")]
    data: PathBuf,
    /// To this commit, which is the last one then.
    #[arg(long, value_name = "SEQUENCE", conflicts_with = "to_time")]
    to_sequence: Option<u64>,
    /// To the last commit at or before this time, such as 2026-11-24T09:00:00Z.
    #[arg(long, value_name = "TIME")]
    to_time: Option<Timestamp>,
    /// Print one JSON object on standard output, with `head` and `epoch`.
    #[arg(long)]
    json: bool,
}

impl Restore {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let point = match (self.to_sequence, self.to_time) {
            (Some(sequence), _) => RestorePoint::Sequence(Sequence(sequence)),
            (None, Some(time)) => RestorePoint::Time(time),
            (None, None) => RestorePoint::Newest,
        };
        let transfer = Transfer::new();
        let from = BackupOptions::new(&self.from);
        let mut bytes = 0;
        let restored = backup::restore(from, &self.data, point, &mut |progress| {
            bytes = progress.done;
            transfer.tell(progress.done, progress.total);
        })?;
        let copied = transfer.finish(bytes);
        let (head, epoch) = (restored.head, restored.epoch);
        if self.json {
            return Output::only_line(format_args!(r#"{{"head":{head},"epoch":"{epoch}"}}"#));
        }
        let data = self.data.display();
        tell(format_args!(
            "restored through commit {head} into {data}: {copied}; epoch {epoch}"
        ));
        Ok(())
    }
}
