//! The server as a process.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::PATIENCE;

/// How long is waited between two looks at something that says nothing by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A server's process. It is killed when this is dropped.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// The port for clients.
    pub clients: SocketAddr,
    /// The port for operators.
    pub admin: SocketAddr,
    started: Instant,
}

impl ServerProcess {
    /// Starts `program`, which is one that [`crate::server::serve`]s, and waits until it has its
    /// ports; not for its database. Its logs are added to the file `logs`.
    #[must_use]
    pub fn start(program: &Path, arguments: &[&str], logs: &Path) -> ServerProcess {
        let started = Instant::now();
        let logs = File::options().append(true).create(true).open(logs);
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(logs.unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let (clients, admin) = line.trim_end().split_once(' ').expect("its addresses");
        ServerProcess {
            child,
            clients: clients.parse().unwrap(),
            admin: admin.parse().unwrap(),
            started,
        }
    }

    /// Starts `wellspring serve`, the program as it is shipped, for anyone on free ports, and waits
    /// until it has them. Its logs, an object a line, are added to the file `logs`.
    pub async fn start_shipped(program: &Path, settings: &[&str], logs: &Path) -> ServerProcess {
        let started = Instant::now();
        let written = File::options().append(true).create(true).open(logs);
        let mut written = written.unwrap();
        let before = written.seek(SeekFrom::End(0)).unwrap();
        let child = Command::new(program)
            .args(["serve", "--dev", "--log-format", "json"])
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(written)
            .spawn();
        let child = child.unwrap();
        let (clients, admin) = loop {
            if let Some(addresses) = listening(logs, before) {
                break addresses;
            }
            assert!(started.elapsed() < PATIENCE, "it does not listen");
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        ServerProcess {
            child,
            clients,
            admin,
            started,
        }
    }

    /// Waits until its database is open, and says how long that took from its start.
    pub async fn ready(&mut self) -> Duration {
        loop {
            if self.is_ready().await {
                return self.started.elapsed();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended by itself: {ended:?}");
            let waited = self.started.elapsed();
            assert!(waited < PATIENCE, "not ready after {waited:?}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until its database is open: true; or until it ends by itself: false.
    pub async fn opens(&mut self) -> bool {
        while self.child.try_wait().unwrap().is_none() {
            if self.is_ready().await {
                return true;
            }
            let waited = self.started.elapsed();
            assert!(waited < PATIENCE, "not ready after {waited:?}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        false
    }

    /// Whether its database is open.
    pub async fn is_ready(&self) -> bool {
        self.tells("/readyz").await.is_some()
    }

    /// What it tells operators at a path, if it does.
    pub async fn tells(&self, path: &str) -> Option<String> {
        let (status, body) = get(self.admin, path).await.ok()?;
        (status == 200).then_some(body)
    }

    /// Asks it to stop, as a supervisor does, and waits until it has.
    #[must_use]
    pub fn stop(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status();
        assert!(told.unwrap().success());
        self.child.wait().unwrap()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The status and the body of the answer at a path.
///
/// # Errors
/// If there is none.
pub async fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(cut)?, body.to_owned()))
}

/// The addresses that a server has logged behind so many bytes, for clients and for operators.
fn listening(logs: &Path, before: u64) -> Option<(SocketAddr, SocketAddr)> {
    let mut file = File::open(logs).ok()?;
    file.seek(SeekFrom::Start(before)).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let address = |name: &str| {
        let (_, rest) = text.split_once(&format!(r#""{name}":""#))?;
        rest.split_once('"')?.0.parse().ok()
    };
    // Whole lines alone.
    text.contains('\n').then_some(())?;
    Some((address("clients")?, address("admin")?))
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended, which is fine here: whoever needs it to be there has asked.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
