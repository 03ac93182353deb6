//! What is done to the stack, one deed after the other.

use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    faults::{Fault, Faults},
    way::Way,
};
use crate::support::{
    App, Copies, Process, StreamReader, analytics_servers, message_is_of, new_record, operator_environment,
    run_operator, tally_queue_is_empty,
};

/// The functions on a vote's way.
const ON_THE_WAY: [&str; 4] = ["authorizer", "cast-vote", "relay-votes", "tally-votes"];
/// The pause between two deeds, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 50..400;
/// How long a process is frozen, or a storm lasts, in milliseconds.
const SPELL_MS: std::ops::Range<u64> = 500..4_000;
/// How much longer it goes on where some kind of fault has not happened.
const LONGER_MAX: Duration = Duration::from_secs(180);
/// How long an outage lasts at most. It ends with that many dead letters more.
const OUTAGE_MAX: Duration = Duration::from_secs(60);
const OUTAGE_LETTERS: u64 = 3;
/// The most records of a replayed batch.
const REPLAYED_MAX: usize = 40;
/// The most records that are remembered for that.
const RECORDS_MAX: usize = 2_000;
/// How often dead letters are redriven in the end. Once is enough if what they wait for is there.
const REDRIVES_MAX: usize = 20;
/// The exit codes of `landslide redrive`: all letters were returned, or some are left because they can't be read.
const REDRIVEN: [i32; 2] = [0, 3];

/// Something that is done to the stack.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Kill,
    KillAll,
    Restart,
    Freeze,
    Storm,
    Replay,
    Duplicate,
    Poison,
    Outage,
    KillAnalytics,
}

/// How often each is done in a round.
const ROUND: [(Deed, usize); 10] = [
    (Deed::Kill, 6),
    (Deed::KillAll, 1),
    (Deed::Restart, 1),
    (Deed::Freeze, 2),
    (Deed::Storm, 2),
    (Deed::Replay, 4),
    (Deed::Duplicate, 4),
    (Deed::Poison, 2),
    (Deed::Outage, 1),
    (Deed::KillAnalytics, 2),
];

/// What nobody can read, and the queue where it has to end.
struct Poison {
    dead_letters: &'static str,
    text: String,
}

/// Who does it.
pub struct Chaos<'a> {
    app: &'a App,
    polls: Vec<String>,
    way: &'a Way,
    /// What has happened.
    pub faults: Faults,
    rng: Rng,
    stream: StreamReader,
    records: Vec<Value>,
    poison: Vec<Poison>,
    redriven: u64,
}

impl<'a> Chaos<'a> {
    /// Over the polls that are voted in; before the first vote.
    pub async fn new(app: &'a App, polls: &[&str], way: &'a Way, faults: Faults, rng: Rng) -> Self {
        Self {
            app,
            polls: polls.iter().map(ToString::to_string).collect(),
            way,
            faults,
            rng,
            stream: app.aws.stream_reader("LATEST").await,
            records: Vec::new(),
            poison: Vec::new(),
            redriven: 0,
        }
    }

    /// Kinds of faults that never happened, though this stack can have them.
    pub fn missing(&self) -> Vec<Fault> {
        let mut missing = self.faults.missing();
        missing.retain(|fault| *fault != Fault::AnalyticsKilled || self.app.stack.has("analytics"));
        missing
    }

    /// How many dead letters were redriven.
    pub fn redriven(&self) -> u64 {
        self.redriven
    }

    /// Does one thing after the other, round by round in another order, for that long; longer where some kind has not
    /// happened by then, as few calls are made meanwhile.
    pub async fn go_on_for(&mut self, time: Duration) {
        let started = Instant::now();
        while started.elapsed() < time || (!self.missing().is_empty() && started.elapsed() < time + LONGER_MAX) {
            let mut round: Vec<Deed> = ROUND.iter().flat_map(|(deed, times)| vec![*deed; *times]).collect();
            self.rng.shuffle(&mut round);
            for deed in round {
                self.pause(PAUSE_MS).await;
                self.make(deed).await;
            }
        }
    }

