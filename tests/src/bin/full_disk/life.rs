//! A database on a small disk, through its fillings.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::sync::watch;
use tokio::task::{JoinSet, block_in_place};
use wellspring_testkit::random::Random;
use wellspring_tests::process::{ServerProcess, get};
use wellspring_tests::scene::Scene;
use wellspring_tests::writers::{COLLECTIONS, Writer};
use wellspring_tests::{Follower, PATIENCE, Transport};

use crate::Figures;
use crate::disk::{Disk, Free};
use crate::sites::{self, Sites};

const WRITERS: usize = 8;
const SUBSCRIBERS: usize = 16;
const TRANSPORTS: &[Transport] = &[
    Transport::WebSocket,
    Transport::Grpc,
    Transport::Sse,
    Transport::LongPoll,
];
const DOCUMENTS: u64 = 200;
/// Free space below which commits are refused, in the databases that have such a reserve. It is
/// more than the log makes ready, and groups take, between two looks at the free space.
const RESERVE_BYTES: u64 = 16 << 20;
/// Acknowledgements between two fillings, at most.
const ACKNOWLEDGEMENTS_MAX: u64 = 600;
/// How long a disk stays full that nothing is refused for.
const UNNOTICED_MAX: Duration = Duration::from_secs(3);
/// How long is waited before a server is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// Whether a part of the disk is to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reserve {
    /// The disk is never really full.
    Kept,
    /// It is.
    None,
}

/// A database, through its fillings.
pub(crate) struct Life {
    server: Option<ServerProcess>,
    // Unmounted after the server is gone, and before its directory is.
    disk: Disk,
    scene: Scene,
    random: Random,
    program: PathBuf,
    settings: Vec<String>,
    reserve: Reserve,
    at: watch::Sender<Option<SocketAddr>>,
    ready_at: watch::Sender<Option<SocketAddr>>,
    acknowledged: Arc<AtomicU64>,
    /// Subscriptions begun so far.
    subscriptions: usize,
}

impl Life {
    pub(crate) fn new(number: u64, program: &Path, reserve: Reserve) -> Result<Life> {
        let scene = Scene::default();
        let data_dir = scene.data_dir();
        let disk = Disk::mount(&data_dir, data_dir.with_extension("kept"))?;
        let mut random = Random::new(number);
        let (reserve_bytes, retention_bytes_max) = match reserve {
            // Nothing is dropped, so that the reserve is sure to be reached.
            Reserve::Kept => (RESERVE_BYTES, 0),
            Reserve::None => (0, random.below(2) * (16 << 20)),
        };
        let settings = [
            ("--data", data_dir.display().to_string()),
            ("--reserve-bytes", reserve_bytes.to_string()),
            (
                "--segment-bytes",
                (1_u64 << (20 + random.below(3))).to_string(),
            ),
            ("--snapshot-log-bytes-min", (1_u64 << 20).to_string()),
            ("--keeper-interval-ms", "20".to_owned()),
            ("--cache-bytes", (4_u64 << 20).to_string()),
            ("--retention-bytes-max", retention_bytes_max.to_string()),
        ];
        let settings = settings
            .map(|(name, value)| format!("{name}={value}"))
            .to_vec();
        Ok(Life {
            server: None,
            disk,
            scene,
            random,
            program: program.to_owned(),
            settings,
            reserve,
            at: watch::Sender::new(None),
            ready_at: watch::Sender::new(None),
            acknowledged: Arc::default(),
            subscriptions: SUBSCRIBERS.next_multiple_of(Scene::KINDS),
        })
    }

