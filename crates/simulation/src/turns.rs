//! Who goes on next: the workers and blocking reads of the database, and its clients. All of it
//! happens on one thread, one after the other, or one in the middle of an operation of another.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use parking_lot::Mutex;
use wellspring_engine::{Executor, Panicked, Patience, Turn, Worker, Working};

use crate::world::World;

type Work = Box<dyn FnOnce() + Send>;
type Client = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How deep turns may lie within each other.
const DEPTH_MAX: u64 = 3;
/// Turns after which something that is waited for counts as hanging.
pub(crate) const TURNS_MAX: u64 = 100_000;

#[derive(Default)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Default)]
struct State {
    workers: Vec<WorkerPlace>,
    work: Vec<Work>,
    clients: Vec<ClientPlace>,
    depth: u64,
    /// Reads, and a close, which waits for all workers, only begin when nobody is at work.
    is_closing: bool,
    /// The keeper, who commits what is no longer offered, has no turns.
    keeper_rests: bool,
}

struct WorkerPlace {
    name: Box<str>,
    /// `None` while it has its turn, and when it is over.
    worker: Option<Box<dyn Worker>>,
    is_over: bool,
}

struct ClientPlace {
    name: String,
    /// `None` while it has its turn, and when it is done.
    client: Option<Client>,
    woken: Arc<Flag>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
enum Choice {
    Worker(usize),
    Work(usize),
    Client(usize),
}

impl Turns {
    pub(crate) fn add_client(
        &self,
        name: String,
        client: impl Future<Output = ()> + Send + 'static,
    ) {
        self.0.lock().clients.push(ClientPlace {
            name,
            // Without a budget of Tokio's: who goes on when is decided here.
            client: Some(Box::pin(tokio::task::unconstrained(client))),
            woken: Arc::new(Flag(AtomicBool::new(true))),
        });
    }

    /// Ends all clients where they are, and the reads that they wait for.
    pub(crate) fn drop_clients(&self) {
        let mut state = self.0.lock();
        let (clients, work) = (
            std::mem::take(&mut state.clients),
            std::mem::take(&mut state.work),
        );
        drop(state);
        drop(clients);
        drop(work);
        // What was dropped may have let go of more.
        let work = std::mem::take(&mut self.0.lock().work);
        drop(work);
    }

    /// The keeper has no more turns until the database is closed.
    pub(crate) fn rest_keeper(&self) {
        self.0.lock().keeper_rests = true;
    }

    /// A database is about to be closed.
    pub(crate) fn begin_closing(&self) {
        self.0.lock().is_closing = true;
    }

    /// Whether a database has clients. They go on while it is closed.
    pub(crate) fn has_clients(&self) -> bool {
        !self.0.lock().clients.is_empty()
    }

    /// Forgets the workers of a database that is no more.
    pub(crate) fn drop_workers(&self) {
        let mut state = self.0.lock();
        state.is_closing = false;
        state.keeper_rests = false;
        let workers = std::mem::take(&mut state.workers);
        drop(state);
        drop(workers);
    }

    pub(crate) fn clients_left(&self) -> Vec<String> {
        let state = self.0.lock();
        let left = state.clients.iter().filter(|place| place.client.is_some());
        left.map(|place| place.name.clone()).collect()
    }

    /// One turn, of anybody; in the middle of another.
    pub(crate) fn nested(&self, world: &World) {
        {
            let mut state = self.0.lock();
            if state.depth >= DEPTH_MAX {
                return;
            }
            state.depth += 1;
        }
        self.one(world);
        self.0.lock().depth -= 1;
    }

    /// One turn, of anybody. False if there was nothing to do for who was chosen.
    pub(crate) fn one(&self, world: &World) -> bool {
        if world.is_dead() {
            return false;
        }
        let choices = self.choices(world);
        let Ok(count) = u64::try_from(choices.len()) else {
            return false;
        };
        if count == 0 {
            return false;
        }
        let place = usize::try_from(world.below(count)).unwrap_or(0);
        self.take(world, choices[place])
    }

    fn choices(&self, world: &World) -> Vec<Choice> {
        let keeper = world.chance(world.plan.keeper, 1000);
        let state = self.0.lock();
        let keeper = keeper && !state.keeper_rests;
        let workers = state.workers.iter().enumerate();
        let workers = workers
            .filter(|(_, place)| place.worker.is_some() && (keeper || &*place.name != "keeper"));
        let is_held_back = state.is_closing && state.depth > 0;
        let work = 0..if is_held_back { 0 } else { state.work.len() };
        let clients = state.clients.iter().enumerate();
        let clients = clients
            .filter(|(_, place)| place.client.is_some() && place.woken.0.load(Ordering::Relaxed));
        workers
            .map(|(number, _)| Choice::Worker(number))
            .chain(work.map(Choice::Work))
            .chain(clients.map(|(number, _)| Choice::Client(number)))
            .collect()
    }