    async fn pause(&mut self, millis: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.rng.u64(millis))).await;
    }

    async fn make(&mut self, deed: Deed) {
        match deed {
            Deed::Kill => self.kill(),
            Deed::KillAll => {
                if self.kill_all() > 0 {
                    self.faults.happened(Fault::KilledAll);
                }
            }
            Deed::Restart => self.restart().await,
            Deed::Freeze => self.freeze().await,
            Deed::Storm => self.way.storm(Duration::from_millis(self.rng.u64(SPELL_MS))),
            Deed::Replay => self.replay().await,
            Deed::Duplicate => self.duplicate().await,
            Deed::Poison => self.poison().await,
            Deed::Outage => self.outage().await,
            Deed::KillAnalytics => self.kill_analytics().await,
        }
    }

    /// A process of one of the functions on the way, if any runs.
    fn a_process(&mut self) -> Option<Process> {
        let function = self.app.stack.function(ON_THE_WAY[self.rng.usize(..ON_THE_WAY.len())]);
        let mut processes = Process::of(&self.app.stack);
        processes.retain(|process| process.function == function);
        let number = self.rng.usize(..processes.len().max(1));
        processes.into_iter().nth(number)
    }

    fn kill(&mut self) {
        if self.a_process().is_some_and(|process| process.kill()) {
            self.faults.happened(Fault::Killed);
        }
    }

    /// Kills all processes of all functions; how many there were.
    fn kill_all(&self) -> usize {
        Process::of(&self.app.stack).iter().filter(|process| process.kill()).count()
    }

    /// Stops the counting, ends every process, and starts it again: as much of a restart as a cloud survives whose
    /// tables are in memory.
    async fn restart(&mut self) {
        let [relay, tally] = ["relay-votes", "tally-votes"].map(|name| self.app.stack.function(name));
        for function in [&relay, &tally] {
            self.app.aws.enable_event_source(function, false).await;
        }
        self.kill_all();
        self.pause(SPELL_MS).await;
        for function in [&tally, &relay] {
            self.app.aws.enable_event_source(function, true).await;
        }
        self.faults.happened(Fault::Restarted);
    }

    async fn freeze(&mut self) {
        let Some(process) = self.a_process().filter(Process::freeze) else { return };
        self.pause(SPELL_MS).await;
        if process.wake() {
            self.faults.happened(Fault::Frozen);
        }
    }

    /// Gives the relay records of the stream again, in another order and another batch, one of them twice.
    async fn replay(&mut self) {
        self.records.extend(self.app.aws.next_records(&mut self.stream).await);
        self.rng.shuffle(&mut self.records);
        self.records.truncate(RECORDS_MAX);
        let number = self.rng.usize(1..REPLAYED_MAX);
        let mut batch: Vec<Value> = self.records.iter().take(number).cloned().collect();
        let Some(first) = batch.first().cloned() else { return };
        batch.push(first);
        self.relay(&batch).await;
        self.faults.happened(Fault::Replayed);
    }

    /// Whether the relay took these records; it may be killed over them.
    async fn relay(&self, records: &[Value]) -> bool {
        self.app.aws.invoke(&self.app.stack.function("relay-votes"), &json!({"Records": records})).await.is_ok()
    }

    async fn duplicate(&mut self) {
        let Some(message) = self.way.message(&mut self.rng) else { return };
        self.app.aws.send(self.app.stack.output("TallyQueueUrl"), &message.group, &message.body).await;
        self.faults.happened(Fault::Duplicated);
    }

    /// A message that is none, in front of votes of its lane; a record whose time is none, in a batch with others.
    async fn poison(&mut self) {
        let poll = self.polls[self.rng.usize(..self.polls.len())].clone();
        let text = format!("no message {:x} of {poll}", self.rng.u64(..));
        let group = format!("{poll}#{}", self.rng.u8(..2));
        self.app.aws.send(self.app.stack.output("TallyQueueUrl"), &group, &text).await;
        self.poison.push(Poison { dead_letters: "TallyDlqUrl", text });
        let mut record = new_record(&poll, 0);
        let time = format!("no time {:x}", self.rng.u64(..));
        record["dynamodb"]["NewImage"]["cast_at"] = json!({"N": time});
        if self.relay(&[record]).await {
            self.poison.push(Poison { dead_letters: "RelayDlqUrl", text: time });
        }
        self.faults.happened(Fault::Poisoned);
    }

    /// Keeps the Tallies table out of reach until messages are dead letters, then redrives them.
    async fn outage(&mut self) {
        let dead_letters = self.app.stack.output("TallyDlqUrl");
        let before = self.app.aws.messages_in(dead_letters).await;
        let started = Instant::now();
        self.way.set_outage(true);
        let is_full = loop {
            if self.app.aws.messages_in(dead_letters).await >= before + OUTAGE_LETTERS {
                break true;
            }
            if started.elapsed() > OUTAGE_MAX {
                break false;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        self.way.set_outage(false);
        if is_full && self.redrive().await > 0 {
            self.faults.happened(Fault::Outage);
        }
    }

    /// Kills a server of analytics for a while, or what syncs to it in the middle of a run.
    async fn kill_analytics(&mut self) {
        if !self.app.stack.has("analytics") {
            return;
        }
        match ["primary", "replica", "sync"][self.rng.usize(..3)] {
            "sync" => {
                let (sync, millis) = (self.app.stack.output("Analytics"), self.rng.u64(1..200));
                let copies = Copies { app: self.app };
                let kill = async {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    Process::of(&self.app.stack).iter().filter(|it| it.function == sync && it.kill()).count()
                };
                if tokio::join!(copies.sync(json!({})), kill).1 == 0 {
                    return;
                }
            }
            server => {
                analytics_servers(&["kill", server]);
                self.pause(SPELL_MS).await;
                analytics_servers(&["start"]);
            }
        }
        self.faults.happened(Fault::AnalyticsKilled);
    }

    /// Redrives all dead letters that can be read. Returns how many went to the tally queue.
    async fn redrive(&mut self) -> u64 {
        let environment = operator_environment(self.app);
        let output = tokio::task::spawn_blocking(move || run_operator(&environment, &["redrive"])).await.unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.code().is_some_and(|code| REDRIVEN.contains(&code)), "redrive: {told}");
        let line = told.lines().find_map(|line| line.strip_prefix("TallyDlq: ")?.split_once(" returned"));
        let returned = line.unwrap_or_else(|| panic!("redrive: {told}")).0.parse().unwrap();
        self.redriven += returned;
        returned
    }

    /// Redrives dead letters until none that can be read is left. Call it once nothing goes wrong any more.
    pub async fn mend(&mut self) {
        for _ in 0..REDRIVES_MAX {
            tally_queue_is_empty(self.app).await;
            if self.redrive().await == 0 {
                return;
            }
        }
        panic!("there are dead letters again after {REDRIVES_MAX} redrives, though nothing goes wrong any more");
    }

    /// Takes the dead letters out. What nobody can read must be among them, and nothing else; else what is wrong.
    pub async fn take_poison(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for queue in ["TallyDlqUrl", "RelayDlqUrl"] {
            let is_ours = |body: &str| self.polls.iter().any(|poll| body.contains(poll) || message_is_of(body, poll));
            let letters = self.app.aws.take_letters(self.app.stack.output(queue), |letter| is_ours(&letter.body)).await;
            let poison: Vec<&Poison> = self.poison.iter().filter(|poison| poison.dead_letters == queue).collect();
            for Poison { text, .. } in &poison {
                if !letters.iter().any(|letter| letter.body.contains(text)) {
                    wrong.push(format!("{text} is not in {queue}"));
                }
            }
            for letter in &letters {
                if !poison.iter().any(|poison| letter.body.contains(&poison.text)) {
                    wrong.push(format!("in {queue}: {letter:?}"));
                }
            }
        }
        wrong
    }
}
