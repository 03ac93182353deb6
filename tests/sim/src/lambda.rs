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
    world::{Process, ProcessClock, World, count},
};

/// A crash or a hold-up comes at one of the first so many awaits of an invocation, or at one of fewer.
const DOOMED_AWAITS: [u64; 2] = [12, 4];
/// How long a process is held up at most, in milliseconds.
const HOLD_UP_MS: u64 = 12_000;

/// What a process does at an invocation.
pub type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// A function and its processes.
pub struct Function<A> {
    name: &'static str,
    timeout_ms: u64,
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
    function: Rc<Function<A>>,
    environment: Environment<A>,
}

impl<A> AtWork<A> {
    fn end_well(self) {
        self.function.idle.borrow_mut().push(self.environment);
    }
}

impl<A: 'static> Function<A> {
    /// A function without any process yet.
    pub fn new(
        world: &Rc<World>,
        name: &'static str,
        timeout_ms: u64,
        start: impl Fn(Rc<Process>) -> A + 'static,
    ) -> Rc<Self> {
        Rc::new(Self {
            name,
            timeout_ms,
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

    /// Has a process do some work. `None`: it crashed or ran out of time, or the caller did not wait for it.
    pub async fn invoke<T: 'static>(self: &Rc<Self>, work: impl FnOnce(Rc<A>, ProcessClock) -> Work<T>) -> Option<T> {
        let world = &self.world;
        let at_work = AtWork { function: self.clone(), environment: self.environment() };
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
            return outcome.await;
        }
        match select(pin!(outcome), pin!(world.executor.sleep(world.draw(self.timeout_ms)))).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => None,
        }
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
