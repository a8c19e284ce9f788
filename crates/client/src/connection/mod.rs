//! One connection to a server, made again whenever it is lost, and shared by all requests and
//! streams of a client.
//!
//! [`Link`] is the handle; [`driver`] the task that owns the connection; [`routes`] the table of
//! who waits for what; [`queue`] what waits for a stream; [`socket`] the WebSocket.

mod driver;
pub(crate) mod queue;
pub(crate) mod routes;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use wellspring_protocol::error::{Code, Retry, WireError};
use wellspring_types::MutationId;
use wellspring_types::limits::REQUEST_BYTES_MAX;

use self::driver::{Command, Driver};
use self::queue::Queue;
use self::routes::{Ending, Id, Outcome, Routes};
use crate::address::Address;
use crate::backoff::Backoff;
use crate::builder::Options;
use crate::error::{ConnectError, RequestError};
use crate::wire::Answer;

/// Commands that wait to be sent.
const COMMANDS_MAX: usize = 64;

/// Requests that wait for their answers; further ones wait for a place.
const REQUESTS_MAX: usize = 256;

/// The handle of a connection. The connection ends with its last handle.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) options: Arc<Options>,
    pub(crate) routes: Arc<Routes>,
    commands: mpsc::Sender<Command>,
    requests: Semaphore,
    ids: AtomicU64,
    closed: CancellationToken,
    tasks: TaskTracker,
    _close_with_the_last_handle: DropGuard,
}

/// A request that is sent again until it is answered.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: Id,
    pub(crate) text: String,
    /// A commit's.
    pub(crate) mutation_id: Option<MutationId>,
}

/// Makes a first connection.
pub(crate) async fn connect(address: Address, options: Options) -> Result<Arc<Link>, ConnectError> {
    let options = Arc::new(options);
    let socket = socket::open(&address, &options).await?;
    let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
    let routes = Arc::new(Routes::default());
    let closed = CancellationToken::new();
    let tasks = TaskTracker::new();
    let driver = Driver {
        address,
        options: Arc::clone(&options),
        commands: receiver,
        routes: Arc::clone(&routes),
        closed: closed.clone(),
    };
    tasks.spawn(driver.run(socket));
    tasks.close();
    Ok(Arc::new(Link {
        options,
        routes,
        commands,
        requests: Semaphore::new(REQUESTS_MAX),
        ids: AtomicU64::new(1),
        _close_with_the_last_handle: closed.clone().drop_guard(),
        closed,
        tasks,
    }))
}

impl Link {
    /// A name for a request or subscription.
    pub(crate) fn next_id(&self) -> Id {
        Id(self.ids.fetch_add(1, Ordering::Relaxed))
    }

    /// Closes the connection and waits for its task.
    pub(crate) async fn close(&self) {
        self.closed.cancel();
        self.tasks.wait().await;
    }

    /// Sends a request, again after each lost connection and each refusal that says that it is
    /// worth it, until it is answered or its time is over.
    pub(crate) async fn request(&self, request: Request) -> Result<Answer, RequestError> {
        let (bytes, bytes_max) = (request.text.len(), REQUEST_BYTES_MAX);
        if bytes > bytes_max {
            return Err(RequestError::TooLarge { bytes, bytes_max });
        }
        let after = self.options.request_timeout;
        let mut refusal = None;
        let attempts = self.attempts(&request, &mut refusal);
        match tokio::time::timeout(after, attempts).await {
            Ok(result) => result,
            // What the server said last tells more than that time is over.
            Err(_elapsed) => Err(match refusal {
                Some(error) => RequestError::Refused(error),
                None => RequestError::TimedOut {
                    after,
                    mutation_id: request.mutation_id,
                },
            }),
        }
    }

    async fn attempts(
        &self,
        request: &Request,
        refusal: &mut Option<WireError>,
    ) -> Result<Answer, RequestError> {
        let _place = self
            .requests
            .acquire()
            .await
            .map_err(|_closed| RequestError::Closed)?;
        let mut backoff = Backoff::new(self.options.backoff);
        loop {
            match self.attempt(request).await {
                Outcome::Answered(answer) => return Ok(answer),
                Outcome::Closed => return Err(RequestError::Closed),
                Outcome::Refused(error) if !is_passing(&error) => {
                    return Err(RequestError::Refused(error));
                }
                Outcome::Refused(error) => {
                    let asked = error.after_ms.map(std::time::Duration::from_millis);
                    *refusal = Some(error);
                    tokio::time::sleep(backoff.next(asked)).await;
                }
                // The outcome is unknown. The next attempt waits for the next connection.
                Outcome::Lost => *refusal = None,
            }
        }
    }

    async fn attempt(&self, request: &Request) -> Outcome {
        let Ok(place) = self.commands.reserve().await else {
            // The task has ended, and says why to whoever asks from here on.
            return match self.routes.expect_answer(request.id) {
                Err(ending) => ending.outcome(),
                Ok(_never) => Outcome::Closed,
            };
        };
        let answer = match self.routes.expect_answer(request.id) {
            Ok(answer) => answer,
            Err(ending) => return ending.outcome(),
        };
        let _forget = Forget {
            routes: &self.routes,
            id: request.id,
        };
        place.send(Command {
            id: request.id,
            text: request.text.clone(),
        });
        answer.await.unwrap_or(Outcome::Closed)
    }

    /// Begins a subscription that `queue` receives.
    ///
    /// # Cancel safety
    /// Either nothing happened, or the subscription has begun.
    pub(crate) async fn subscribe(
        &self,
        id: Id,
        text: String,
        queue: &Arc<Queue>,
    ) -> Result<(), Ending> {
        let place = self.commands.reserve().await;
        self.routes.expect_feed(id, Arc::clone(queue))?;
        match place {
            Ok(place) => {
                place.send(Command { id, text });
                Ok(())
            }
            Err(_task_has_ended) => Err(Ending::Closed),
        }
    }
}

/// Whether a refusal is worth another attempt by itself. `conflict` is not: the caller has to read
/// again first. Nor is `read_only`, which lasts.
fn is_passing(error: &WireError) -> bool {
    error.code.retry() == Retry::Backoff && error.code != Code::ReadOnly
}

/// Takes a request out of the table when nobody waits for its answer any more.
struct Forget<'a> {
    routes: &'a Routes,
    id: Id,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.routes.forget_request(self.id);
    }
}
