//! tally-votes by counts: batches of the queue, lane by lane, as `counting` writes them.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use futures_util::future::{join_all, try_join_all};
use landslide_aws::clock::Clock;
use landslide_aws::queue::batch::pause_before_next_receive;
use landslide_counting::tallies::{ATTEMPTS_MAX, PAUSE_MS};
use landslide_counting::tally::{GROUP_TIME_MAX, SEEN_CACHE_BYTES_MAX};
use landslide_domain::{
    heat::{HEAT_LIMITS, Heat, Progress, Spent},
    runs::{Attempt, RUN_LIMITS},
    tally::{FLUSH_CHANGES_MAX, RECENT_IDS_MAX},
    time::MINUTE_MS,
};
use landslide_sim::item::write_units;

use crate::{
    fifo::{Message, Portion, Votes},
    measures::{Limit, add},
    model::Model,
    parameters::{Placement, Stalled},
    relay::{LATE_MS, split},
    tallies::{Call, Failed},
    tidying,
    world::{World, WorldClock},
};

/// The longest page of a query, in bytes.
const PAGE_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes of a remembered id in a process, with its place in the set.
const REMEMBERED_BYTES: u64 = 32;

/// A process of tally-votes: what it remembers of counted ids.
#[derive(Default)]
pub struct Process {
    /// By minute and lane: up to which version the rows are known, and how many ids that are.
    known: RefCell<BTreeMap<(u64, u8), (u64, u64)>>,
    ids: Cell<u64>,
    heats: RefCell<BTreeMap<u8, Heat>>,
}

impl Process {
    fn high_water(&self, minute: u64, lane: u8) -> u64 {
        self.known.borrow().get(&(minute, lane)).map_or(0, |(version, _)| *version)
    }

    /// Notes ids that were read or written; the oldest minutes are forgotten where there are too many.
    fn remember(&self, minute: u64, lane: u8, high_water: u64, more: u64) {
        let mut known = self.known.borrow_mut();
        let (version, ids) = known.entry((minute, lane)).or_default();
        *version = high_water;
        *ids += more;
        self.ids.set(self.ids.get() + more);
        while self.ids.get() * REMEMBERED_BYTES > SEEN_CACHE_BYTES_MAX as u64
            && let Some((_, (_, forgotten))) = known.pop_first()
        {
            self.ids.set(self.ids.get() - forgotten);
        }
    }

    /// How many ids of a lane it knows.
    fn knows_of(&self, lane: u8) -> u64 {
        self.known.borrow().iter().filter(|((_, of), _)| *of == lane).map(|(_, (_, ids))| ids).sum()
    }
}

/// The processes that are idle.
#[derive(Default)]
pub struct Processes {
    idle: RefCell<Vec<Rc<Process>>>,
    started: Cell<usize>,
    /// Lanes of which a batch has failed on purpose.
    failed: RefCell<BTreeSet<u8>>,
}

impl Processes {
    /// A process for a batch, and whether it is to be started first.
    fn place(&self, world: &World, first_lane: u8) -> (Rc<Process>, bool) {
        let mut idle = self.idle.borrow_mut();
        let may_start = self.started.get() < world.parameters.tally_concurrency;
        let hops = world.parameters.tally_placement == Placement::Hop;
        if idle.is_empty() || (hops && may_start) {
            self.started.set(self.started.get() + 1);
            add(&world.measures.counts.cold_processes, 1);
            return (Rc::default(), true);
        }
        let chosen = match world.parameters.tally_placement {
            Placement::Any => world.draw(idle.len() as u64) as usize,
            Placement::Hop => (0..idle.len()).min_by_key(|place| idle[*place].knows_of(first_lane)).unwrap_or_default(),
        };
        (idle.swap_remove(chosen), false)
    }
}

impl Processes {
    /// Whether a lane's batch fails now: once for each lane, from a time on.
    fn fails(&self, world: &World, lane: u8) -> bool {
        let parameters = &world.parameters;
        let may_fail = parameters.lanes_fail_once && world.now_ms() >= parameters.stall_at_s * 1_000;
        may_fail && self.failed.borrow_mut().insert(lane)
    }
}

