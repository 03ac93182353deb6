//! The functions of a stack, and the gateway in front of them.

use std::{cell::RefCell, rc::Rc, time::Duration};

use landslide_aws::{
    clock::Clock,
    queue::Queue,
    store::{JobStore, PollStore, TallyStore, VoteStore},
};
use landslide_counting::{
    heat_watch::HeatWatch,
    relay::Relay,
    tallies::TallyLimits,
    tally::{Queues, Tally},
};
use landslide_domain::{
    error::Error,
    ids::PollId,
    runs::{RUN_LIMITS, RunLimits},
};
use landslide_jobs::finalise::{Finalise, FinaliseLimits};
use landslide_service::{polls::PollChanges, votes::Votes};
use landslide_stream::StreamEvent;

use crate::{
    models::{
        account::Account,
        client::Client,
        lambda::{Function, NoOutcome, Work},
        process::{Process, ProcessClock},
        stream::Record,
    },
    names::{JOBS, POLLS, RELAY_DLQ, TALLIES, TALLY_DLQ, TALLY_QUEUE, VOTES},
    numbers::count,
    program::Program,
    world::World,
};

/// Timeouts as in `template.yaml`, in milliseconds.
const API_TIMEOUT_MS: u64 = 5_000;
const EDIT_TIMEOUT_MS: u64 = 15_000;
const RELAY_TIMEOUT_MS: u64 = 30_000;
const TALLY_TIMEOUT_MS: u64 = 10_000;
const FINALISE_TIMEOUT_MS: u64 = 60_000;
/// After how long an operator ends the program, in milliseconds.
const OPERATOR_TIMEOUT_MS: u64 = 60_000;
/// What an endpoint leaves of its time to answer in, in milliseconds.
const ANSWER_MS: u64 = 250;

/// An app of cast-vote, get-vote and retract-vote.
pub type VotesApp = Votes<Client, ProcessClock>;
/// Who shows results: reads the poll afresh, and goes by its own clock.
pub struct Showing {
    polls: PollStore<Client>,
    clock: ProcessClock,
}

impl Showing {
    /// Whether anyone may see the poll's results now, by this process's clock.
    pub async fn results_are_public(&self, poll: &PollId) -> Result<bool, Error> {
        let rules = self.polls.rules(poll).await?.ok_or(Error::NoSuchPoll)?;
        Ok(rules.results_are_public(self.clock.now()))
    }
}

/// An app of close-poll and update-poll.
pub type PollChangesApp = PollChanges<Client, ProcessClock>;
type RelayApp = Relay<Client, ProcessClock>;
/// An app of tally-votes.
pub type TallyApp = Tally<TallyStore<Client>, Client, Client, ProcessClock>;

/// An app of finalise-poll.
pub type FinaliseApp = Finalise<Client, Client, ProcessClock>;

/// All functions of a stack.
pub struct Cloud {
    /// Where they run.
    pub world: Rc<World>,
    /// What they call.
    pub account: Rc<Account>,
    /// Votes.
    pub votes: Rc<Function<VotesApp>>,
    /// Changes of polls.
    pub poll_changes: Rc<Function<PollChangesApp>>,
    /// Results.
    pub showing: Rc<Function<Showing>>,
    /// The operator's program. It is no function, but is started, held up and killed like one.
    pub operator: Rc<Function<Program>>,
    /// The job that makes counts final.
    pub finalise: Rc<Function<FinaliseApp>>,
    relay: Rc<Function<RelayApp>>,
    /// Counting.
    pub tally: Rc<Function<TallyApp>>,
    /// Batches that the stream's readers gave up (`RelayFailuresBucket`).
    pub bucket: RefCell<Vec<Vec<Record>>>,
    /// Some batches that were relayed.
    pub kept: RefCell<Vec<Vec<Record>>>,
}

