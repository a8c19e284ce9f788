//! The accept loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::{debug, warn};

use super::places::Places;
use super::serve::{Accepted, Handler, serve};
use crate::config::Config;
use crate::tasks::Tasks;

/// Pause after a failed accept: out of file descriptors, it would fail again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections and serves each in a task of its own, until the server drains.
pub(crate) async fn accept_all<H: Handler>(
    listener: TcpListener,
    places: Places,
    config: Arc<Config>,
    handler: H,
    tasks: Tasks,
) {
    let draining = tasks.draining();
    loop {
        let accepted = tokio::select! {
            () = draining.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(place) = places.take(peer.ip()) else {
            handler.turned_away();
            debug!(%peer, "too many connections: closed one");
            continue;
        };
        // Feeds are small messages that somebody waits for; failing to say so does no harm.
        let _ = stream.set_nodelay(true);
        let (config, handler, task) = (Arc::clone(&config), handler.clone(), tasks.clone());
        tasks.spawn(async move {
            serve(
                Accepted {
                    stream,
                    peer,
                    place,
                },
                &config,
                handler,
                task,
            )
            .await;
        });
    }
}