/// Receives from the queue and counts, batch by batch.
pub async fn read_queue(model: Rc<Model>, processes: Rc<Processes>, starts_ms: u64) {
    model.world.executor.sleep(starts_ms).await;
    let parameters = &model.world.parameters;
    loop {
        model.world.wait_for(Stalled::Tally).await;
        let batch = model.queue.receive(parameters.queue_batch_messages, parameters.queue_batch_bytes);
        if batch.is_empty() {
            model.queue.changed.wait().await;
            continue;
        }
        notice_late(&model.world, &batch);
        let received = model.world.now_ms();
        bill_receive(&model.world, &batch);
        model.world.queue_call().await;
        let (process, is_cold) = processes.place(&model.world, batch[0].lane);
        let began = model.world.now_ms();
        if is_cold {
            model.world.executor.sleep(parameters.tally_cold_ms).await;
        }
        model.world.executor.sleep(parameters.tally_invocation_ms).await;
        let groups = batch.into_iter().map(|portion| async {
            if processes.fails(&model.world, portion.lane) {
                return (portion.lane, portion.messages);
            }
            count_group(&model, &process, portion).await
        });
        let outcomes = join_all(groups).await;
        processes.idle.borrow_mut().push(process);
        add(&model.world.measures.counts.tallies, 1);
        add(&model.world.measures.counts.tally_ms, model.world.now_ms() - began);
        model.world.queue_call().await;
        for (lane, again) in outcomes {
            settle(&model, lane, again, received);
        }
    }
}

fn bill_receive(world: &World, batch: &[Portion]) {
    let bytes: u64 = batch.iter().flat_map(|portion| &portion.messages).map(|message| message.bytes).sum();
    // And the call that deletes.
    add(&world.measures.counts.queue_requests, bytes.div_ceil(crate::relay::BILLED_BYTES) + 1);
}

fn notice_late(world: &World, batch: &[Portion]) {
    let now = world.now_ms();
    let messages = batch.iter().flat_map(|portion| &portion.messages);
    let late = messages.filter(|message| now - message.sent_ms > LATE_MS).count();
    if late > 0 {
        world.met(Limit::Lane, late as u64);
    }
}

/// Frees the group; what was not counted comes again when its time is over, and nothing of its group before.
fn settle(model: &Rc<Model>, lane: u8, again: Vec<Message>, received_ms: u64) {
    if again.is_empty() {
        return model.queue.settle(lane, again);
    }
    add(&model.world.measures.counts.redelivered, again.len() as u64);
    let model = model.clone();
    let left = if model.world.parameters.tally_changes_visibility {
        add(&model.world.measures.counts.queue_requests, 1);
        pause_before_next_receive(again[0].receives).as_millis() as u64
    } else {
        (received_ms + model.world.parameters.visibility_ms).saturating_sub(model.world.now_ms())
    };
    let queue_of = model.clone();
    model.world.executor.after(left, move || queue_of.queue.settle(lane, again));
}

/// Counts a group; what is to come again of it.
async fn count_group(model: &Rc<Model>, process: &Process, portion: Portion) -> (u8, Vec<Message>) {
    let (lane, received, began) = (portion.lane, portion.messages.len(), model.world.now_ms());
    let messages = RefCell::new(portion.messages);
    let counted = WorldClock(model.world.clone()).within(GROUP_TIME_MAX, apply(model, process, lane, &messages)).await;
    if counted.is_none() {
        model.world.met(Limit::GroupTime, 1);
    }
    let Some(Ok(spent)) = counted else { return (lane, messages.into_inner()) };
    note_heat(model, process, lane, spent, received);
    let left = GROUP_TIME_MAX.saturating_sub(Duration::from_millis(model.world.now_ms() - began));
    // What is not tidied now is left to a later batch.
    WorldClock(model.world.clone()).within(left, tidying::tidy(model, lane)).await.and_then(Result::ok);
    (lane, Vec::new())
}

async fn apply(
    model: &Rc<Model>,
    process: &Process,
    lane: u8,
    messages: &RefCell<Vec<Message>>,
) -> Result<Spent, Failed> {
    let mut attempt = 0;
    loop {
        let outcome = try_apply(model, process, lane, messages).await;
        if outcome.is_ok() || attempt + 1 == ATTEMPTS_MAX {
            return outcome;
        }
        attempt += 1;
        WorldClock(model.world.clone()).back_off(PAUSE_MS, attempt).await;
    }
}