impl Cloud {
    /// A stack that has just been deployed.
    pub fn new(world: &Rc<World>) -> Rc<Self> {
        let account = Account::new(world);
        let client = |account: &Rc<Account>, process: Rc<Process>| {
            let clock = ProcessClock { world: account.world.clone(), process: process.clone() };
            (Client { account: account.clone(), process }, clock)
        };
        let most = world.scenario.processes_max;
        let fewer = (most / 4).max(1);
        let of = account.clone();
        let votes = Function::new(world, "cast-vote", (API_TIMEOUT_MS, most), move |process| {
            let (client, clock) = client(&of, process);
            let polls = PollStore::over(client.clone(), POLLS.to_owned());
            Votes::over(polls, VoteStore::over(client, VOTES.to_owned()), clock)
        });
        let of = account.clone();
        let poll_changes = Function::new(world, "update-poll", (EDIT_TIMEOUT_MS, fewer), move |process| {
            let (client, clock) = client(&of, process);
            PollChanges::over(PollStore::over(client, POLLS.to_owned()), clock)
        });
        let of = account.clone();
        let showing = Function::new(world, "get-results", (API_TIMEOUT_MS, fewer), move |process| {
            let (client, clock) = client(&of, process);
            Showing { polls: PollStore::over(client, POLLS.to_owned()), clock }
        });
        let of = account.clone();
        let relay = Function::new(world, "relay-votes", (RELAY_TIMEOUT_MS, fewer), move |process| {
            let (client, clock) = client(&of, process);
            let queue = |url: &str| Queue::over(client.clone(), url.to_owned(), clock.clone());
            Relay::new(queue(TALLY_QUEUE), queue(RELAY_DLQ))
        });
        let of = account.clone();
        let tally = Function::new(world, "tally-votes", (TALLY_TIMEOUT_MS, fewer), move |process| {
            let (client, clock) = client(&of, process);
            let store = TallyStore::over(client.clone(), TALLIES.to_owned());
            let polls = PollStore::over(client.clone(), POLLS.to_owned());
            let heat_watch = HeatWatch::new(polls, of.world.scenario.heat_limits);
            let queue = |url: &str| Queue::over(client.clone(), url.to_owned(), clock.clone());
            let queues = Queues { tally_queue: queue(TALLY_QUEUE), tally_dlq: queue(TALLY_DLQ) };
            let limits = TallyLimits { runs: of.world.draw_code_version(), ..of.world.scenario.counting };
            Tally::new(store, heat_watch, queues, limits, clock.clone())
        });
        let of = account.clone();
        let finalise = Function::new(world, "finalise-poll", (FINALISE_TIMEOUT_MS, fewer), move |process| {
            let (client, clock) = client(&of, process);
            let polls = PollStore::over(client.clone(), POLLS.to_owned());
            let votes = VoteStore::over(client.clone(), VOTES.to_owned());
            let tallies = TallyStore::over(client.clone(), TALLIES.to_owned());
            let jobs = JobStore::over(client.clone(), JOBS.to_owned());
            let code = of.world.draw_code_version();
            let limits = FinaliseLimits {
                // Other processes may have another release, which splits a poll otherwise.
                votes_a_step: of.world.scenario.votes_a_step << of.world.draw(2),
                runs: RunLimits { merged_bytes_max: RUN_LIMITS.merged_bytes_max, ..code },
            };
            Finalise::over((polls, votes, tallies, jobs), client, clock, limits)
        });
        let of = account.clone();
        let operator = Function::new(world, "landslide", (OPERATOR_TIMEOUT_MS, usize::MAX), move |process| {
            let (client, clock) = client(&of, process);
            Program::new(client, clock)
        });
        Rc::new(Self {
            world: world.clone(),
            account,
            votes,
            poll_changes,
            showing,
            operator,
            finalise,
            relay,
            tally,
            bucket: RefCell::default(),
            kept: RefCell::default(),
        })
    }

    /// A request to an endpoint by way of the gateway. `None`: no answer.
    pub async fn request<A: 'static, T: 'static>(
        &self,
        function: &Rc<Function<A>>,
        endpoint: impl AsyncFnOnce(Rc<A>) -> Result<T, Error> + 'static,
    ) -> Option<Result<T, Error>> {
        self.numbered_request(self.world.next_invocation(), function, endpoint).await
    }

    /// The same, whose writes are told from those of others by the invocation's number.
    pub async fn numbered_request<A: 'static, T: 'static>(
        &self,
        invocation: u64,
        function: &Rc<Function<A>>,
        endpoint: impl AsyncFnOnce(Rc<A>) -> Result<T, Error> + 'static,
    ) -> Option<Result<T, Error>> {
        count(&self.world.numbers.requests);
        let time_left = Duration::from_millis(function.timeout_ms() - ANSWER_MS);
        let work = |app: Rc<A>, clock: ProcessClock| -> Work<Result<T, Error>> {
            clock.process.invocation.set(invocation);
            Box::pin(async move {
                let answer = clock.within(time_left, endpoint(app)).await;
                answer.unwrap_or_else(|| Err(Error::Unavailable("it took too long".to_owned())))
            })
        };
        match function.invoke(work).await {
            Ok(answer) => Some(answer),
            // The gateway's answer: 429 or 503, try again.
            Err(NoOutcome::Throttled) => Some(Err(Error::Unavailable("throttled".to_owned()))),
            Err(NoOutcome::Lost) => None,
        }
    }

    /// Whether a batch was relayed.
    pub async fn relayed(&self, batch: &[Record]) -> bool {
        let records: Vec<&str> = batch.iter().map(|record| &*record.json).collect();
        let event = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let event = StreamEvent::read(event.as_bytes()).expect("an event of the stream");
        let work = |app: Rc<RelayApp>, _| -> Work<bool> { Box::pin(async move { app.relay(event).await.is_ok() }) };
        self.relay.invoke(work).await.unwrap_or(false)
    }
}
