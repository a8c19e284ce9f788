//! Every task of the server: tracked, told to leave, and in the end cut off.

use std::future::Future;
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Spawns tasks and ends them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    draining: CancellationToken,
    cut_off: CancellationToken,
}

impl Tasks {
    /// Runs `task` until it ends or the drain's time is over.
    pub(crate) fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(self.until_cut_off(task));
    }

    fn until_cut_off<F>(&self, task: F) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Boxed, as what waits for it would hold it three times: it passes on what it is given, twice.
        let task = Box::pin(task);
        let until_cut_off = self.cut_off.clone().run_until_cancelled_owned(task);
        until_cut_off.map(|_ended| ())
    }

    /// Ends when the server stops taking work: streams say so to their clients and end.
    pub(crate) fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Tells all tasks to leave, waits up to `patience` for them and then drops those that stay.
    /// Tells how many were dropped.
    pub(crate) async fn drain(&self, patience: Duration) -> usize {
        self.draining.cancel();
        self.tracker.close();
        if tokio::time::timeout(patience, self.tracker.wait())
            .await
            .is_ok()
        {
            return 0;
        }
        let left = self.tracker.len();
        self.cut_off.cancel();
        self.tracker.wait().await;
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_task_is_held_once() {
        let large = [7_u8; 10_000];
        let task = async move {
            std::future::pending::<()>().await;
            std::hint::black_box(large);
        };
        assert!(size_of_val(&task) > 10_000);
        let spawned = Tasks::default().until_cut_off(task);
        assert!(size_of_val(&spawned) < 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_leaves_is_waited_for_and_one_that_stays_is_cut_off() {
        let tasks = Tasks::default();
        let draining = tasks.draining();
        tasks.spawn(async move { draining.cancelled().await });
        tasks.spawn(std::future::pending());
        assert_eq!(tasks.drain(Duration::from_secs(10)).await, 1);
        assert_eq!(tasks.drain(Duration::from_secs(10)).await, 0);
    }
}
