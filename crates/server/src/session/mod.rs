//! The one loop that serves every streaming transport: WebSocket, gRPC, SSE and NDJSON differ in
//! how they frame what it sends, and in whether a client can say something on the way.

mod answers;
mod bells;
mod clock;
mod feed;
mod framing;
mod outbox;
mod subscriptions;
mod terms;

use std::future::{Future, poll_fn};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FusedStream, FuturesUnordered, Stream, StreamExt, select_all};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use wellspring_engine::{Database, Told};
use wellspring_protocol::error::{Code, WireError};
use wellspring_types::feed::SubscribeRequest;
use wellspring_types::{Number, Sequence};

use crate::metrics::{Outcome, Route, Transport};
pub(crate) use answers::Answer;
use answers::HeldAnswers;
use clock::{Clock, Due};
pub(crate) use feed::Feed;
pub(crate) use framing::{Command, Framed, Framing};
pub(crate) use outbox::{Limits, Outbox, OutboxError, STEP_BYTES, Taker, outbox};
use subscriptions::{Came, Subscriptions, Turn};
pub(crate) use terms::Terms;

/// One client's session.
pub(crate) struct Session<F: Framing> {
    framing: F,
    outbox: Outbox<F::Frame>,
    terms: Terms,
    subscriptions: Subscriptions,
    /// All that it waits for but commands and live subscriptions. Of these each is polled only when
    /// it is woken, however many there are.
    events: FuturesUnordered<BoxFuture<'static, Event<F::Frame>>>,
    requests: usize,
    answers: HeldAnswers<F::Frame>,
    database: Database,
    handed_out: watch::Receiver<Sequence>,
    clock: Clock,
    stage: Stage,
}

/// What happens to a session.
enum Event<F> {
    Turn(Box<Turn>),
    Answer(Answer<F>),
    /// The server takes no more work.
    Draining,
    /// The transport is gone.
    Gone,
    /// The clock wants to be looked at.
    Due,
}

/// Whether a session still takes commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// The server stops: requests in progress are answered, then the session ends.
    Leaving,
}

/// How a session goes on after an event.
enum Next {
    GoOn,
    End(Ending),
}

/// Why a session ends.
enum Ending {
    /// There is nobody to tell, or nothing more to say.
    Silent,
    /// The client is told why.
    Saying(WireError),
    /// The client is told why, and what is queued is dropped.
    Cutting(WireError),
}

impl Ending {
    /// Tells a client that is too slow how far behind it is: the first commit that it could not be
    /// sent, and all that are visible after it.
    fn behind(self, visible: Sequence, first: Option<Sequence>) -> Ending {
        match (self, first) {
            (Ending::Cutting(why), Some(first)) if why.code == Code::Slow => {
                let commits = (visible.0 + 1).saturating_sub(first.0);
                Ending::Cutting(why.detail("behind", Number::from(commits)))
            }
            (ending, _) => ending,
        }
    }

    fn of(error: OutboxError, stalled: Duration) -> Ending {
        match error {
            OutboxError::Gone => Ending::Silent,
            OutboxError::Stalled => {
                let millis = u64::try_from(stalled.as_millis()).unwrap_or(u64::MAX);
                let told = format!("the client took next to nothing for {millis} ms");
                let why = WireError::new(Code::Slow, told);
                Ending::Cutting(why.detail("stalled_ms", Number::from(millis)))
            }
        }
    }
}

impl<F: Framing> Session<F> {
    pub(crate) fn new(
        framing: F,
        outbox: Outbox<F::Frame>,
        database: Database,
        terms: Terms,
    ) -> Session<F> {
        let handed_out = database.handed_out();
        let clock = Clock::start(&terms);
        Session {
            framing,
            outbox,
            terms,
            subscriptions: Subscriptions::default(),
            events: FuturesUnordered::new(),
            requests: 0,
            answers: HeldAnswers::default(),
            database,
            handed_out,
            clock,
            stage: Stage::Open,
        }
    }

    /// With a subscription from the beginning.
    pub(crate) fn with(mut self, subscription: Feed) -> Session<F> {
        self.add("", subscription);
        self
    }

    fn add(&mut self, id: &str, subscription: Feed) {
        let subscription = subscription.written_by(self.framing.writer(id));
        let turn = self.subscriptions.add(id, subscription);
        self.wait_for(turn);
    }

    fn wait_for(&mut self, turn: Option<Box<Turn>>) {
        if let Some(turn) = turn {
            self.events.push(turn.comes().map(Event::Turn).boxed());
        }
    }