async fn try_apply(
    model: &Rc<Model>,
    process: &Process,
    lane: u8,
    messages: &RefCell<Vec<Message>>,
) -> Result<Spent, Failed> {
    let (version, recent_ids, head_bytes) = {
        let items = model.tallies.lane(lane).borrow();
        (items.version, items.recent.values().sum::<u64>(), items.head_bytes)
    };
    model.tallies.call(&model.world, lane, Call::Read(head_bytes)).await?;
    let votes: u64 = messages.borrow().iter().map(Message::total).sum();
    let minutes = minutes_of(&messages.borrow());
    let read = try_join_all(minutes.iter().map(|minute| catch_up(model, process, lane, *minute, version))).await?;
    let ids = recent_ids + read.iter().sum::<u64>();
    add(&model.world.measures.counts.ids_read, ids);
    let cpu_us =
        votes as f64 * model.world.parameters.tally_us_a_vote + ids as f64 * model.world.parameters.tally_us_an_id;
    model.world.wait(cpu_us / 1_000.0).await;
    let fresh = messages.borrow().iter().flat_map(fresh_of).collect();
    let mut spent = Spent::default();
    for flush in split(fresh, FLUSH_CHANGES_MAX as u64) {
        let write_units = commit(model, process, lane, &flush).await?;
        spent.add(Spent { write_units, changes: flush.iter().map(|votes| votes.count).sum() });
        note_counted(&mut messages.borrow_mut(), &flush);
    }
    spent.write_units += copy(model, lane).await?;
    Ok(spent)
}

fn minutes_of(messages: &[Message]) -> BTreeSet<u64> {
    messages.iter().flat_map(|message| &message.votes).map(|votes| votes.stored_ms / MINUTE_MS).collect()
}

/// What of a message is not counted yet.
fn fresh_of(message: &Message) -> Vec<Votes> {
    let mut skip = message.counted;
    let mut fresh = Vec::new();
    for votes in &message.votes {
        let skipped = votes.count.min(skip);
        skip -= skipped;
        if votes.count > skipped {
            fresh.push(Votes { count: votes.count - skipped, ..*votes });
        }
    }
    fresh
}

fn note_counted(messages: &mut [Message], flush: &[Votes]) {
    let mut counted: u64 = flush.iter().map(|votes| votes.count).sum();
    for message in messages {
        let more = (message.total() - message.counted).min(counted);
        message.counted += more;
        counted -= more;
    }
}

/// Reads what the process does not know of a minute; how many ids.
async fn catch_up(model: &Rc<Model>, process: &Process, lane: u8, minute: u64, version: u64) -> Result<u64, Failed> {
    let high_water = process.high_water(minute, lane);
    if high_water + 1 >= version {
        process.remember(minute, lane, version.saturating_sub(1), 0);
        return Ok(0);
    }
    let (ids, bytes) = {
        let items = model.tallies.lane(lane).borrow();
        let rows = items.rows.get(&minute).into_iter().flatten().filter(|(version, _)| *version > high_water);
        rows.fold((0, 0), |(ids, bytes), (_, more)| (ids + more, bytes + model.world.sizes.row_with(*more)))
    };
    let pages = bytes.div_ceil(PAGE_BYTES_MAX).max(1);
    for _ in 0..pages {
        model.tallies.call(&model.world, lane, Call::Read(bytes / pages)).await?;
    }
    process.remember(minute, lane, version - 1, ids);
    Ok(ids)
}

/// Writes a flush: first the rows of what HEAD is to lose, and a run, then HEAD. Returns the write units of it, runs twice
/// as they are deleted later.
async fn commit(model: &Rc<Model>, process: &Process, lane: u8, flush: &[Votes]) -> Result<u64, Failed> {
    let (before, version, former_bytes) = {
        let items = model.tallies.lane(lane).borrow();
        (items.recent.clone(), items.version, items.head_bytes)
    };
    let sizes = &model.world.sizes;
    let spills = before.values().sum::<u64>() > RECENT_IDS_MAX as u64;
    let mut units = 0;
    if spills {
        units += before.values().map(|ids| write_units(sizes.row_with(*ids))).sum::<u64>();
        let put = |ids: &u64| model.tallies.call(&model.world, lane, Call::Write(sizes.row_with(*ids), 0));
        try_join_all(before.values().map(put)).await?;
        add(&model.world.measures.counts.spills, before.len() as u64);
    }
    let mut recent = if spills { BTreeMap::new() } else { before.clone() };
    for votes in flush {
        *recent.entry(votes.stored_ms / MINUTE_MS).or_default() += votes.count;
    }
    let entries = model.world.entries(flush);
    let attempt = Attempt { random: 0, limits: RUN_LIMITS };
    let (entries, runs) = model.tallies.lane(lane).borrow().entries.plus(&entries, version + 1, &attempt);
    for run in runs {
        tidying::put_run(model, lane, &run).await?;
        units += 2 * run.chunks().map(|chunk| write_units(sizes.run_row(chunk.len()))).sum::<u64>();
    }
    let bytes = sizes.head_with(&recent) + sizes.entries(&entries);
    units += write_units(bytes.max(former_bytes));
    model.tallies.call(&model.world, lane, Call::Write(bytes, former_bytes)).await?;
    add(&model.world.measures.counts.heads, 1);
    let mut items = model.tallies.lane(lane).borrow_mut();
    if spills {
        for (minute, ids) in before {
            items.rows.entry(minute).or_default().push((version, ids));
            if process.high_water(minute, lane) + 1 == version {
                process.remember(minute, lane, version, ids);
            }
        }
    }
    (items.version, items.head_bytes, items.recent, items.entries) = (version + 1, bytes, recent, entries);
    items.ballots += flush.iter().map(|votes| votes.count).sum::<u64>();
    items.as_of_ms = flush.iter().map(|votes| votes.stored_ms).max().unwrap_or_default().max(items.as_of_ms);
    items.unseen.extend(flush);
    Ok(units)
}

