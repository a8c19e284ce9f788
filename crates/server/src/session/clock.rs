//! When a session has to do something that nobody asks it for.

use std::time::Duration;

use tokio::time::Instant;

use super::Terms;

/// Tells when a session's time has come. Messages do not set it anew: it is looked at when the
/// first of its times has come, which may have moved by then.
pub(super) struct Clock {
    /// When the client wants its stream to end.
    deadline: Option<Instant>,
    heard_at: Instant,
    /// A client that says nothing for so long is dead.
    dead_after: Option<Duration>,
    beats_at: Instant,
    heartbeat: Duration,
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The client wanted its stream to end now.
    Deadline,
    /// The client has said nothing for too long.
    Dead,
    /// A beat is to be sent.
    Beat,
}

impl Clock {
    pub(super) fn start(terms: &Terms) -> Clock {
        let now = Instant::now();
        Clock {
            deadline: terms.deadline,
            heard_at: now,
            dead_after: terms.dead_after,
            beats_at: now + terms.heartbeat,
            heartbeat: terms.heartbeat,
        }
    }

    /// The client has said something.
    pub(super) fn heard(&mut self) {
        self.heard_at = Instant::now();
    }

    /// Nobody listened to the client for so long.
    pub(super) fn did_not_listen(&mut self, silence: Duration) {
        self.heard_at += silence;
    }

    /// When to look at it next.
    pub(super) fn due(&self) -> Instant {
        let times = [self.deadline, self.dead_at()];
        times
            .into_iter()
            .flatten()
            .fold(self.beats_at, Instant::min)
    }

    /// What is due now. After a beat the next one is set.
    pub(super) fn strike(&mut self, now: Instant) -> Option<Due> {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Some(Due::Deadline);
        }
        if self.dead_at().is_some_and(|dead_at| dead_at <= now) {
            return Some(Due::Dead);
        }
        if self.beats_at > now {
            return None;
        }
        self.beats_at = now + self.heartbeat;
        Some(Due::Beat)
    }

    fn dead_at(&self) -> Option<Instant> {
        self.dead_after.map(|after| self.heard_at + after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock(now: Instant) -> Clock {
        Clock {
            deadline: Some(now + SECOND * 100),
            heard_at: now,
            dead_after: Some(SECOND * 25),
            beats_at: now + SECOND * 10,
            heartbeat: SECOND * 10,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_beats_until_the_client_is_dead() {
        let began = Instant::now();
        let mut clock = clock(began);
        let mut struck = Vec::new();
        while struck.last() != Some(&(25, Some(Due::Dead))) {
            tokio::time::sleep_until(clock.due()).await;
            let now = Instant::now();
            struck.push(((now - began).as_secs(), clock.strike(now)));
        }
        let beat = Some(Due::Beat);
        assert_eq!(struck, [(10, beat), (20, beat), (25, Some(Due::Dead))]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_heard_lives_until_the_deadline() {
        let began = Instant::now();
        let mut clock = clock(began);
        let last = loop {
            tokio::time::sleep_until(clock.due()).await;
            match clock.strike(Instant::now()) {
                Some(Due::Beat) | None => clock.heard(),
                Some(last) => break last,
            }
        };
        assert_eq!((last, began.elapsed()), (Due::Deadline, SECOND * 100));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_listened_is_not_silence() {
        let mut clock = clock(Instant::now());
        clock.did_not_listen(SECOND * 50);
        tokio::time::advance(SECOND * 74).await;
        assert_eq!(clock.strike(Instant::now()), Some(Due::Beat));
        tokio::time::advance(SECOND).await;
        assert_eq!(clock.strike(Instant::now()), Some(Due::Dead));
    }
}
