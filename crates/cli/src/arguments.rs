//! The command line.

use clap::{Args, CommandFactory, Parser, Subcommand};
use wellspring_server::config::SETTINGS;

use crate::commands::{
    backup, collections, commit, completions, consumers, delete, demo, export, get, history,
    import, put, query, restore, serve, tail, verify,
};
use crate::failure::EXIT_STATUSES;

/// Options of each command, though of no use to `serve` and `demo`.
const CLIENTS: &str = "For commands that talk to a server";

/// Wellspring: a realtime change-feed database in one binary.
#[derive(Debug, Parser)]
#[command(name = "wellspring", version, after_help = EXIT_STATUSES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which server a command talks to, and as whom.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The server's URL.
    #[arg(
        long,
        value_name = "URL",
        env = "WELLSPRING_SERVER",
        default_value = "http://127.0.0.1:7654",
        global = true,
        help_heading = CLIENTS
    )]
    pub(crate) server: String,
    /// Credentials to present to it.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "WELLSPRING_ACCESS_TOKEN",
        hide_env_values = true,
        global = true,
        help_heading = CLIENTS
    )]
    pub(crate) access_token: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server.
    Serve(Box<serve::Serve>),
    /// See it work: a server with a sample that changes every second.
    Demo(demo::Demo),
    /// Write documents from a JSON array, NDJSON or CSV.
    Import(import::Import),
    /// Read a whole collection, or all of them, as of one moment.
    Export(export::Export),
    /// Read a document.
    Get(get::Get),
    /// Read the versions of a document, newest first.
    History(history::History),
    /// List the collections.
    Collections(collections::Collections),
    /// Create or replace a document.
    Put(put::Put),
    /// Remove a document.
    Delete(delete::Delete),
    /// Find documents.
    Query(query::Query),
    /// Write several documents at once, or none.
    Commit(commit::Commit),
    /// Watch collections change.
    Tail(tail::Tail),
    /// List the consumers: subscriptions with a name, whose position the server keeps.
    Consumers(consumers::Consumers),
    /// Delete a consumer, with its position.
    DeleteConsumer(consumers::DeleteConsumer),
    /// Copy a database, while it is served or at rest.
    Backup(backup::Backup),
    /// Make a database from a backup.
    Restore(restore::Restore),
    /// Check a data directory at rest, or a backup, every byte of it.
    Verify(verify::Verify),
    /// Print the version.
    Version,
    /// Print a completion script for a shell.
    Completions(completions::Completions),
}

/// The command line, with the defaults of settings in the help.
pub(crate) fn command() -> clap::Command {
    Arguments::command().mut_subcommand("serve", |serve| {
        SETTINGS.iter().fold(serve, |serve, setting| {
            let description = setting.description.trim().trim_end_matches('.');
            let help = format!("{description} [default: {}]", (setting.default)());
            serve.mut_arg(setting.name, |flag| flag.help(help))
        })
    })
}
