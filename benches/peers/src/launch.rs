//! A server's process: started on a core of its own with an empty directory, and ended.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::cores::{Core, pin_this_thread};
use crate::driver::Driver;
use crate::peers::Peer;
use crate::programs::Programs;

/// How long a server may take to serve.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long it may take to end before it is killed; its data is thrown away anyhow.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Where a server is to run.
#[derive(Debug)]
pub(crate) struct Place {
    /// Empty, on the disk that is measured.
    pub(crate) directory: PathBuf,
    /// For clients; free a moment ago.
    pub(crate) address: SocketAddr,
    /// For whatever else it listens for.
    pub(crate) second_address: SocketAddr,
}

/// How a server is started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// Commands that end before the server is started.
    pub(crate) before: Vec<Command>,
    pub(crate) server: Command,
    /// What it ends by.
    pub(crate) stop: Signal,
}

impl Launch {
    pub(crate) fn of(server: Command) -> Launch {
        Launch {
            before: Vec::new(),
            server,
            stop: Signal::TERM,
        }
    }
}

/// A server that runs. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stop: Signal,
    directory: PathBuf,
}

impl Running {
    /// Starts a peer below `parent`, and makes what the scenarios need in it.
    pub(crate) async fn start(
        peer: &Peer,
        programs: &Programs,
        parent: &Path,
        core: Core,
    ) -> Result<(Running, Box<dyn Driver>)> {
        let place = Place::below(parent, peer.name)?;
        let launch = (peer.launch)(programs, &place)?;
        let log = parent.join(format!("{}.log", peer.name));
        let mut running = Running::spawn(launch, place.directory, &log, core)?;
        let driver = (peer.driver)(place.address);
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let Err(error) = driver.prepare().await else {
                return Ok((running, driver));
            };
            if let Some(status) = running.child.try_wait()? {
                bail!("{} ended with {status}; see {}", peer.name, log.display());
            }
            let late = || format!("{} does not serve; see {}", peer.name, log.display());
            ensure!(Instant::now() < deadline, error.context(late()));
            sleep(POLL).await;
        }
    }

    /// On a thread that is pinned to the core, from which the process inherits it.
    fn spawn(launch: Launch, directory: PathBuf, log: &Path, core: Core) -> Result<Running> {
        let output = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let Launch {
            mut before,
            mut server,
            stop,
        } = launch;
        let start = move || -> Result<Child> {
            pin_this_thread(core)?;
            for command in &mut before {
                quiet(command, &output)?;
                let status = command
                    .status()
                    .with_context(|| format!("starting {command:?}"))?;
                ensure!(status.success(), "{command:?} ended with {status}");
            }
            quiet(&mut server, &output)?;
            server
                .spawn()
                .with_context(|| format!("starting {server:?}"))
        };
        let child = thread::scope(|scope| scope.spawn(start).join());
        let child = child.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Running {
            child,
            stop,
            directory,
        })
    }

    /// The process, and the head of all that it starts.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it and removes its data.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.context("a child has a process id")?, self.stop)?;
        let deadline = Instant::now() + STOP_DEADLINE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                self.child.kill()?;
                break;
            }
            sleep(POLL).await;
        }
        self.child.wait()?;
        fs::remove_dir_all(&self.directory).context("removing a server's data")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where the process has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn quiet(command: &mut Command, output: &File) -> Result<()> {
    command.stdin(Stdio::null());
    command
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?);
    Ok(())
}

impl Place {
    fn below(parent: &Path, name: &str) -> Result<Place> {
        let directory = parent.join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory).context("removing an earlier run's data")?;
        }
        fs::create_dir_all(&directory).context("making a directory for a server")?;
        // Both are held at once, so that they differ.
        let bind =
            || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port");
        let [first, second] = [bind()?, bind()?];
        Ok(Place {
            directory,
            address: first.local_addr()?,
            second_address: second.local_addr()?,
        })
    }
}
