//! A `wellspring` process of our own: started, killed and started again on the same data.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take until `/readyz` answers 200.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How long it may take to end after SIGTERM: its own drain has a deadline of 10 s.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// A running server. Dropping it kills the process.
pub(crate) struct Server {
    binary: PathBuf,
    directory: PathBuf,
    address: SocketAddr,
    admin: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts a server on free ports with an empty data directory below `directory`.
    pub(crate) fn start(binary: &Path, directory: &Path) -> Result<Server> {
        if directory.exists() {
            fs::remove_dir_all(directory).context("removing an earlier run's data")?;
        }
        fs::create_dir_all(directory).context("making a data directory")?;
        let [address, admin] = free_addresses()?;
        let child = spawn(binary, directory, [address, admin])?;
        let (binary, directory) = (binary.to_path_buf(), directory.to_path_buf());
        let mut server = Server {
            binary,
            directory,
            address,
            admin,
            child,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file with all that the process wrote.
    pub(crate) fn output(&self) -> PathBuf {
        output_of(&self.directory)
    }

    /// Kills the process (SIGKILL) and starts it again on the same data and the same ports.
    pub(crate) fn kill_and_restart(&mut self) -> Result<()> {
        self.kill()?;
        self.child = spawn(&self.binary, &self.directory, [self.address, self.admin])?;
        self.wait_until_ready()
    }

    /// Asks the process to end (SIGTERM). `None`: it did not, and was killed.
    pub(crate) fn stop(&mut self) -> Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server had ended by itself with {status}");
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a child has a process id")?, Signal::TERM)?;
        let deadline = Instant::now() + STOP_DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            pause();
        }
        self.kill()?;
        Ok(None)
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing the server")?;
        self.child.wait().context("waiting for the killed server")?;
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "the server ended with {status}; see {}",
                    self.output().display()
                );
            }
            if is_ready(self.address).unwrap_or(false) {
                return Ok(());
            }
            pause();
        }
        bail!(
            "/readyz was not 200 within {START_DEADLINE:?}; see {}",
            self.output().display()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn spawn(binary: &Path, directory: &Path, [address, admin]: [SocketAddr; 2]) -> Result<Child> {
    let output = File::options()
        .create(true)
        .append(true)
        .open(output_of(directory))?;
    Command::new(binary)
        .args(["serve", "--dev", "--data"])
        .arg(directory.join("data"))
        .args([
            "--listen",
            &address.to_string(),
            "--admin",
            &admin.to_string(),
        ])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("starting {}", binary.display()))
}

fn output_of(directory: &Path) -> PathBuf {
    directory.join("server-output.txt")
}

/// Two ports that were free a moment ago; both were held at once, so that they differ.
fn free_addresses() -> Result<[SocketAddr; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port");
    let listeners = [bind()?, bind()?];
    Ok([listeners[0].local_addr()?, listeners[1].local_addr()?])
}

fn is_ready(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(
        stream,
        "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    Ok(status == *b"HTTP/1.1 200")
}

#[expect(
    clippy::disallowed_methods,
    reason = "another process gives no event to wait on; each loop has a deadline"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
