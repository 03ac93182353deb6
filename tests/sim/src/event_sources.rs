//! What calls the functions by itself: Lambda's readers of the votes' stream and of the tally queue.

use std::{collections::HashSet, fmt::Write, rc::Rc};

use landslide_aws::queue::batch::{BatchReport, QueueEvent, pause_before_next_receive};

use crate::{
    cloud::{Cloud, TallyApp},
    events::Event,
    faults::Fault,
    models::{
        account::Account,
        lambda::{NoOutcome, Work},
        queue::{Message, Receipt, handle},
        stream::{PLACES, Record, Shard},
    },
    world::World,
};

/// Records of this age are given up by the stream's reader (`MaximumRecordAgeInSeconds`), in milliseconds.
const RECORD_AGE_MAX_MS: u64 = 82_800_000;
/// Records of this age are gone, in milliseconds.
const RECORD_LIFE_MS: u64 = 86_400_000;
/// The longest pause between two tries of a stream batch, in milliseconds.
const RETRY_PAUSE_MS: u64 = 600_000;
/// The first pause between two tries of a queue batch whose invocation was throttled, doubled at each, in milliseconds.
const THROTTLED_PAUSE_MS: u64 = 200;
/// The most messages of a queue batch.
const MESSAGES_MAX: usize = 10;
/// The most records by which a lost checkpoint lies back.
const REWIND_RECORDS: u64 = 400;
/// One batch in this many is kept, to be relayed again much later.
const KEEP_BATCH_IN: u64 = 8;

/// Starts the readers of the stream and of the queue.
pub fn start(cloud: &Rc<Cloud>) {
    let executor = &cloud.world.executor;
    for shard in cloud.account.stream.shards() {
        executor.spawn(read_shard(cloud.clone(), shard));
    }
    for _ in 0..cloud.world.scenario.queue_readers {
        executor.spawn(read_queue(cloud.clone()));
    }
}

/// Relays again what was kept of the batches of long ago.
pub fn repeat_the_past(cloud: &Rc<Cloud>) {
    for batch in cloud.kept.borrow().iter() {
        relay_again(cloud, batch.clone());
    }
}

/// Relays a batch once more, whatever comes of it.
fn relay_again(cloud: &Rc<Cloud>, batch: Vec<Record>) {
    let again = cloud.clone();
    cloud.world.executor.spawn(async move {
        again.relayed(&batch).await;
    });
}

/// Reads a shard from its checkpoint, batch by batch, each until it is relayed or given up.
async fn read_shard(cloud: Rc<Cloud>, shard: Rc<Shard>) {
    let (world, account) = (&cloud.world, &cloud.account);
    if let Some(parent) = &shard.parent {
        while !parent.is_finished() {
            parent.changed.wait().await;
        }
    }
    loop {
        while shard.is_read() {
            if shard.is_finished() {
                return;
            }
            shard.changed.wait().await;
        }
        // A batch that is full goes at once.
        let most = world.scenario.batch_records_max;
        let window_ms = if shard.next(most).len() < most { world.scenario.window_ms } else { 0 };
        world.executor.sleep(window_ms + world.draw(250)).await;
        let batch = next_batch(world, &shard);
        let is_relayed = relay_until_given_up(&cloud, &batch).await;
        if !is_relayed {
            cloud.bucket.borrow_mut().push(batch.clone());
        }
        if world.faults.strikes(Fault::StreamRepeated) {
            relay_again(&cloud, batch.clone());
        }
        shard.advance(batch.len());
        if world.once_in(KEEP_BATCH_IN) {
            cloud.kept.borrow_mut().push(batch);
        }
        // Lost again and again after 23 hours, the checkpoint would not get past what the stream drops after 24.
        if is_relayed && world.faults.strikes(Fault::StreamRewound) {
            shard.rewind(world.draw(REWIND_RECORDS) as usize);
        }
        if world.faults.strikes(Fault::ShardSplit) {
            for child in account.stream.split(world.draw_index(PLACES)) {
                world.executor.spawn(read_shard(cloud.clone(), child));
            }
        }
    }
}

fn next_batch(world: &World, shard: &Shard) -> Vec<Record> {
    // Behind a lost checkpoint they may be gone, and are no loss: they lie in the bucket already.
    if shard.skip(|record| world.executor.now_ms() - record.at_ms > RECORD_LIFE_MS) {
        world.observe(&Event::RecordsLost);
    }
    let most = world.scenario.batch_records_max;
    shard.next(if world.scenario.is_plain { most } else { 1 + world.draw_index(most) })
}

/// Relays a batch again and again; whether it was relayed before its records were too old.
async fn relay_until_given_up(cloud: &Rc<Cloud>, batch: &[Record]) -> bool {
    let world = &cloud.world;
    let mut pause = 1_000;
    while !cloud.relayed(batch).await {
        let oldest = batch.iter().map(|record| record.at_ms).min().unwrap_or_default();
        if world.executor.now_ms() - oldest > RECORD_AGE_MAX_MS {
            return false;
        }
        world.executor.sleep(world.draw(pause)).await;
        pause = (pause * 2).min(RETRY_PAUSE_MS);
    }
    true
}

