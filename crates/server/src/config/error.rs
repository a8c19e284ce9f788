//! Why a configuration is refused.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::environment::PREFIX;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file that was named is missing.
    #[error("there is no configuration file {}", path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
    },
    /// A key that is no setting.
    #[error("there is no setting {name:?} (from {source_name})")]
    Unknown {
        /// The key.
        name: String,
        /// Where it was read.
        source_name: String,
    },
    /// A setting that does not parse.
    #[error("setting {setting} (from {source_name}): {reason}")]
    Invalid {
        /// The setting.
        setting: String,
        /// Where it was read.
        source_name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that is not TOML, or cannot be read.
    #[error("{source_name}: {reason}")]
    Unreadable {
        /// The file.
        source_name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A number outside its range.
    #[error("setting {setting}: {value} is not from {least} to {most}")]
    OutOfRange {
        /// The setting.
        setting: &'static str,
        /// What it was set to.
        value: u64,
        /// The smallest that is allowed.
        least: u64,
        /// The largest that is allowed.
        most: u64,
    },
    /// Two settings that do not go together.
    #[error("setting {setting} must be less than {other}")]
    NotLess {
        /// The setting that is too large.
        setting: &'static str,
        /// The setting it is compared with.
        other: &'static str,
    },
    /// Something that is not an origin, or `*`.
    #[error("setting allowed_origins: {origin:?} is not an origin like https://app.example")]
    NotAnOrigin {
        /// What was set.
        origin: String,
    },
    /// A table `[[retention]]` that makes no sense.
    #[error("[[retention]] of {collection:?}: {reason}")]
    Retention {
        /// Its collection.
        collection: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More tables than are looked through for each collection.
    #[error("there are at most {most} tables [[retention]]")]
    TooManyTables {
        /// How many there may be.
        most: usize,
    },
    /// A setting that only the file can have.
    #[error("{setting} is a list of tables: write [[{setting}]] in wellspring.toml")]
    OnlyInTheFile {
        /// The setting.
        setting: &'static str,
    },
    /// A log filter that does not parse.
    #[error("setting log_filter: {reason}")]
    LogFilter {
        /// What is wrong with it.
        reason: String,
    },
    /// Neither dev mode nor authentication.
    #[error(
        "refusing to serve without authentication, which this version does not have yet: pass \
         --dev to serve anyone who reaches this machine's port (for development only)"
    )]
    NoAuthentication,
    /// A section that a later version will read.
    #[error("this version cannot authenticate yet: remove the [auth] section and pass --dev")]
    AuthenticationNotSupported,
    /// An address that others can reach.
    #[error(
        "setting {setting}: {address} can be reached from other machines and connections are not \
         encrypted; use a loopback address, or pass --insecure-plaintext"
    )]
    NotLoopback {
        /// The setting.
        setting: &'static str,
        /// What it was set to.
        address: SocketAddr,
    },
}

impl ConfigError {
    pub(super) fn from_figment(error: &figment::Error) -> ConfigError {
        // Of several errors the first is told; the next run tells the next.
        let source_name = match &error.metadata {
            Some(metadata) => match &metadata.source {
                Some(figment::Source::File(path)) => path.display().to_string(),
                _ => "flags or environment".to_owned(),
            },
            None => "configuration".to_owned(),
        };
        match (&error.kind, error.path.last()) {
            (figment::error::Kind::UnknownField(name, _), _) => ConfigError::Unknown {
                name: name.clone(),
                source_name,
            },
            (kind, Some(setting)) => {
                let reason = format!("{kind} (variable {PREFIX}{})", setting.to_uppercase());
                ConfigError::Invalid {
                    setting: setting.clone(),
                    source_name,
                    reason,
                }
            }
            (kind, None) => ConfigError::Unreadable {
                source_name,
                reason: kind.to_string(),
            },
        }
    }
}