    fn take(&self, world: &World, choice: Choice) -> bool {
        world.count(|counts| counts.turns += 1);
        match choice {
            Choice::Worker(number) => self.worker(world, number) == Turn::Done,
            Choice::Work(number) => {
                world.note(|| "a read".to_owned());
                let work = self.0.lock().work.remove(number);
                work();
                true
            }
            Choice::Client(number) => {
                self.client(world, number);
                true
            }
        }
    }

    fn worker(&self, world: &World, number: usize) -> Turn {
        let taken = {
            let mut state = self.0.lock();
            let place = state.workers.get_mut(number);
            place.and_then(|place| Some((place.worker.take()?, place.name.clone())))
        };
        let Some((mut worker, name)) = taken else {
            return Turn::Idle;
        };
        let turn = worker.turn(Patience::None);
        if turn != Turn::Idle {
            world.note(|| format!("{name}: {turn:?}"));
        }
        if turn == Turn::Over {
            worker.finish();
            self.0.lock().workers[number].is_over = true;
        } else {
            self.0.lock().workers[number].worker = Some(worker);
        }
        turn
    }

    fn client(&self, world: &World, number: usize) {
        let taken = {
            let mut state = self.0.lock();
            let place = state.clients.get_mut(number);
            place.and_then(|place| {
                let woken = Arc::clone(&place.woken);
                Some((place.client.take()?, woken, place.name.clone()))
            })
        };
        let Some((mut client, woken, name)) = taken else {
            return;
        };
        woken.0.store(false, Ordering::Relaxed);
        world.note(|| name);
        let waker = Waker::from(woken);
        let is_done = client
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready();
        if !is_done {
            self.0.lock().clients[number].client = Some(client);
        }
    }

    /// Turns until nobody has anything to do. The keeper, who always finds something, has none.
    pub(crate) fn settle(&self, world: &World) {
        for _ in 0..TURNS_MAX {
            if world.is_dead() {
                return;
            }
            let (workers, busy) = {
                let state = self.0.lock();
                let woken = |place: &ClientPlace| {
                    place.client.is_some() && place.woken.0.load(Ordering::Relaxed)
                };
                let busy = !state.work.is_empty() || state.clients.iter().any(woken);
                let workers = state.workers.iter().enumerate();
                let workers = workers.filter(|(_, place)| &*place.name != "keeper");
                (workers.map(|(number, _)| number).collect::<Vec<_>>(), busy)
            };
            if busy {
                self.one(world);
                continue;
            }
            let turns = workers.into_iter().map(|number| self.worker(world, number));
            if turns.filter(|turn| *turn == Turn::Done).count() == 0 {
                let state = self.0.lock();
                let woken = |place: &ClientPlace| {
                    place.client.is_some() && place.woken.0.load(Ordering::Relaxed)
                };
                if state.work.is_empty() && !state.clients.iter().any(woken) {
                    return;
                }
            }
        }
        world.fail("there is always something to do".to_owned());
    }

    fn is_over(&self, number: usize) -> bool {
        let state = self.0.lock();
        let place = state.workers.get(number);
        place.is_none_or(|place| place.is_over)
    }
}

/// Gives the work of a database to its world.
pub(crate) struct InTurns(pub(crate) Arc<World>);

impl Executor for InTurns {
    fn start(&self, name: &str, worker: Box<dyn Worker>) -> io::Result<Box<dyn Working>> {
        let mut state = self.0.turns.0.lock();
        state.workers.push(WorkerPlace {
            name: name.into(),
            worker: Some(worker),
            is_over: false,
        });
        let number = state.workers.len() - 1;
        Ok(Box::new(InTurn {
            world: Arc::clone(&self.0),
            number,
        }))
    }

    fn block(&self, work: Work) {
        self.0.turns.0.lock().work.push(work);
    }
}

struct InTurn {
    world: Arc<World>,
    number: usize,
}

impl Working for InTurn {
    fn join(self: Box<Self>) -> Result<(), Panicked> {
        let turns = &self.world.turns;
        for _ in 0..TURNS_MAX {
            if turns.is_over(self.number) {
                return Ok(());
            }
            if turns.worker(&self.world, self.number) == Turn::Idle {
                // It waits for another.
                for other in 0..self.number.max(8) {
                    turns.worker(&self.world, other);
                }
            }
        }
        self.world
            .fail("a worker does not end at a close".to_owned());
        Err(Panicked)
    }
}
