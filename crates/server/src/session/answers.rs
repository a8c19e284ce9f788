//! Answers to commits, held back until the subscriptions of the same connection have passed them:
//! whoever commits sees the change before the result.

use std::future::Future;

use tokio::sync::watch;
use wellspring_types::Sequence;

use super::Framed;

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer<F> {
    pub(crate) framed: Framed<F>,
    /// The commit that all subscriptions of the connection pass first.
    pub(crate) after: Option<Sequence>,
}

/// Answers that wait.
#[derive(Debug)]
pub(super) struct HeldAnswers<F> {
    held: Vec<(Sequence, Framed<F>)>,
    /// The sequence that the subscriptions have to pass now. It stays until they have, however
    /// many commits are answered meanwhile: a target that moves might never be reached.
    target: Option<Sequence>,
}

impl<F> Default for HeldAnswers<F> {
    fn default() -> Self {
        HeldAnswers {
            held: Vec::new(),
            target: None,
        }
    }
}

impl<F> HeldAnswers<F> {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn hold(&mut self, seq: Sequence, framed: Framed<F>) {
        self.held.push((seq, framed));
    }

    pub(super) fn target(&self) -> Option<Sequence> {
        self.target
    }

    /// Waits until a held answer's commit has been handed out to the subscriptions' queues; with a
    /// target, until more was handed out. Never ends while nothing is held.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(super) fn handed_out<'a>(
        &self,
        handed_out: &'a mut watch::Receiver<Sequence>,
    ) -> impl Future<Output = ()> + use<'a, F> {
        let first = self.held.iter().map(|(seq, _)| *seq).min();
        let has_target = self.target.is_some();
        async move {
            let waited = match first {
                None => return std::future::pending().await,
                Some(_) if has_target => handed_out.changed().await.is_ok(),
                Some(first) => handed_out.wait_for(|seq| *seq >= first).await.is_ok(),
            };
            if !waited && has_target {
                // The hub is gone and hands out nothing more: its subscriptions end, and with them
                // what the answers wait for.
                std::future::pending().await
            }
        }
    }

    /// Sets the target, unless there is one: the last commit that was handed out and whose answer
    /// is held.
    pub(super) fn aim(&mut self, handed_out: Sequence) {
        if self.target.is_none() {
            let held = || self.held.iter().map(|(seq, _)| *seq);
            self.target = held()
                .filter(|seq| *seq <= handed_out)
                .max()
                .or_else(|| held().max());
        }
    }

    /// The answers through the target, in the order in which they came.
    pub(super) fn release(&mut self) -> Vec<Framed<F>> {
        let Some(target) = self.target.take() else {
            return Vec::new();
        };
        let through_target = |(seq, _): &mut (Sequence, Framed<F>)| *seq <= target;
        self.held
            .extract_if(.., through_target)
            .map(|(_, framed)| framed)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(answers: &[(u64, char)]) -> HeldAnswers<char> {
        let mut held = HeldAnswers::default();
        for (seq, frame) in answers {
            held.hold(
                Sequence(*seq),
                Framed {
                    frame: *frame,
                    bytes: 1,
                },
            );
        }
        held
    }

    fn frames(released: Vec<Framed<char>>) -> String {
        released.into_iter().map(|framed| framed.frame).collect()
    }

    #[test]
    fn answers_through_the_target_are_released_in_their_order() {
        let mut held = held(&[(7, 'a'), (3, 'b'), (9, 'c')]);
        held.aim(Sequence(8));
        assert_eq!(held.target(), Some(Sequence(7)));
        assert_eq!(frames(held.release()), "ab");
        assert_eq!(held.target(), None);
        assert!(!held.is_empty());
    }

    #[test]
    fn a_target_stays_until_it_is_reached() {
        let mut held = held(&[(3, 'a')]);
        held.aim(Sequence(3));
        held.hold(
            Sequence(4),
            Framed {
                frame: 'b',
                bytes: 1,
            },
        );
        held.aim(Sequence(4));
        assert_eq!(held.target(), Some(Sequence(3)));
        assert_eq!(frames(held.release()), "a");
    }

    #[tokio::test]
    async fn what_was_handed_out_is_waited_for() {
        let (sender, mut receiver) = watch::channel(Sequence(2));
        let held = held(&[(3, 'a')]);
        let hand_out = async { sender.send(Sequence(3)).unwrap() };
        tokio::join!(held.handed_out(&mut receiver), hand_out);
        assert_eq!(*receiver.borrow(), Sequence(3));
    }
}
