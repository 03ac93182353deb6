//! A process: an environment of Lambda, or a program of an operator, with a clock that is a bit off.

use std::{cell::Cell, rc::Rc, time::Duration};

use landslide_aws::clock::Clock;
use landslide_domain::time::Timestamp;

use crate::{
    faults::Fault,
    world::{World, timestamp},
};

/// A process: an environment of Lambda, with a clock that is a bit off.
pub struct Process {
    /// Its function, and which of its processes it is.
    pub name: String,
    /// By how much its clock is ahead, in milliseconds.
    pub skew_ms: Cell<i64>,
    /// The number of the invocation that it works on, 0 for none.
    pub invocation: Cell<u64>,
}

impl Process {
    /// A process whose clock is right.
    pub fn new(name: impl Into<String>) -> Rc<Self> {
        Self::with_skew(name, 0)
    }

    /// A process whose clock is ahead by that many milliseconds.
    pub fn with_skew(name: impl Into<String>, skew_ms: i64) -> Rc<Self> {
        Rc::new(Self { name: name.into(), skew_ms: Cell::new(skew_ms), invocation: Cell::new(0) })
    }
}

/// What a process has of time.
#[derive(Clone)]
pub struct ProcessClock {
    /// Where.
    pub world: Rc<World>,
    /// Whose.
    pub process: Rc<Process>,
}

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        if self.world.faults.strikes(Fault::ClockStep) {
            self.process.skew_ms.set(self.world.draw_skew());
        }
        timestamp(self.world.executor.now_ms().saturating_add_signed(self.process.skew_ms.get()))
    }

    async fn sleep(&self, time: Duration) {
        self.world.executor.sleep(time.as_millis() as u64).await;
    }
}
