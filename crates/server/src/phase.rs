//! Where the database is in its life: it opens behind a port that answers already.

use tokio::sync::watch;
use wellspring_engine::{Database, OpenProgress};
use wellspring_protocol::error::{Code, WireError};

/// How long clients are asked to wait for a database that opens, in milliseconds.
const OPENING_AFTER_MS: u64 = 1000;

/// Where the database is in its life.
#[derive(Clone)]
pub(crate) enum Phase {
    /// Not yet there.
    Opening(Option<OpenProgress>),
    /// Ready for requests.
    Ready(Database),
    /// Not there any more.
    Closed,
}

/// The phase as it is now. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PhaseReader(watch::Receiver<Phase>);

/// Who sets the phase.
pub(crate) struct PhaseWriter(watch::Sender<Phase>);

pub(crate) fn phase() -> (PhaseWriter, PhaseReader) {
    let (sender, receiver) = watch::channel(Phase::Opening(None));
    (PhaseWriter(sender), PhaseReader(receiver))
}

impl PhaseWriter {
    pub(crate) fn set(&self, phase: Phase) {
        self.0.send_replace(phase);
    }
}

impl PhaseReader {
    pub(crate) fn get(&self) -> Phase {
        self.0.borrow().clone()
    }

    /// The database, for one request.
    ///
    /// # Errors
    /// [`Code::Unavailable`] while it opens and after it was closed.
    pub(crate) fn database(&self) -> Result<Database, WireError> {
        match &*self.0.borrow() {
            Phase::Ready(database) => Ok(database.clone()),
            Phase::Opening(_) => {
                let error = WireError::new(Code::Unavailable, "the database is being opened");
                Err(error.after_ms(OPENING_AFTER_MS))
            }
            Phase::Closed => Err(WireError::new(
                Code::Unavailable,
                "the server is shutting down",
            )),
        }
    }

    /// Waits until the database was opened, or will not be.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn opened(&self) {
        let mut phase = self.0.clone();
        // Without a writer the server is gone.
        let _ = phase
            .wait_for(|phase| !matches!(phase, Phase::Opening(_)))
            .await;
    }
}
