//! relay-votes by counts: shard by shard, batch by batch, one message a lane.

use std::{collections::BTreeMap, rc::Rc};

use futures_util::{StreamExt, stream};
use landslide_aws::{
    clock::Clock,
    queue::{BATCHES_AT_ONCE, PAUSE_MS, batches},
};

use crate::{
    fifo::{Message, Votes},
    measures::{Limit, add},
    model::Model,
    parameters::Stalled,
    stream::{Records, Shard},
    world::{World, WorldClock},
};

/// A record that waits longer than this for the relay, and a message for the tally, is late. In milliseconds.
pub const LATE_MS: u64 = 5_000;

/// Reads a shard to its end.
pub async fn read_shard(model: Rc<Model>, shard: Rc<Shard>) {
    if let Some(parent) = &shard.parent {
        while !(parent.is_over() && parent.is_relayed.get()) {
            parent.changed.wait().await;
        }
        model.world.executor.sleep(model.world.draw(model.world.parameters.shard_found_ms)).await;
    }
    loop {
        while shard.is_empty() {
            if shard.is_over() {
                shard.is_relayed.set(true);
                return shard.changed.ring();
            }
            shard.changed.wait().await;
        }
        let batch = gather(&model.world, &shard).await;
        relay(&model, batch).await;
    }
}

/// Reads at the next turn and on until the window is over or the batch is full.
async fn gather(world: &World, shard: &Shard) -> Vec<Records> {
    let parameters = &world.parameters;
    let turn_ms = 1_000 / parameters.stream_polls_per_second;
    let most = parameters.stream_batch_records.min(parameters.stream_batch_bytes / world.sizes.record);
    world.executor.sleep(world.draw(turn_ms)).await;
    let ends = world.now_ms() + parameters.relay_window_ms;
    let (mut batch, mut left) = (Vec::new(), most);
    loop {
        let read = shard.read(left.min(parameters.stream_records_a_read));
        left -= read.iter().map(|records| records.votes.count).sum::<u64>();
        batch.extend(read);
        let now = world.now_ms();
        if left == 0 || now >= ends {
            return batch;
        }
        world.executor.sleep(turn_ms.min(ends - now)).await;
    }
}

async fn relay(model: &Rc<Model>, batch: Vec<Records>) {
    model.world.wait_for(Stalled::Relay).await;
    let began = model.world.now_ms();
    let votes: u64 = batch.iter().map(|records| records.votes.count).sum();
    let late = batch.iter().filter(|records| began - records.votes.stored_ms > LATE_MS);
    let late: u64 = late.map(|records| records.votes.count).sum();
    if late > 0 {
        model.world.met(Limit::Shard, late);
    }
    let parameters = &model.world.parameters;
    model
        .world
        .wait(parameters.relay_invocation_ms as f64 + votes as f64 * parameters.relay_us_a_record / 1_000.0)
        .await;
    let messages = fold(&model.world, batch);
    stream::iter(batches(&messages, |message| message.bytes as usize))
        .for_each_concurrent(BATCHES_AT_ONCE, |batch| send(model, batch))
        .await;
    add(&model.world.measures.counts.relays, 1);
    add(&model.world.measures.counts.relay_ms, model.world.now_ms() - began);
}

/// Messages of a batch, as `fold` makes them of its records.
fn fold(world: &World, batch: Vec<Records>) -> Vec<Message> {
    let mut lanes: BTreeMap<u8, Vec<Votes>> = BTreeMap::new();
    for records in batch {
        lanes.entry(records.lane).or_default().push(records.votes);
    }
    let parts = lanes.into_iter().flat_map(|(lane, votes)| {
        split(votes, world.sizes.message_votes_max).into_iter().map(move |votes| (lane, votes))
    });
    let message = |(lane, votes): (u8, Vec<Votes>)| {
        let bytes = world.sizes.body(votes.iter().map(|votes| votes.count).sum());
        Message { lane, votes, counted: 0, bytes, sent_ms: 0, receives: 0 }
    };
    parts.map(message).collect()
}

/// Splits votes, in order, into parts that hold at most `most` each.
pub fn split(votes: Vec<Votes>, most: u64) -> Vec<Vec<Votes>> {
    let mut parts: Vec<Vec<Votes>> = Vec::new();
    let mut room = 0;
    for mut votes in votes {
        while votes.count > 0 {
            if room == 0 {
                parts.push(Vec::new());
                room = most;
            }
            let count = votes.count.min(room);
            parts.last_mut().expect("a part with room").push(Votes { count, ..votes });
            room -= count;
            votes.count -= count;
        }
    }
    parts
}

async fn send(model: &Rc<Model>, batch: &[Message]) {
    let bytes: u64 = batch.iter().map(|message| message.bytes).sum();
    let mut attempt = 0;
    loop {
        model.world.queue_call().await;
        if model.queue.send(batch, model.world.now_ms()) {
            break;
        }
        // Given up after some tries, the batch of the stream would come again at once, and try again.
        model.world.met(Limit::GroupCalls, 1);
        attempt = (attempt + 1).min(4);
        WorldClock(model.world.clone()).back_off(PAUSE_MS, attempt).await;
    }
    let counts = &model.world.measures.counts;
    add(&counts.messages, batch.len() as u64);
    add(&counts.message_bytes, bytes);
    add(&counts.queue_requests, bytes.div_ceil(BILLED_BYTES));
}

/// SQS bills a request for each of these bytes, or part of it.
pub const BILLED_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::Parameters;

    #[test]
    fn a_batch_is_folded_into_one_message_a_lane_or_more_where_one_is_too_long() {
        let model = Model::new(Parameters::default());
        let most = model.world.sizes.message_votes_max;
        let records = |lane, count| Records { lane, votes: Votes { stored_ms: 3, count } };
        let messages = fold(&model.world, vec![records(1, most), records(0, 5), records(1, 2), records(0, 1)]);
        let counts: Vec<(u8, u64)> = messages.iter().map(|message| (message.lane, message.total())).collect();
        assert_eq!(counts, [(0, 6), (1, most), (1, 2)]);
    }
}
