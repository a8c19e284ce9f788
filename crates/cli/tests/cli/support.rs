//! The binary as people and scripts run it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use tempfile::TempDir;

/// The built program, with nothing of this process's own settings.
pub(crate) fn wellspring() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wellspring"));
    for name in [
        "WELLSPRING_SERVER",
        "WELLSPRING_ACCESS_TOKEN",
        "WELLSPRING_CONFIG",
    ] {
        command.env_remove(name);
    }
    command
}

/// What each server is started with.
const SERVE: [&str; 10] = [
    "serve",
    "--dev",
    "--listen",
    "127.0.0.1:0",
    "--admin",
    "127.0.0.1:0",
    "--reserve-bytes",
    "0",
    "--log-format",
    "json",
];
/// Lines of a server's log that are kept for who waits for one.
const LOG_LINES: usize = 1_000;

/// A running `wellspring serve --dev`.
pub(crate) struct Server {
    child: Child,
    log: Option<JoinHandle<()>>,
    log_lines: Receiver<String>,
    pub(crate) url: String,
    /// Address of the port for operators.
    pub(crate) admin: String,
    directory: TempDir,
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Server {
    /// Starts one on a free port, with an empty database, and waits until it is ready.
    pub(crate) fn start() -> Server {
        Server::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(directory: TempDir) -> Server {
        Server::start_as(wellspring(), directory)
    }

    /// Starts one with a program that runs `wellspring` with the arguments that follow its own.
    pub(crate) fn start_as(mut program: Command, directory: TempDir) -> Server {
        let mut child = program
            .current_dir(directory.path())
            .args(SERVE)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut addresses = None;
        for line in lines.by_ref() {
            let line = line.unwrap();
            let address = |name| Some(line.split_once(name)?.1.split('"').next()?.to_owned());
            if let Some(clients) = address(r#""clients":""#) {
                addresses = Some((clients, address(r#""admin":""#).unwrap()));
            }
            if line.contains(r#""message":"ready""#) {
                break;
            }
        }
        let (said, log_lines) = sync_channel(LOG_LINES);
        // The pipe is read to its end, so that the server never waits for us.
        let log = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                said.try_send(line).ok();
            }
        });
        let (clients, admin) = addresses.expect("the server says where it listens");
        Server {
            child,
            log: Some(log),
            log_lines,
            url: format!("http://{clients}"),
            admin,
            directory,
        }
    }

    /// Waits until the server has logged a line with this.
    pub(crate) fn wait_for_log(&self, part: &str) {
        let found = self.log_lines.iter().any(|line| line.contains(part));
        assert!(found, "the server ended without logging {part:?}");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end; its exit status, and its data.
    pub(crate) fn ended(mut self) -> (Option<i32>, TempDir) {
        let status = self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap();
        let other = tempfile::tempdir().unwrap();
        let directory = std::mem::replace(&mut self.directory, other);
        (status.code(), directory)
    }

    /// The directory of its database.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("wellspring-data")
    }

    /// Runs a command against this server.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> Said {
        self.run_with(&arguments, "")
    }

    /// Runs a command that reads this from standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &str) -> Said {
        said(self.spawn(arguments), stdin)
    }

    /// Begins a command.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        spawn(wellspring().args(["--server", &self.url]).args(arguments))
    }

    /// A file in the server's own directory.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Asks it to stop; its exit status, and a server that is started again on the same data.
    pub(crate) fn restart(self) -> (Option<i32>, Server) {
        self.signal("TERM");
        let (status, directory) = self.ended();
        (status, Server::start_in(directory))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Begins a command with all its streams as pipes.
pub(crate) fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Gives a command its input and waits for its end.
pub(crate) fn said(mut child: Child, stdin: &str) -> Said {
    let mut pipe = child.stdin.take().unwrap();
    // A command that does not read its input may end before it is written.
    pipe.write_all(stdin.as_bytes()).ok();
    drop(pipe);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().unwrap();
    Said {
        status: status.code().expect("ended by itself"),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// Sends a signal to a process of this test's own.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(child.id().to_string())
        .status();
    assert!(status.unwrap().success());
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
