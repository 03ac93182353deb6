//! Lambda: processes that are started, reused, held up, killed and forgotten.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::{Pin, pin},
    rc::Rc,
};

use futures_util::future::{Either, select};

use crate::{
    channel::one_value,
    executor::Doom,
    faults::Fault,
    models::process::{Process, ProcessClock},
    numbers::count,
    world::World,
};

/// A crash or a hold-up comes within an invocation's first awaits. Each time, their number is drawn from these two.
const DOOMED_AWAITS: [u64; 2] = [12, 4];
/// How long a process is held up at most, in milliseconds.
const HOLD_UP_MS: u64 = 12_000;

/// What a process does at an invocation.
pub type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// A function and its processes.
pub struct Function<A> {
    name: &'static str,
    timeout_ms: u64,
    invocations_max: usize,
    invocations: Cell<usize>,
    world: Rc<World>,
    start: Box<dyn Fn(Rc<Process>) -> A>,
    idle: RefCell<Vec<Environment<A>>>,
    started: Cell<u64>,
}

struct Environment<A> {
    app: Rc<A>,
    process: Rc<Process>,
}

/// A process at work: it is idle again if it ends well, and gone if it is dropped.
struct AtWork<A> {
    place: Place<A>,
    environment: Environment<A>,
}

/// One of the invocations that a function may have at once.
struct Place<A>(Rc<Function<A>>);

impl<A> Drop for Place<A> {
    fn drop(&mut self) {
        self.0.invocations.set(self.0.invocations.get() - 1);
    }
}

/// Why there is no outcome of an invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOutcome {
    /// It was never begun: the function has as many invocations as it may have.
    Throttled,
    /// It crashed or ran out of time, or the caller did not wait for it.
    Lost,
}

impl<A> AtWork<A> {
    fn end_well(self) {
        self.place.0.idle.borrow_mut().push(self.environment);
    }
}

impl<A: 'static> Function<A> {
    /// A function without any process yet, and with a limit of invocations at once.
    pub fn new(
        world: &Rc<World>,
        name: &'static str,
        (timeout_ms, invocations_max): (u64, usize),
        start: impl Fn(Rc<Process>) -> A + 'static,
    ) -> Rc<Self> {
        Rc::new(Self {
            name,
            timeout_ms,
            invocations_max,
            invocations: Cell::new(0),
            world: world.clone(),
            start: Box::new(start),
            idle: RefCell::default(),
            started: Cell::new(0),
        })
    }

    /// How long an invocation may take, in milliseconds.
    pub fn timeout_ms(&self) -> u64 {
        self.timeout_ms
    }

    /// Has a process do some work.
    pub async fn invoke<T: 'static>(
        self: &Rc<Self>,
        work: impl FnOnce(Rc<A>, ProcessClock) -> Work<T>,
    ) -> Result<T, NoOutcome> {
        let world = &self.world;
        let Some(place) = self.place() else {
            count(&world.numbers.throttled);
            return Err(NoOutcome::Throttled);
        };
        let at_work = AtWork { place, environment: self.environment() };
        let (app, process) = (at_work.environment.app.clone(), at_work.environment.process.clone());
        let (giver, taker) = one_value();
        let work = work(app, ProcessClock { world: world.clone(), process });
        let invocation = async move {
            let outcome = work.await;
            at_work.end_well();
            giver.give(outcome);
        };
        let task = world.executor.spawn_doomed(invocation, self.doom());
        let again = world.clone();
        world.executor.after(self.timeout_ms, move || {
            if again.executor.kill(task) {
                count(&again.numbers.timeouts);
            }
        });
        let outcome = taker.take();
        if !world.faults.strikes(Fault::LostSight) {
            return outcome.await.ok_or(NoOutcome::Lost);
        }
        match select(pin!(outcome), pin!(world.executor.sleep(world.draw(self.timeout_ms)))).await {
            Either::Left((outcome, _)) => outcome.ok_or(NoOutcome::Lost),
            Either::Right(_) => Err(NoOutcome::Lost),
        }
    }

    fn place(self: &Rc<Self>) -> Option<Place<A>> {
        if self.invocations.get() >= self.invocations_max {
            return None;
        }
        self.invocations.set(self.invocations.get() + 1);
        Some(Place(self.clone()))
    }

    fn environment(self: &Rc<Self>) -> Environment<A> {
        let world = &self.world;
        let mut idle = self.idle.borrow_mut();
        if world.faults.strikes(Fault::ColdStart) {
            idle.clear();
        }
        if idle.is_empty() {
            drop(idle);
            return self.start();
        }
        let chosen = world.draw_index(idle.len());
        idle.swap_remove(chosen)
    }

    fn start(&self) -> Environment<A> {
        count(&self.started);
        let process = Process::with_skew(format!("{} {}", self.name, self.started.get()), self.world.draw_skew());
        Environment { app: Rc::new((self.start)(process.clone())), process }
    }

    fn doom(&self) -> Doom {
        let world = &self.world;
        let crashes = world.faults.strikes(Fault::Crash);
        let is_held_up = world.faults.strikes(Fault::HoldUp);
        Doom {
            dropped_at_poll: crashes.then(|| self.doomed_poll()),
            held_up: is_held_up.then(|| (self.doomed_poll(), world.draw(HOLD_UP_MS))),
        }
    }

    fn doomed_poll(&self) -> u32 {
        let awaits = DOOMED_AWAITS[self.world.draw_index(DOOMED_AWAITS.len())];
        1 + self.world.draw(awaits) as u32
    }
}
