//! The commands, each in its own module.

pub(crate) mod backup;
pub(crate) mod collections;
pub(crate) mod commit;
pub(crate) mod completions;
pub(crate) mod consumers;
pub(crate) mod delete;
pub(crate) mod demo;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod put;
pub(crate) mod query;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod tail;
pub(crate) mod verify;
mod version;

mod export_all;
mod input;
mod pages;
mod signals;
mod sink;
mod transfer;

use listenfd::ListenFd;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

/// Runs the command that was asked for. `sockets` are those that a supervisor has passed on.
pub(crate) async fn run(arguments: Arguments, sockets: ListenFd) -> Result<(), Failure> {
    let target = arguments.target;
    match arguments.command {
        Command::Serve(command) => command.run(sockets).await,
        Command::Demo(command) => command.run().await,
        Command::Import(command) => command.run(&target).await,
        Command::Export(command) => command.run(&target).await,
        Command::Get(command) => command.run(&target).await,
        Command::History(command) => command.run(&target).await,
        Command::Collections(command) => command.run(&target).await,
        Command::Put(command) => command.run(&target).await,
        Command::Delete(command) => command.run(&target).await,
        Command::Query(command) => command.run(&target).await,
        Command::Commit(command) => command.run(&target).await,
        Command::Tail(command) => command.run(&target).await,
        Command::Consumers(command) => command.run(&target).await,
        Command::DeleteConsumer(command) => command.run(&target).await,
        Command::Backup(command) => command.run(),
        Command::Restore(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Version => version::run(),
        Command::Completions(command) => command.run(),
    }
}