/// Writes COUNT; from then on readers see what is in HEAD. Returns the write units of it.
async fn copy(model: &Rc<Model>, lane: u8) -> Result<u64, Failed> {
    let sizes = &model.world.sizes;
    let bytes = sizes.copy + sizes.entries(&model.tallies.lane(lane).borrow().entries);
    model.tallies.call(&model.world, lane, Call::Write(bytes, bytes)).await?;
    add(&model.world.measures.counts.copies, 1);
    let seen = std::mem::take(&mut model.tallies.lane(lane).borrow_mut().unseen);
    seen.iter().for_each(|votes| model.world.measures.counted(votes.stored_ms, votes.count, model.world.now_ms()));
    Ok(write_units(bytes))
}

/// Has the lanes double where the process finds this one too hot, if they may.
fn note_heat(model: &Model, process: &Process, lane: u8, spent: Spent, messages: usize) {
    if !model.world.parameters.lanes_grow {
        return;
    }
    let progress = {
        let items = model.tallies.lane(lane).borrow();
        Progress { ballots: items.ballots as i64, as_of: model.world.timestamp(items.as_of_ms) }
    };
    let is_full = messages >= model.world.parameters.queue_batch_messages;
    let hot_since = process.heats.borrow_mut().entry(lane).or_default().note(progress, spent, is_full, &HEAT_LIMITS);
    if let Some(hot_since) = hot_since {
        model.double_lanes(hot_since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    fn votes(stored_ms: u64, count: u64) -> Votes {
        Votes { stored_ms, count }
    }

    #[test]
    fn what_was_counted_before_a_failure_is_not_fresh_when_it_comes_again() {
        let message = |all: Vec<Votes>| Message { lane: 0, votes: all, counted: 0, bytes: 0, sent_ms: 0, receives: 0 };
        let mut messages = [message(vec![votes(0, 3), votes(50, 4)]), message(vec![votes(60, 5)])];
        note_counted(&mut messages, &[votes(0, 3), votes(50, 2)]);
        assert_eq!(fresh_of(&messages[0]), [votes(50, 2)]);
        note_counted(&mut messages, &[votes(50, 2), votes(60, 1)]);
        assert_eq!(fresh_of(&messages[0]), []);
        assert_eq!(fresh_of(&messages[1]), [votes(60, 4)]);
    }

    #[test]
    fn another_process_reads_what_the_first_has_written_and_the_first_does_not() {
        let model = Model::new(Parameters::default());
        let again = model.clone();
        model.world.executor.spawn(async move {
            let (first, second) = (Process::default(), Process::default());
            for (process, ids) in [(&first, 0), (&first, 0), (&first, 0), (&second, 400)] {
                let before = again.world.measures.counts.ids_read.get();
                let message =
                    Message { lane: 0, votes: vec![votes(0, 200)], counted: 0, bytes: 0, sent_ms: 0, receives: 0 };
                let recent: u64 = again.tallies.lane(0).borrow().recent.values().sum();
                assert!(apply(&again, process, 0, &RefCell::new(vec![message])).await.is_ok());
                assert_eq!(again.world.measures.counts.ids_read.get() - before - recent, ids);
            }
        });
        assert!(model.world.executor.run(u64::MAX));
        assert_eq!(model.world.measures.counts.heads.get(), 4);
        assert_eq!(model.world.measures.counts.spills.get(), 3);
        assert_eq!(model.world.measures.counts.counted.get(), 800);
    }
}
