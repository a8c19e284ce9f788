//! Settings from variables of the environment.

use std::ffi::OsString;

use figment::providers::Serialized;
use figment::value::{Dict, Value};

use super::ConfigError;

/// Every setting's variable begins with this.
pub(super) const PREFIX: &str = "WELLSPRING_";

/// Variables with the prefix that are the command line's own and no settings.
const OF_THE_CLI: [&str; 3] = ["config", "server", "access_token"];

/// A list of tables, which no variable can hold.
const RETENTION: &str = "retention";

/// A layer of the variables that are settings. Unknown ones are kept, so that a misspelt one is
/// an error and not without effect.
pub(super) fn provider(
    environment: Vec<(OsString, OsString)>,
) -> Result<Serialized<Dict>, ConfigError> {
    let mut settings = Dict::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else {
            continue;
        };
        let name = name.to_lowercase();
        if OF_THE_CLI.contains(&name.as_str()) {
            continue;
        }
        if name == RETENTION {
            return Err(ConfigError::OnlyInTheFile { setting: RETENTION });
        }
        let Some(text) = value.to_str() else {
            let source_name = "environment".to_owned();
            let reason = "its value is not Unicode".to_owned();
            return Err(ConfigError::Invalid {
                setting: name,
                source_name,
                reason,
            });
        };
        let Ok(value) = text.parse::<Value>();
        settings.insert(name, value);
    }
    Ok(Serialized::defaults(settings))
}
