//! Why a command failed, what to do about it, and the exit status that says so to scripts.

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;

use wellspring_client::{ChangesError, Code, ConnectError, RequestError, WireError};
use wellspring_engine::backup::BackupError;
use wellspring_engine::verify::VerifyError;
use wellspring_engine::{CloseError, OpenError, ReadError};
use wellspring_server::config::ConfigError;
use wellspring_server::{LogError, RunError};
use wellspring_types::{CollectionSetError, DocumentPath, JsonError, SelectError};

use crate::commands::import::ImportError;

/// The exit statuses, for `--help`.
pub(crate) const EXIT_STATUSES: &str = "\
Exit status:
  0  done
  1  failed
  2  wrong usage, or a configuration or request that cannot be
  3  no such document
  4  conflict: it exists already, or a precondition does not hold
  5  no server there, or it cannot answer now: try again
  6  credentials are missing or not allowed to";

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const NOT_FOUND: u8 = 3;
const CONFLICT: u8 = 4;
const UNAVAILABLE: u8 = 5;
const DENIED: u8 = 6;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{source}")]
    Connect {
        server: String,
        source: ConnectError,
    },
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Changes(#[from] ChangesError),
    #[error("there is no document {path}")]
    NotFound { path: DocumentPath },
    #[error("{what} is not a document's data: {source}")]
    Data {
        what: &'static str,
        source: JsonError,
    },
    #[error("not a commit: {}", .0.message)]
    Commit(WireError),
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot read standard input")]
    Stdin { source: io::Error },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Output { source: io::Error },
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error(transparent)]
    Collections(#[from] CollectionSetError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("{into}: import stopped after {written} documents")]
    ImportStopped {
        into: String,
        written: u64,
        source: RequestError,
    },
    #[error("export stopped after {written}: it is not whole, and no file was replaced")]
    ExportStopped {
        written: String,
        source: RequestError,
    },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Logs(#[from] LogError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error("there is no database in {}", data_dir.display())]
    NoDatabase { data_dir: PathBuf },
    #[error("the database cannot be opened: {0}")]
    Open(#[from] OpenError),
    #[error(transparent)]
    Reading(#[from] ReadError),
    #[error("the database was not closed cleanly: {0}")]
    Close(#[from] CloseError),
    #[error("{} is damaged", path.display())]
    Damaged { path: PathBuf },
    #[error("not all of {} could be checked", path.display())]
    Unchecked { path: PathBuf },
    #[error("cannot have a directory for a copy of the store")]
    Scratch { source: io::Error },
    #[error("cannot have a temporary directory")]
    TemporaryDirectory { source: io::Error },
    #[error("socket {place} of those that were passed on is not one that listens for TCP")]
    Socket { place: usize, source: io::Error },
    #[error("cannot watch for signals")]
    Signals { source: io::Error },
    #[error("cannot start the runtime")]
    Runtime { source: io::Error },
}

impl Failure {
    /// Whether the reader of our output has gone away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Output { source } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What scripts see.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Failure::NotFound { .. } => NOT_FOUND,
            Failure::Data { .. }
            | Failure::Commit(_)
            | Failure::Select(_)
            | Failure::Config(_)
            | Failure::Verify(_)
            | Failure::Unchecked { .. }
            | Failure::Scratch { .. }
            | Failure::Run(RunError::Inherited(_)) => USAGE,
            Failure::Connect { source, .. } => match source {
                ConnectError::Address { .. } | ConnectError::TlsUnsupported { .. } => USAGE,
                // No document was asked for: the port has no such path.
                ConnectError::Refused(error) if error.code == Code::NotFound => UNAVAILABLE,
                ConnectError::Refused(error) => of_code(error.code),
                _ => UNAVAILABLE,
            },
            Failure::Request(source)
            | Failure::ImportStopped { source, .. }
            | Failure::ExportStopped { source, .. } => match source {
                RequestError::TimedOut { .. } => UNAVAILABLE,
                source => source.code().map_or(FAILED, of_code),
            },
            Failure::Changes(source) => match source {
                ChangesError::TimedOut { .. } => UNAVAILABLE,
                source => source.code().map_or(FAILED, of_code),
            },
            _ => FAILED,
        }
    }

    /// What is printed: what happened, why, and what to do.
    pub(crate) fn report(&self) -> String {
        let mut report = format!("error: {self}");
        let mut shown = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            let text = error.to_string();
            // Some errors show their source in their own message.
            if !shown.contains(&text) && !is_wire(error) {
                write!(report, ": {text}").ok();
            }
            shown = text;
            source = error.source();
        }
        if let Some(hint) = self.hint() {
            write!(report, "\n{hint}").ok();
        }
        report
    }

    fn hint(&self) -> Option<String> {
        match self {
            Failure::Connect { server, source } => match source {
                ConnectError::Unreachable { .. } => Some(format!(
                    "Is a server running at {server}? Start one with `wellspring serve --dev`, \
                     or name another by --server or WELLSPRING_SERVER."
                )),
                ConnectError::Handshake { .. } => Some(format!(
                    "Something else listens at {server}: is the port right?"
                )),
                ConnectError::Refused(error) if error.code == Code::NotFound => Some(format!(
                    "This is not a port for clients: is {server} right?"
                )),
                ConnectError::Refused(error) => of_denied(error.code),
                _ => None,
            },
            Failure::Request(source) => source.code().and_then(of_denied),
            Failure::Changes(source) => match source.code()? {
                Code::TokenInvalid => Some(
                    "--from takes now, snapshot, beginning, a time like 2026-11-24T09:00:00Z, or a \
                     token of this database and collection."
                        .to_owned(),
                ),
                Code::TokenExpired => Some("Begin again with --from snapshot.".to_owned()),
                code => of_denied(code),
            },
            Failure::Verify(VerifyError::InUse { data_dir }) => Some(format!(
                "A server, or another program, has it open, and its files change. Stop it; or check \
                 a backup: `wellspring backup --data {0} --to BACKUP`, then `wellspring verify BACKUP`.",
                data_dir.display()
            )),
            Failure::Open(OpenError::InUse { .. }) => Some(
                "A server has it open: leave out --data, and name the server by --server.".to_owned(),
            ),
            Failure::ExportStopped { source, .. } => match source.code()? {
                Code::TokenExpired => Some(
                    "Changes since then are not kept any more. Export as of a later commit; where more \
                     is dropped than exports have time for, have the server keep more (retention_age_ms_max, \
                     retention_bytes_max), or export a copy: `wellspring backup`, `wellspring restore`, \
                     then --data."
                        .to_owned(),
                ),
                Code::LimitExceeded => Some(
                    "Too much has changed since then to be undone in time. Export as of a later commit, or \
                     export a copy: `wellspring backup`, `wellspring restore`, then --data."
                        .to_owned(),
                ),
                code => of_denied(code),
            },
            Failure::Scratch { .. } => {
                Some("Name one with --scratch, where there is as much space as the store takes.".to_owned())
            }
            Failure::ImportStopped { .. } => {
                Some("With --id or --all the same import can simply be run again.".to_owned())
            }
            _ => None,
        }
    }
}

fn of_denied(code: Code) -> Option<String> {
    (code == Code::Unauthenticated)
        .then(|| "Pass credentials by --access-token or WELLSPRING_ACCESS_TOKEN.".to_owned())
}

/// A refusal shows its message; code and message once more would say it twice.
fn is_wire(error: &(dyn Error + 'static)) -> bool {
    error.is::<WireError>()
}

fn of_code(code: Code) -> u8 {
    match code {
        Code::NotFound => NOT_FOUND,
        Code::AlreadyExists | Code::PreconditionFailed | Code::Conflict => CONFLICT,
        Code::Unauthenticated | Code::PermissionDenied => DENIED,
        Code::InvalidArgument
        | Code::TooDeep
        | Code::DuplicateKey
        | Code::MutationIdReused
        | Code::TokenInvalid
        | Code::TooLarge => USAGE,
        Code::RateLimited
        | Code::Overloaded
        | Code::Unavailable
        | Code::ReadOnly
        | Code::Slow
        | Code::DeadlineExceeded => UNAVAILABLE,
        _ => FAILED,
    }
}
