//! Settings from variables of the environment.

use figment::providers::Serialized;
use figment::value::{Dict, Value};

/// Every setting's variable begins with this.
pub(super) const PREFIX: &str = "WELLSPRING_";

/// Variables with the prefix that are the command line's own and no settings.
const OF_THE_CLI: [&str; 3] = ["config", "server", "access_token"];

/// A layer of the variables that are settings. Unknown ones are kept, so that a misspelt one is
/// an error and not without effect.
pub(super) fn provider(environment: Vec<(String, String)>) -> Serialized<Dict> {
    let mut settings = Dict::new();
    for (name, text) in environment {
        let Some(name) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let name = name.to_lowercase();
        if !OF_THE_CLI.contains(&name.as_str()) {
            let Ok(value) = text.parse::<Value>();
            settings.insert(name, value);
        }
    }
    Serialized::defaults(settings)
}