    /// Lives through so many fillings; where the disk was full.
    pub(crate) async fn live(&mut self, fillings: u64, figures: &mut Figures) -> Result<Sites> {
        let recorder = &self.scene.recorder;
        let mut following = JoinSet::new();
        for number in 0..SUBSCRIBERS {
            let seed = self.random.below(1 << 20);
            let follower = Follower::new(recorder.clone(), number, seed, TRANSPORTS);
            following.spawn(follower.follow(self.at.subscribe()));
        }
        let mut writing = JoinSet::new();
        for number in 0..WRITERS {
            let writer = Writer::new(recorder.clone(), &format!("w{number}"), DOCUMENTS);
            writing.spawn(writer.go_on(self.ready_at.subscribe(), Arc::clone(&self.acknowledged)));
        }
        ensure!(self.start().await, "it opens on an empty disk");
        for _ in 0..fillings {
            self.fill(figures).await?;
        }
        self.check_answers().await?;
        self.kill();
        (self.at, self.ready_at) = Default::default();
        while let Some(written) = writing.join_next().await {
            written?;
        }
        let mut followers = Vec::new();
        while let Some(follower) = following.join_next().await {
            followers.push(follower?);
        }
        ensure!(self.start().await, "it opens at the end");
        for follower in followers {
            follower.finish(self.server()?.clients).await;
        }
        self.kill();
        let hit = sites::count(&self.scene.logs())?;
        let summary = self.scene.judge_clean().await.summary;
        figures.acknowledged += summary.acknowledged;
        figures.refused += summary.refused;
        figures.unknown += summary.unknown;
        figures.changes += summary.changes;
        figures.sessions += summary.sessions;
        figures.reads += summary.reads;
        Ok(hit)
    }

    /// Fills the disk under everybody, looks at what is left, and makes room again.
    async fn fill(&mut self, figures: &mut Figures) -> Result<()> {
        let wanted = self.random.below(ACKNOWLEDGEMENTS_MAX);
        self.acknowledged(wanted).await?;
        let free = match self.reserve {
            Reserve::None => Free::any(&mut self.random),
            Reserve::Kept => {
                Free::Bytes(RESERVE_BYTES / 2 + self.random.below(RESERVE_BYTES / 2 + (1 << 20)))
            }
        };
        self.scene
            .recorder
            .fault("disk_full", Some(&format!("{free:?}")));
        self.disk.shrink(free)?;
        figures.fillings += 1;
        let reason = self.refuses().await?;
        self.read(figures).await?;
        if self.reserve == Reserve::Kept {
            ensure!(
                reason.as_deref() == Some("disk_full"),
                "{free:?}: {reason:?}"
            );
        }
        if self.random.below(3) == 0 {
            self.restart_while_full(figures).await?;
        }
        self.scene.recorder.fault("disk_free", None);
        self.disk.grow()?;
        if self.server.is_none() {
            ensure!(self.start().await, "it opens with space");
        }
        *figures
            .reasons
            .entry(reason.unwrap_or("none".into()))
            .or_default() += 1;
        self.recovers(figures).await
    }

