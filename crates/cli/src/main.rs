//! The `wellspring` binary: the server, and commands for people and scripts.

mod arguments;
mod commands;
mod connection;
mod failure;
mod output;

use std::process::ExitCode;

use clap::FromArgMatches;
use listenfd::ListenFd;
use mimalloc::MiMalloc;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::output::tell;

/// Most of what a commit allocates is freed by another thread than its own, which the C library's
/// allocator does with locks and in long lists (see docs/decisions/0026).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let matches = arguments::command().get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    // Read while this is the only thread: it takes variables out of the environment.
    let sockets = ListenFd::from_env();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(arguments, sockets)),
        Err(source) => Err(Failure::Runtime { source }),
    };
    match outcome {
        // Whoever read our output has seen enough, as `head` does.
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            tell(format_args!("{}", failure.report()));
            ExitCode::from(failure.exit_status())
        }
        Ok(()) => ExitCode::SUCCESS,
    }
}
