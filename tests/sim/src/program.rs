//! The operator's program, as far as it rebuilds a poll's counts and sweeps lanes.

use std::{cell::Cell, pin::pin, rc::Rc};

use futures_util::future::{Either, select};
use landslide_aws::{
    clock::Clock,
    store::{PollStore, TallyStore, VoteStore},
};
use landslide_counting::tallies::{
    merging,
    rebuild::{Rebuild, may_be_rebuilt},
};
use landslide_domain::{
    ids::PollId,
    lane::LaneKey,
    poll::Rules,
    runs::{RUN_LIMITS, RunLimits},
};

use crate::{
    channel::Signal,
    faults::Fault,
    models::{account::Account, client::Client, process::ProcessClock},
    names::{POLLS, TALLIES, VOTES},
};

/// How many partitions are read at once: as many as the program reads by itself.
const PARTITIONS_AT_ONCE: usize = 32;
/// How long after the last vote is read a process may crash on purpose, in milliseconds.
const WRITING_MS: u64 = 60;
/// How long after the first row of a run, in milliseconds.
const ROWS_MS: u64 = 8;

/// An operator's program, started once.
pub struct Program {
    polls: PollStore<Client>,
    votes: VoteStore<Client>,
    tallies: TallyStore<Client>,
    clock: ProcessClock,
    account: Rc<Account>,
    /// Those of its code version.
    run_limits: RunLimits,
}

impl Program {
    /// The program, over a process's connections.
    pub fn new(client: Client, clock: ProcessClock) -> Self {
        Self {
            polls: PollStore::over(client.clone(), POLLS.to_owned()),
            votes: VoteStore::over(client.clone(), VOTES.to_owned()),
            account: client.account.clone(),
            tallies: TallyStore::over(client, TALLIES.to_owned()),
            run_limits: clock.world.draw_code_version(),
            clock,
        }
    }

    /// A poll as it stands, and whether it may be rebuilt now.
    pub async fn look(&self, poll: &PollId) -> Option<(Rules, bool)> {
        let rules = self.polls.rules(poll).await.ok()??;
        let may_be = may_be_rebuilt(&rules.settings, self.clock.now());
        Some((rules, may_be))
    }

    /// What the program does for a poll, from its start on. Returns whether it rebuilt the counts.
    pub async fn run(&self, poll: &PollId) -> bool {
        match self.look(poll).await {
            Some((rules, true)) => self.rebuild(&rules).await,
            _ => false,
        }
    }

    /// Sweeps a lane. Returns whether it is done.
    pub async fn sweep(&self, lane: &LaneKey) -> bool {
        let outcome = merging::sweep(&self.tallies, lane).await;
        self.clock.world.tell(&self.clock.process.name, || format!("sweeps {lane}: {outcome:?}"));
        outcome.is_ok()
    }

    /// Returns whether the rebuild ends, and succeeds.
    async fn rebuild(&self, rules: &Rules) -> bool {
        let world = &self.clock.world;
        let rebuild = Rebuild {
            tallies: &self.tallies,
            votes: &self.votes,
            clock: self.clock.clone(),
            partitions_at_once: PARTITIONS_AT_ONCE,
            run_limits: RunLimits { merged_bytes_max: RUN_LIMITS.merged_bytes_max, ..self.run_limits },
        };
        let (partitions, all_read) = (Cell::new(0), Signal::default());
        let is_read = || {
            partitions.set(partitions.get() + 1);
            if partitions.get() == rules.partitions.number() {
                all_read.ring();
            }
        };
        let work = async {
            let outcome = rebuild.run(rules, is_read).await;
            world.tell(&self.clock.process.name, || format!("rebuilds {}: {outcome:?}", rules.settings.poll_id));
            outcome.is_ok()
        };
        // With some rows of a run written, perhaps, and before HEAD names it.
        let is_within_a_run = world.once_in(2);
        let crash = async {
            all_read.wait().await;
            if is_within_a_run {
                self.account.run_written.wait().await;
                world.executor.sleep(world.draw(ROWS_MS)).await;
            } else {
                world.executor.sleep(world.draw(WRITING_MS)).await;
            }
        };
        // The executor's dooms come at a given await, and hardly ever at one of the last.
        if !world.faults.strikes(Fault::Crash) && !world.once_in(4) {
            return work.await;
        }
        matches!(select(pin!(work), pin!(crash)).await, Either::Left((true, _)))
    }
}
