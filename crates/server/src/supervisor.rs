//! What a supervisor is told, by the protocol of systemd's `sd_notify(3)`: that the server is ready,
//! how far an opening has come, that it stops, and that either takes its time.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;
use wellspring_engine::OpenProgress;

use crate::phase::{Phase, PhaseReader};

/// Between two signs of life while the database opens.
const INTERVAL: Duration = Duration::from_secs(5);
/// The time that each of them asks for. A rebuild may take long; a hang is not told from it here.
const EXTENSION: Duration = Duration::from_secs(60);

/// Tells the supervisor that `NOTIFY_SOCKET` names; nobody where it is not set.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Supervisor {
    is_told: bool,
}

impl Supervisor {
    /// The supervisor of this process.
    pub(crate) fn of_process() -> Supervisor {
        Supervisor { is_told: true }
    }

    /// Tells what becomes of the database, until it is open or will not be: also of a server that
    /// was told to stop meanwhile and must wait for that.
    pub(crate) async fn tell_opening(self, phase: PhaseReader) {
        if !self.is_told {
            return;
        }
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match phase.get() {
                Phase::Opening(progress) => {
                    let status = opening(progress);
                    self.tell(&[NotifyState::Status(&status), extend(EXTENSION)]);
                }
                Phase::Ready(_) => {
                    self.tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
                    return;
                }
                Phase::Closed => return,
            }
            tokio::select! {
                () = phase.opened() => {}
                _ = ticks.tick() => {}
            }
        }
    }

    /// The server stops and may take `patience` for it.
    pub(crate) fn tell_stopping(self, patience: Duration) {
        let status = "stopping: clients are asked to leave";
        let states = [
            NotifyState::Stopping,
            NotifyState::Status(status),
            extend(patience.saturating_add(EXTENSION)),
        ];
        self.tell(&states);
    }

    fn tell(self, states: &[NotifyState<'_>]) {
        if self.is_told
            && let Err(error) = sd_notify::notify(states)
        {
            debug!(%error, "the supervisor could not be told");
        }
    }
}

fn opening(progress: Option<OpenProgress>) -> String {
    match progress {
        Some(OpenProgress::Applying { applied, head }) => {
            format!("opening: the store has {applied} of {head} commits")
        }
        Some(OpenProgress::Loading { loaded, documents }) => {
            format!("opening: a new store has {loaded} of {documents} documents of the snapshot")
        }
        Some(OpenProgress::Recovering) => "opening: recovering the log".to_owned(),
        _ => "opening".to_owned(),
    }
}

fn extend(time: Duration) -> NotifyState<'static> {
    let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
    NotifyState::ExtendTimeoutUsec(micros)
}