/// Receives from the queue and has it counted, batch by batch.
async fn read_queue(cloud: Rc<Cloud>) {
    let (world, account) = (&cloud.world, &cloud.account);
    loop {
        let free = account.queue.free_groups();
        if free.is_empty() {
            account.queue.available.wait().await;
            continue;
        }
        let now = world.executor.now_ms();
        let hidden_until = now + world.scenario.visibility_ms;
        let (receipt, dead) =
            account.queue.receive(&wanted(world, free), world.scenario.receives_max, (now, hidden_until));
        dead.into_iter().for_each(|message| give_up(account, message));
        if receipt.messages.is_empty() {
            continue;
        }
        let again = receipt.messages.iter().filter(|message| message.receives > 1).count();
        world.numbers.redeliveries.set(world.numbers.redeliveries.get() + again as u64);
        account.release_due_after(world.scenario.visibility_ms, receipt.number);
        if world.faults.strikes(Fault::SeenTwice) {
            release_after(account, world.draw(50), receipt.number);
        }
        if let Some(failed) = count_batch(&cloud, &receipt, hidden_until).await
            && !world.faults.strikes(Fault::DeleteLost)
        {
            settle(account, receipt.number, &receipt.messages, &failed);
        }
    }
}

/// Has a batch counted: again and again while there is no process for it and its messages are hidden. The ids that it reports.
async fn count_batch(cloud: &Rc<Cloud>, receipt: &Receipt, hidden_until_ms: u64) -> Option<HashSet<u64>> {
    let executor = &cloud.world.executor;
    let mut pause = THROTTLED_PAUSE_MS;
    loop {
        let event = queue_event(receipt);
        let work = |app: Rc<TallyApp>, _| -> Work<HashSet<u64>> {
            Box::pin(async move { failed_ids(app.count(event).await.report()) })
        };
        match cloud.tally.invoke(work).await {
            Ok(failed) => return Some(failed),
            Err(NoOutcome::Throttled) if executor.now_ms() < hidden_until_ms => {
                executor.sleep(1 + cloud.world.draw(pause)).await;
                pause *= 2;
            }
            Err(_) => return None,
        }
    }
}

/// Moves a message that was handed out too often to the dead letters. Observes how long that took, because the pauses
/// between its tries must have passed.
fn give_up(account: &Account, message: Message) {
    let world = &account.world;
    let now = world.executor.now_ms();
    let pause_ms = |receives| pause_before_next_receive(receives).as_millis() as u64;
    let pauses = (1..=message.receives).map(|receives| pause_ms(receives).min(world.scenario.visibility_ms));
    let is_seen_early = world.scenario.rates[Fault::SeenTwice as usize] > 0.0;
    let least_ms = if is_seen_early { 0 } else { pauses.sum() };
    world.observe(&Event::DeadLetter { after_ms: now - message.first_received_ms, least_ms });
    world.tell("queue", || format!("gives up message {} of {}", message.id, message.sent.group));
    account.tally_dlq.send(message.sent, now);
}

/// Some groups, and how many messages of each.
fn wanted(world: &World, mut free: Vec<Rc<str>>) -> Vec<(Rc<str>, usize)> {
    if world.scenario.is_plain {
        return vec![(free.swap_remove(world.draw_index(free.len())), MESSAGES_MAX)];
    }
    let mut wanted = Vec::new();
    let mut room = 1 + world.draw_index(MESSAGES_MAX);
    while room > 0 && !free.is_empty() {
        let group = free.swap_remove(world.draw_index(free.len()));
        let most = 1 + world.draw_index(room);
        room -= most;
        wanted.push((group, most));
    }
    wanted
}

fn release_after(account: &Rc<Account>, ms: u64, receipt: u64) {
    let again = account.clone();
    account.world.executor.after(ms, move || {
        again.queue.release(receipt);
    });
}

/// Deletes what is counted; the rest comes again when its time is over.
fn settle(account: &Account, receipt: u64, messages: &[Message], failed: &HashSet<u64>) {
    account.queue.delete(receipt, |message| !failed.contains(&message.id));
    for message in messages.iter().filter(|message| !failed.contains(&message.id)) {
        if account.world.faults.strikes(Fault::MessageRepeated) {
            account.queue.append(message.sent.clone());
        }
    }
}

/// The event that Lambda makes of messages.
fn queue_event(receipt: &Receipt) -> QueueEvent {
    let mut json = String::from(r#"{"Records":["#);
    for (place, message) in receipt.messages.iter().enumerate() {
        let separator = if place > 0 { "," } else { "" };
        let (id, body, group, receives) = (message.id, &message.sent.body, &message.sent.group, message.receives);
        let handle = handle(receipt.number, id);
        let attributes =
            format!(r#"{{"MessageGroupId":"{group}","SequenceNumber":"{id}","ApproximateReceiveCount":"{receives}"}}"#);
        write!(
            json,
            r#"{separator}{{"messageId":"{id}","receiptHandle":"{handle}","body":"{body}","attributes":{attributes}}}"#
        )
        .unwrap();
    }
    json.push_str("]}");
    serde_json::from_str(&json).expect("an event of the queue")
}

/// The ids in a report, as Lambda reads it.
fn failed_ids(report: BatchReport) -> HashSet<u64> {
    let report = serde_json::to_value(report).expect("a report is JSON");
    let failures = report["batchItemFailures"].as_array().expect("a list of failures");
    failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().parse().expect("our id")).collect()
}
