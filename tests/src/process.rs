//! The server as a process.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
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

    /// Whether its database is open.
    pub async fn is_ready(&self) -> bool {
        let asking = async {
            let mut stream = TcpStream::connect(self.admin).await?;
            let request = b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";
            stream.write_all(request).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = asking.await.unwrap_or_default();
        answer.starts_with(b"HTTP/1.0 200") || answer.starts_with(b"HTTP/1.1 200")
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

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended, which is fine here: whoever needs it to be there has asked.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
