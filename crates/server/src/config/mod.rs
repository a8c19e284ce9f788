//! Settings: the one place that knows every name, unit and default, and the only reader of
//! `wellspring.toml` and of the environment. Later sources outrank earlier ones: defaults, file,
//! environment, flags.

mod check;
mod environment;
mod error;
mod settings;
mod table;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};

pub(crate) use check::check_address;
pub use error::ConfigError;
pub use settings::{CollectionRetention, Config, LogFormat, Overrides, SETTINGS, Setting};
pub use table::markdown_table;

/// The file that is read when none is named.
pub const FILE_DEFAULT: &str = "wellspring.toml";

/// Where settings come from, apart from their defaults.
#[derive(Debug, Default)]
pub struct Sources {
    /// A file that must exist; `None`: [`FILE_DEFAULT`], if there is one.
    pub file: Option<PathBuf>,
    /// Variables of the environment; those that do not begin with `WELLSPRING_` are ignored.
    pub environment: Vec<(OsString, OsString)>,
    /// Flags of the command line.
    pub overrides: Overrides,
}

impl Sources {
    /// This process's environment, with a file and flags.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, overrides: Overrides) -> Sources {
        Sources {
            file,
            environment: std::env::vars_os().collect(),
            overrides,
        }
    }
}

impl Config {
    /// The tables `[[retention]]` as the engine takes them. They were checked when they were read.
    pub(crate) fn collection_retention(&self) -> Vec<wellspring_engine::CollectionRetention> {
        let tables = self.retention.iter();
        tables.filter_map(|table| table.parse().ok()).collect()
    }

    /// Reads all sources and checks what they add up to.
    ///
    /// # Errors
    /// Naming the setting that is unknown, does not parse, or does not go with the others.
    pub fn load(sources: Sources) -> Result<Config, ConfigError> {
        let toml = match sources.file {
            Some(path) if !path.is_file() => return Err(ConfigError::NoFile { path }),
            Some(path) => Figment::from(Toml::file_exact(path)),
            None if Path::new(FILE_DEFAULT).is_file() => {
                Figment::from(Toml::file_exact(FILE_DEFAULT))
            }
            None => Figment::new(),
        };
        if toml.contains("auth") {
            return Err(ConfigError::AuthenticationNotSupported);
        }
        let figment = Figment::from(settings::defaults())
            .merge(toml)
            .merge(environment::provider(sources.environment)?)
            .merge(Serialized::defaults(sources.overrides));
        let config: Config = figment
            .extract()
            .map_err(|error| ConfigError::from_figment(&error))?;
        check::check(&config)?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