    /// Takes commits again: by itself, if it lacked nothing but its reserve; else once it is started
    /// again, until when it says why.
    async fn recovers(&mut self, figures: &mut Figures) -> Result<()> {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + 20;
        let deadline = Instant::now() + PATIENCE;
        while self.acknowledged.load(Ordering::Relaxed) < wanted {
            let reason = self.health().await?;
            if reason
                .as_deref()
                .is_some_and(|reason| reason != "disk_full")
            {
                self.check_answers().await?;
                self.end();
                ensure!(self.start().await, "it opens");
                figures.mended_by_a_restart += 1;
            }
            ensure!(Instant::now() < deadline, "it takes no commits: {reason:?}");
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Ok(())
    }

    /// Starts the server on the full disk: it serves readers, or says why it does not.
    async fn restart_while_full(&mut self, figures: &mut Figures) -> Result<()> {
        self.check_answers().await?;
        self.end();
        if self.start().await {
            figures.opened_while_full += 1;
            self.read(figures).await
        } else {
            figures.not_opened_while_full += 1;
            ensure!(
                self.reserve == Reserve::None,
                "it opens: there is a reserve"
            );
            self.server = None;
            Ok(())
        }
    }

    /// Starts the server; false if it ends by itself.
    async fn start(&mut self) -> bool {
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        let logs = self.scene.logs();
        let mut server = ServerProcess::start_shipped(&self.program, &settings, &logs).await;
        self.at.send_replace(Some(server.clients));
        let opens = server.opens().await;
        if opens {
            self.ready_at.send_replace(Some(server.clients));
            self.server = Some(server);
        } else {
            self.at.send_replace(None);
        }
        opens
    }

    /// Ends the server by asking it to stop, or by a kill.
    fn end(&mut self) {
        if self.random.below(2) == 0 {
            return self.kill();
        }
        self.scene.recorder.fault("stop", None);
        if let Some(server) = self.server.take() {
            // It may say that it was not closed cleanly.
            let _status = block_in_place(|| server.stop());
        }
        self.gone();
    }

    fn kill(&mut self) {
        self.scene.recorder.fault("kill", None);
        if let Some(server) = self.server.take() {
            block_in_place(|| server.kill());
        }
        self.gone();
    }

    fn gone(&self) {
        self.at.send_replace(None);
        self.ready_at.send_replace(None);
    }

    fn server(&self) -> Result<&ServerProcess> {
        self.server.as_ref().context("the server runs")
    }

    /// Why it takes no commits, if so.
    async fn health(&self) -> Result<Option<String>> {
        let told = self.server()?.tells("/readyz").await;
        let told = told.context("it stays ready for reading")?;
        if told.contains(r#""writable":true"#) {
            return Ok(None);
        }
        let reason = told.split_once(r#""reason":""#);
        let (_, reason) = reason.with_context(|| told.clone())?;
        Ok(reason.split('"').next().map(str::to_owned))
    }

    /// Waits until it takes no commits and says why; `None` if it takes them all the same.
    async fn refuses(&self) -> Result<Option<String>> {
        let looking = async {
            loop {
                if let Some(reason) = self.health().await? {
                    return Ok::<_, anyhow::Error>(reason);
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let patience = match self.reserve {
            Reserve::Kept => PATIENCE,
            Reserve::None => UNNOTICED_MAX,
        };
        tokio::time::timeout(patience, looking)
            .await
            .ok()
            .transpose()
    }

    /// Reads every document, snapshots, and the log from its beginning. While there is a reserve, all
    /// of that is there. Once the store's disk was really full, what is stored may be `unavailable`
    /// until the server is started again; what the log has is there all the same.
    async fn read(&mut self, figures: &mut Figures) -> Result<()> {
        let server = self.server()?.clients;
        let mut unavailable = 0;
        for number in 0..DOCUMENTS {
            for collection in COLLECTIONS {
                let path = format!("/v1/documents/{collection}/{number}");
                match get(server, &path).await? {
                    (200 | 404, _) => figures.read += 1,
                    (503, told) if told.contains(r#""unavailable""#) => unavailable += 1,
                    other => bail!("{path}: {other:?}"),
                }
            }
        }
        figures.read_unavailable += unavailable;
        ensure!(
            unavailable == 0 || self.reserve == Reserve::None,
            "{unavailable}"
        );
        let requests = match unavailable {
            0 => [Scene::FROM_SNAPSHOT, Scene::FROM_BEGINNING].as_slice(),
            _ => [Scene::FROM_BEGINNING].as_slice(),
        };
        for kind in requests {
            // Another number, of the same kind of beginning.
            self.subscriptions += Scene::KINDS;
            let number = self.subscriptions + kind;
            let recorder = self.scene.recorder.clone();
            Follower::new(recorder, number, 0, TRANSPORTS)
                .finish(server)
                .await;
        }
        Ok(())
    }

    /// Nobody was told of a fault inside.
    async fn check_answers(&self) -> Result<()> {
        let told = self.server()?.tells("/metrics").await;
        let told = told.context("its metrics")?;
        let internal = told
            .lines()
            .find(|line| line.starts_with(r#"wellspring_errors_total{code="internal"}"#));
        match internal {
            Some(line) if !line.ends_with(" 0") => {
                bail!("{line}: see {}", self.scene.logs().display())
            }
            _ => Ok(()),
        }
    }

    /// Waits for this many further acknowledgements.
    async fn acknowledged(&self, count: u64) -> Result<()> {
        let wanted = self.acknowledged.load(Ordering::Relaxed) + count;
        let waiting = async {
            while self.acknowledged.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.context("commits are acknowledged again, once there is space")
    }
}
