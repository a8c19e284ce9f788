//! The settings as the documentation shows them.

use std::fmt::Write;

use super::SETTINGS;

/// A Markdown table of all settings, with a line break after each row.
#[must_use]
pub fn markdown_table() -> String {
    let mut table = String::from(
        "| `wellspring.toml` | variable | flag | value | default | |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for setting in SETTINGS {
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| `{}` | `{}` | `{}` | {} | `{}` | {} |",
            setting.name,
            setting.variable(),
            setting.flag(),
            setting.value.replace('|', " or ").to_lowercase(),
            (setting.default)(),
            setting.description.trim(),
        );
    }
    table
}