    /// Serves until the client leaves, or the session has to end. Without commands it ends with
    /// its last subscription.
    pub(crate) fn run<C>(self, commands: C) -> impl Future<Output = ()> + Send
    where
        C: Stream<Item = Command<F::Frame>> + FusedStream + Send,
    {
        // Boxed, as an async function holds twice what it is given: there may be very many.
        Box::new(self).run_boxed(commands)
    }

    async fn run_boxed<C>(mut self: Box<Self>, commands: C)
    where
        C: Stream<Item = Command<F::Frame>> + FusedStream + Send,
    {
        let ending = self.serve(commands).await;
        let why = match ending {
            Ending::Silent => return,
            Ending::Cutting(why) => {
                self.terms.metrics.told(why.code);
                // No token: what was sent up to it may be in the queue that is dropped. The client
                // goes on from what it has received.
                let farewell = self.framing.farewell(&why, None);
                return self
                    .outbox
                    .cut(farewell.into_iter().map(|framed| framed.frame));
            }
            Ending::Saying(why) => why,
        };
        self.terms.metrics.told(why.code);
        let farewell = self.framing.farewell(&why, self.subscriptions.only_token());
        // Where it does not get through there is nobody to tell.
        let _ = self.say(farewell).await;
    }

    async fn serve<C>(&mut self, commands: C) -> Ending
    where
        C: Stream<Item = Command<F::Frame>> + FusedStream + Send,
    {
        // As with events: the client is not read from unless it said something.
        let commands = std::pin::pin!(commands);
        let mut commands = select_all([commands]);
        let draining = self.terms.draining.clone().cancelled_owned();
        self.events.push(draining.map(|()| Event::Draining).boxed());
        self.events
            .push(self.outbox.gone().map(|()| Event::Gone).boxed());
        self.wait_for_the_clock();
        loop {
            let may_take = self.stage == Stage::Open && self.requests < self.terms.requests_max;
            let target = self.answers.target();
            let live = poll_fn(|context| self.subscriptions.poll_live(context, target));
            let next = tokio::select! {
                came = live => self.came(came).await,
                Some(event) = self.events.next() => self.event(event).await,
                () = self.answers.handed_out(&mut self.handed_out) => self.aim().await,
                command = commands.next(), if may_take && !commands.is_terminated() => {
                    match command {
                        Some(command) => self.command(command).await,
                        None => Next::GoOn,
                    }
                }
                else => Next::End(Ending::Silent),
            };
            match next {
                Next::End(ending) => return ending,
                Next::GoOn if self.stage == Stage::Leaving && self.has_answered() => {
                    return self.drained();
                }
                Next::GoOn if commands.is_terminated() && self.is_idle() => return Ending::Silent,
                Next::GoOn => {}
            }
        }
    }

    async fn event(&mut self, event: Event<F::Frame>) -> Next {
        match event {
            Event::Turn(turn) => {
                let came = self.subscriptions.take_turn(*turn, self.answers.target());
                self.came(came).await
            }
            Event::Answer(answer) => {
                self.requests -= 1;
                self.answer(answer).await
            }
            Event::Draining => {
                self.stage = Stage::Leaving;
                Next::GoOn
            }
            Event::Gone => Next::End(Ending::Silent),
            Event::Due => self.due().await,
        }
    }

    fn has_answered(&self) -> bool {
        self.requests == 0 && self.answers.is_empty()
    }

    fn is_idle(&self) -> bool {
        self.subscriptions.is_empty() && self.has_answered()
    }

    fn wait_for_the_clock(&mut self) {
        let due = sleep_until(self.clock.due());
        self.events.push(due.map(|()| Event::Due).boxed());
    }

    async fn due(&mut self) -> Next {
        let next = match self.clock.strike(Instant::now()) {
            Some(Due::Deadline) => Next::End(Ending::Saying(WireError::new(
                Code::DeadlineExceeded,
                "the deadline of the request has passed",
            ))),
            Some(Due::Dead) => Next::End(Ending::Cutting(WireError::new(
                Code::Unavailable,
                "nothing was heard from the client for too long",
            ))),
            Some(Due::Beat) => self.beat().await,
            None => Next::GoOn,
        };
        self.wait_for_the_clock();
        next
    }

    fn drained(&self) -> Ending {
        let why = WireError::new(Code::Unavailable, "the server is shutting down");
        Ending::Saying(why.after_ms(self.terms.away_ms))
    }

    async fn beat(&mut self) -> Next {
        let beat = self.framing.beat();
        self.say(beat).await
    }

