//! What a process calls: DynamoDB and SQS as the SDK shows them, over a network on which calls get lost, come late and
//! are tried again.

mod dynamodb;
mod sqs;
mod steps;

use std::{cell::Cell, rc::Rc};

use landslide_aws::sdk::{ATTEMPT_TIMEOUT, ATTEMPTS_MAX, CALL_TIMEOUT, FIRST_PAUSE};

use crate::{
    faults::Fault,
    models::{account::Account, process::Process},
    numbers::count,
};

/// The longest that a call is under way, each way, in milliseconds: longer than its caller waits, and shorter than a
/// change of a poll may take to land (`CONFIG_WRITE_MS`).
const SLOW_MS: u64 = 2_900;
/// The longest that it is usually, each way, in milliseconds.
const USUAL_MS: u64 = 6;

/// A process's connections.
#[derive(Clone)]
pub struct Client {
    /// Of which account.
    pub account: Rc<Account>,
    /// Whose.
    pub process: Rc<Process>,
}

/// Why a service does not do it now.
struct Busy;

impl Client {
    /// A call as the SDK makes it: tried again, with pauses, while it is refused as busy or not answered, within its
    /// time. `None`: given up, and nobody knows whether one of the tries was done.
    async fn call<T: 'static>(&self, what: &str, act: impl Fn(&Rc<Account>) -> Result<T, Busy> + 'static) -> Option<T> {
        let act = Rc::new(act);
        let ends_at = self.account.world.executor.now_ms() + CALL_TIMEOUT.as_millis() as u64;
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                let pause = self.account.world.draw((FIRST_PAUSE.as_millis() as u64) << (attempt - 1));
                self.account.world.executor.sleep(pause).await;
            }
            let left = ends_at.saturating_sub(self.account.world.executor.now_ms());
            let time_max = left.min(ATTEMPT_TIMEOUT.as_millis() as u64);
            if time_max == 0 {
                break;
            }
            if let Some(Ok(answer)) = self.attempt(what, time_max, act.clone()).await {
                return Some(answer);
            }
        }
        None
    }

    /// One try: the call travels, is done (whatever becomes of the caller meanwhile), and its answer travels back.
    /// `None`: no answer came in time.
    async fn attempt<T: 'static>(
        &self,
        what: &str,
        time_max_ms: u64,
        act: Rc<impl Fn(&Rc<Account>) -> Result<T, Busy> + 'static>,
    ) -> Option<Result<T, Busy>> {
        let world = &self.account.world;
        let (there, back) = (self.travel_ms(), self.travel_ms().max(u64::from(world.scenario.is_plain)));
        let arrives = !world.faults.strikes(Fault::RequestLost);
        let answers = arrives && !world.faults.strikes(Fault::AnswerLost);
        let is_busy = world.faults.strikes(Fault::Throttled);
        let answer = Rc::new(Cell::new(None));
        if arrives {
            let (account, answer) = (self.account.clone(), answer.clone());
            let done = move || {
                if there > time_max_ms {
                    count(&account.world.numbers.late_calls);
                }
                answer.set(Some(if is_busy { Err(Busy) } else { act(&account) }));
            };
            self.account.world.executor.after(there, done);
        }
        if answers && there + back <= time_max_ms {
            world.executor.sleep(there + back).await;
            return answer.take();
        }
        // A connection that breaks is noticed at once, silence only after a while.
        let noticed = if world.once_in(2) { world.draw(time_max_ms) } else { time_max_ms };
        world.executor.sleep(noticed).await;
        world.tell(&self.process.name, || format!("{what}: no answer"));
        None
    }

    fn travel_ms(&self) -> u64 {
        if self.account.world.faults.strikes(Fault::Slow) {
            self.account.world.draw(SLOW_MS)
        } else {
            self.account.world.draw(USUAL_MS)
        }
    }
}