    async fn came(&mut self, came: Came) -> Next {
        self.wait_for(came.again);
        let Some(message) = came.said else {
            return self.release().await;
        };
        let first = message.first_commit();
        // Its documents go into the frames: a client that takes none is not to hold them twice.
        let frames = match message.what {
            Ok(Told::Message(of_feed)) => self.framing.feed(&message.id, &of_feed),
            Ok(Told::Written(changes)) => self.framing.written(changes),
            Err(why) => {
                self.terms.metrics.told(why.code);
                self.framing
                    .ended(&message.id, &why, message.token.as_ref())
            }
        };
        match self.say(frames).await {
            Next::GoOn => self.release().await,
            Next::End(ending) => Next::End(ending.behind(self.database.visible(), first)),
        }
    }

    async fn command(&mut self, command: Command<F::Frame>) -> Next {
        self.clock.heard();
        match command {
            Command::Alive => Next::GoOn,
            Command::Subscribe(id, request) => {
                let began = Instant::now();
                let subscribed = self.subscribe(&id, *request);
                self.count_subscribe(&subscribed, began);
                match subscribed {
                    Ok(subscription) => {
                        self.add(&id, subscription);
                        Next::GoOn
                    }
                    Err(why) => {
                        let refused = self.framing.refused(&id, &why);
                        self.say(refused).await
                    }
                }
            }
            Command::Unsubscribe(id, _) if !self.subscriptions.has(&id) => {
                let why = WireError::new(Code::NotFound, "there is no subscription with this id");
                self.terms.metrics.told(why.code);
                let refused = self.framing.refused(&id, &why);
                self.say(refused).await
            }
            Command::Unsubscribe(id, done) => {
                self.subscriptions.remove(&id);
                match self.say([done]).await {
                    Next::GoOn => self.release().await,
                    end @ Next::End(_) => end,
                }
            }
            Command::Request(request) => {
                self.requests += 1;
                self.events.push(request.map(Event::Answer).boxed());
                Next::GoOn
            }
            Command::Reply(framed) => self.say([framed]).await,
            Command::Leave(why) => Next::End(Ending::Saying(why)),
            Command::Gone => Next::End(Ending::Silent),
        }
    }

    fn subscribe(&self, id: &str, request: SubscribeRequest) -> Result<Feed, WireError> {
        if self.subscriptions.has(id) {
            let told = "a subscription with this id is running; it goes on";
            return Err(WireError::invalid_argument(told));
        }
        if self.subscriptions.len() >= self.terms.subscriptions_max {
            let max = self.terms.subscriptions_max;
            let told = format!("a connection has at most {max} subscriptions");
            return Err(WireError::new(Code::LimitExceeded, told));
        }
        Feed::open(&self.database, self.terms.subscriber, request)
    }

    /// Only on a WebSocket does a client subscribe within a session.
    fn count_subscribe(&self, subscribed: &Result<Feed, WireError>, began: Instant) {
        let outcome = match subscribed {
            Ok(_) => Outcome::Served,
            Err(why) => Outcome::Failed(why.code),
        };
        let (metrics, took) = (&self.terms.metrics, began.elapsed());
        metrics.answered(Transport::WebSocket, Route::Subscribe, outcome, took);
    }

    async fn answer(&mut self, answer: Answer<F::Frame>) -> Next {
        match answer.after {
            Some(seq) if !self.subscriptions.is_empty() => {
                self.answers.hold(seq, answer.framed);
                Next::GoOn
            }
            _ => self.say([answer.framed]).await,
        }
    }

    /// Takes aim at answers whose commits were handed out: every subscription is asked whether
    /// it has passed them.
    async fn aim(&mut self) -> Next {
        self.answers.aim(*self.handed_out.borrow());
        self.subscriptions.recall_all();
        self.release().await
    }

    /// Says the answers that all subscriptions have passed.
    async fn release(&mut self) -> Next {
        let Some(target) = self.answers.target() else {
            return Next::GoOn;
        };
        if !self.subscriptions.have_passed(target) {
            return Next::GoOn;
        }
        let released = self.answers.release();
        self.say(released).await
    }

    async fn say(&mut self, frames: impl IntoIterator<Item = Framed<F::Frame>>) -> Next {
        for framed in frames {
            match self.outbox.put(framed.frame, framed.bytes).await {
                // Nobody listened to the client meanwhile: that is not its silence.
                Ok(waited) => self.clock.did_not_listen(waited),
                Err(error) => return Next::End(Ending::of(error, self.outbox.patience())),
            }
        }
        Next::GoOn
    }
}
