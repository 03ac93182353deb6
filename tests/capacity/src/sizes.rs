//! How long things are: measured on what the real code writes, so that the model has no layout of its own.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use aws_sdk_dynamodb::operation::{
    delete_item::{DeleteItemError, DeleteItemOutput, builders::DeleteItemInputBuilder},
    get_item::{GetItemError, GetItemOutput, builders::GetItemInputBuilder},
    put_item::{PutItemError, PutItemOutput, builders::PutItemInputBuilder},
    query::{QueryError, QueryOutput, builders::QueryInputBuilder},
    transact_write_items::{
        TransactWriteItemsError, TransactWriteItemsOutput, builders::TransactWriteItemsInputBuilder,
    },
    update_item::{UpdateItemError, UpdateItemOutput, builders::UpdateItemInputBuilder},
};
use fastrand::Rng;
use landslide_aws::store::{DynamoDb, LaneStore, Outcome, TallyStore, VoteStore};
use landslide_domain::{
    ballot::Ballot,
    caller::{Caller, TokenKind},
    change::{Change, VoteId},
    claims::Claims,
    fold::fold,
    ids::{PollId, VoterKey},
    lane::LaneKey,
    member::{Action, Member},
    method::LotSeed,
    poll::Rules,
    poll::request::{CreatePoll, Drawn},
    runs::{LaneEntries, NewRun, RUN_LIMITS, RunName},
    series::Slot,
    tally::{Counters, Head, Minute, SeenRow},
    time::{MINUTE_MS, Timestamp},
    vote::Vote,
};
use landslide_sim::{
    executor::Executor,
    item::{Item, item_bytes, stream_record, write_units},
};
use serde_json::json;

use crate::parameters::Ballots;

/// What Lambda's record of a stream has besides what the simulation's has, in bytes.
const RECORD_ENVELOPE: &str = concat!(
    r#","eventVersion":"1.1","awsRegion":"us-east-1","ApproximateCreationDateTime":1790000000,"SizeBytes":400,"#,
    r#""StreamViewType":"NEW_AND_OLD_IMAGES","Keys":{"poll_partition":{"S":"AAAAAAAAAAAAAAAAAAAAAA#000"},"#,
    r#""voter":{"S":"00000000000000000000000000000000"}},"eventSourceARN":"arn:aws:dynamodb:us-east-1:"#,
    r#"000000000000:table/landslide-Votes-XXXXXXXXXXXXX/stream/2026-11-24T00:00:00.000""#,
    "0123456789abcdef0123456789abcdef012345678901234567890"
);
/// Votes over which lengths a vote are measured.
const SAMPLE: usize = 1_000;
/// Of the voters that are measured.
const SEED: u64 = 7;
/// More votes than a message takes.
const TOO_MANY: usize = 10_000;

/// Lengths, in bytes if nothing else is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes {
    /// Write units of a vote.
    pub vote_units: u64,
    /// A first vote's record in the stream, as the relay gets it.
    pub record: u64,
    /// A message without votes.
    pub message: u64,
    /// A vote in a message.
    pub message_vote: f64,
    /// The most votes of a message.
    pub message_votes_max: u64,
    /// HEAD without ids.
    pub head: u64,
    /// A minute in HEAD, without its ids.
    pub head_minute: u64,
    /// An id, in HEAD and in a SEEN row.
    pub id: u64,
    /// A SEEN row without ids.
    pub row: u64,
    /// COUNT.
    pub copy: u64,
    /// A row of a run without entries.
    pub run_row: u64,
}

impl Sizes {
    /// Measures them on what voters say.
    pub fn measure(ballots: Ballots) -> Self {
        let body = |votes| message(ballots, votes).first().map_or(0, |message| message.encode().len());
        let (empty, full) = (body(1), body(SAMPLE + 1));
        let message_vote = (full - empty) as f64 / SAMPLE as f64;
        let head_of = |minutes, ids| head_of(ballots, minutes, ids, LaneEntries::default());
        let bytes = |head: Head| {
            tally_item(async move |store| store.put_head(&lane(), &head, 4_999).await.expect("no failure"))
        };
        let (one_minute, two_minutes) = (bytes(head_of(1, SAMPLE)), bytes(head_of(2, SAMPLE)));
        let row = |ids| tally_item(async move |store| store.put_seen(&lane(), &row_of(ids)).await.expect("no failure"));
        let votes: Vec<Item> = some_ballots(ballots).take(SAMPLE).map(vote_item).collect();
        let record = |vote| (stream_record(1, None, Some(vote)).len() + RECORD_ENVELOPE.len()) as u64;
        let id = (row(1 + SAMPLE) - row(1)) / SAMPLE as u64;
        Self {
            vote_units: votes.iter().map(|vote| write_units(item_bytes(vote))).max().expect("votes"),
            record: votes.iter().map(record).sum::<u64>() / SAMPLE as u64,
            message: empty as u64 - message_vote as u64,
            message_vote,
            message_votes_max: message(ballots, TOO_MANY).first().map_or(0, |message| message.changes.len() as u64),
            head: bytes(head_of(0, 0)),
            head_minute: two_minutes - one_minute - SAMPLE as u64 * id,
            id,
            row: row(1) - id,
            copy: count_bytes(head_of(0, 0)),
            run_row: run_row_bytes(),
        }
    }

    /// A message's body.
    pub fn body(&self, votes: u64) -> u64 {
        self.message + (self.message_vote * votes as f64) as u64
    }

    /// HEAD with ids by minute.
    pub fn head_with(&self, recent: &BTreeMap<u64, u64>) -> u64 {
        self.head + recent.values().map(|ids| self.head_minute + ids * self.id).sum::<u64>()
    }

    /// What a lane's entries take in HEAD, and in COUNT.
    pub fn entries(&self, entries: &LaneEntries) -> u64 {
        let bytes = |entries| count_bytes(head_of(Ballots::Choices, 0, 0, entries));
        if *entries == LaneEntries::default() { 0 } else { bytes(entries.clone()) - bytes(LaneEntries::default()) }
    }

    /// A row of a run with that many bytes of entries.
    pub fn run_row(&self, bytes: usize) -> u64 {
        self.run_row + bytes as u64
    }

    /// A SEEN row.
    pub fn row_with(&self, ids: u64) -> u64 {
        self.row + ids * self.id
    }
}

fn poll() -> PollId {
    PollId::from_bytes([7; 16])
}

/// The rules of a poll with the peak that it declares, on a stack with that many lanes at least.
pub fn rules(ballots: Ballots, peak: u64, lanes_min: u8) -> Rules {
    let mut body = ballots.settings();
    body["question"] = json!("?");
    body["peak_votes_per_second"] = json!(peak);
    let asked: CreatePoll = serde_json::from_value(body).expect("a poll's body");
    let new = asked.validate().expect("a valid poll");
    let account = Caller {
        issuer: "https://id.example.org".to_owned(),
        subject: "owner".to_owned(),
        kind: TokenKind::Account,
        expires_at: at(1),
        claims: Claims::default(),
    };
    let owner = Member::of_account(&account, "request");
    let stamp = owner.stamp(Action::PollCreated, at(0));
    let drawn = Drawn { salt: [0; 32], lot_seed: LotSeed::from_bytes([0; 32]) };
    new.create(poll(), &owner.tenant, stamp, drawn, lanes_min, at(0)).expect("a poll that opens").rules
}

fn lane() -> LaneKey {
    LaneKey { poll: poll(), lane: 3 }
}

fn at(minute: usize) -> Timestamp {
    Timestamp::EPOCH.plus_millis(1_790_000_000_000 + minute as u64 * MINUTE_MS)
}

fn id(number: usize) -> VoteId {
    VoteId::new(&VoterKey::from_bytes((number as u128).to_be_bytes()), 1)
}

/// What voters say, one after the other.
fn some_ballots(ballots: Ballots) -> impl Iterator<Item = Ballot> {
    let mut random = Rng::with_seed(SEED);
    std::iter::repeat_with(move || ballots.draw(slot(), &mut random))
}

/// A slot of the middle of a series.
fn slot() -> Slot {
    Slot::of_number(700).expect("a slot")
}

fn message(ballots: Ballots, votes: usize) -> Vec<landslide_domain::message::Message> {
    let change = |(number, ballot)| Change { id: id(number), cast_at: at(0), from: None, to: Some(ballot) };
    fold((0..votes).zip(some_ballots(ballots)).map(|vote| (lane(), change(vote))))
}

/// A HEAD for a poll with millions of votes. Each of its `minutes` holds `ids` ids.
fn head_of(ballots: Ballots, minutes: usize, ids: usize, entries: LaneEntries) -> Head {
    let options = (0..ballots.options()).map(|id| format!("o{id}"));
    let counters = options.chain(["ballots".to_owned()]).map(|name| (name, 3_456_789));
    Head {
        version: 5_000,
        as_of: Some(at(0)),
        counters: Counters::from_entries(counters),
        entries,
        recent: (0..minutes).map(|minute| (Minute::of(at(minute)), (0..ids).map(id).collect())).collect(),
        sealed: false,
    }
}

fn row_of(ids: usize) -> SeenRow {
    SeenRow { minute: Minute::of(at(0)), version: 5_000, ids: (0..ids).map(id).collect() }
}

/// Bytes of the item that a call of the Tallies table writes.
fn tally_item(write: impl AsyncFnOnce(TallyStore<Recorder>) + 'static) -> u64 {
    item_bytes(&written(async |recorder| write(TallyStore::over(recorder, String::new())).await))
}

fn count_bytes(head: Head) -> u64 {
    tally_item(async move |store| store.put_count(&lane(), &head).await.expect("no failure"))
}

/// A row of a run, without its entries.
fn run_row_bytes() -> u64 {
    let entries = Ballots::Rankings.entries([(slot(), 1)].into_iter(), &mut Rng::with_seed(SEED));
    let name = RunName { version: 5_000, attempt: u64::MAX };
    let run = NewRun::of(name, 0, &entries.ballots, &RUN_LIMITS).expect("a small run");
    let bytes = u64::from(run.run.bytes);
    tally_item(async move |store| store.put_run(&lane(), &run).await.expect("no failure")) - bytes
}

fn vote_item(ballot: Ballot) -> Item {
    let vote = Vote { ballot: Some(ballot), revision: 1, cast_at: at(0), lane: 3, nonce: 3_456_789_012 };
    written(async move |recorder| {
        let votes = VoteStore::over(recorder, String::new());
        votes.put(&rules(Ballots::Choices, 1_000, 1), &VoterKey::from_bytes([7; 16]), &vote).await.expect("no failure");
    })
}

/// The item that some code writes.
fn written(write: impl AsyncFnOnce(Recorder) + 'static) -> Item {
    let recorder = Recorder::default();
    let executor = Executor::new(1, 0);
    let item = recorder.item.clone();
    executor.spawn(async move { write(recorder).await });
    assert!(executor.run(100), "a write that waits for nothing");
    item.take()
}

/// A database that keeps the item that was put last.
#[derive(Clone, Default)]
struct Recorder {
    item: Rc<RefCell<Item>>,
}

impl DynamoDb for Recorder {
    async fn get_item(&self, _: GetItemInputBuilder) -> Outcome<GetItemOutput, GetItemError> {
        Ok(GetItemOutput::builder().build())
    }

    async fn put_item(&self, call: PutItemInputBuilder) -> Outcome<PutItemOutput, PutItemError> {
        *self.item.borrow_mut() = call.get_item().clone().expect("a put has an item");
        Ok(PutItemOutput::builder().build())
    }

    async fn update_item(&self, _: UpdateItemInputBuilder) -> Outcome<UpdateItemOutput, UpdateItemError> {
        Ok(UpdateItemOutput::builder().build())
    }

    async fn delete_item(&self, _: DeleteItemInputBuilder) -> Outcome<DeleteItemOutput, DeleteItemError> {
        Ok(DeleteItemOutput::builder().build())
    }

    async fn query(&self, _: QueryInputBuilder) -> Outcome<QueryOutput, QueryError> {
        Ok(QueryOutput::builder().build())
    }

    async fn update_item_once(&self, call: UpdateItemInputBuilder) -> Outcome<UpdateItemOutput, UpdateItemError> {
        self.update_item(call).await
    }

    async fn transact(
        &self,
        _: TransactWriteItemsInputBuilder,
    ) -> Outcome<TransactWriteItemsOutput, TransactWriteItemsError> {
        Ok(TransactWriteItemsOutput::builder().build())
    }

    async fn transact_once(
        &self,
        call: TransactWriteItemsInputBuilder,
    ) -> Outcome<TransactWriteItemsOutput, TransactWriteItemsError> {
        self.transact(call).await
    }
}

#[cfg(test)]
mod tests {
    use landslide_domain::{
        runs::{Attempt, Kept},
        tally::{Flush, Seen, plan},
    };

    use super::*;

    #[test]
    fn a_full_message_and_a_full_head_keep_to_their_limits_by_these_sizes() {
        let sizes = Sizes::measure(Ballots::Choices);
        let limit = landslide_domain::message::MESSAGE_BYTES_MAX as u64;
        assert!(sizes.body(sizes.message_votes_max) <= limit);
        assert!(sizes.body(sizes.message_votes_max + 2) > limit);
        assert_eq!((sizes.id, sizes.vote_units), (16, 1));
    }

    #[test]
    fn a_head_of_two_minutes_is_as_long_as_its_parts_say() {
        let ballots = Ballots::Rankings;
        let sizes = Sizes::measure(ballots);
        let near = ballots.entries([(slot(), 20)].into_iter(), &mut Rng::with_seed(SEED));
        let kept = near.map(|_, near| Kept { near, ..Kept::default() });
        let entries = LaneEntries { kept, sweeps: 3, replaced: 34 };
        let of_lane = entries.clone();
        let real = tally_item(async move |store| {
            store.put_head(&lane(), &head_of(ballots, 2, 700, entries), 4_999).await.expect("no failure")
        });
        assert_eq!(sizes.head_with(&BTreeMap::from([(0, 700), (1, 700)])) + sizes.entries(&of_lane), real);
    }

    /// Write units of what a flush writes over the HEAD that it was planned for, by the lengths of the real items.
    fn real_units(before: &Head, flush: &Flush) -> u64 {
        let (mut rows, mut runs) = (0, 0);
        for row in flush.spill.clone() {
            rows +=
                write_units(tally_item(async move |store| store.put_seen(&lane(), &row).await.expect("no failure")));
        }
        for run in &flush.runs {
            runs += run.chunks().map(|chunk| write_units(run_row_bytes() + chunk.len() as u64)).sum::<u64>();
        }
        let bytes =
            |head: Head| tally_item(async move |store| store.put_head(&lane(), &head, 1).await.expect("no failure"));
        rows + 2 * runs + write_units(bytes(flush.head.clone()).max(bytes(before.clone())))
    }

    #[test]
    fn what_the_product_takes_for_its_write_units_is_what_its_items_take() {
        for ballots in [Ballots::Choices, Ballots::Segmented, Ballots::Rankings, Ballots::Texts, Ballots::DistinctTexts]
        {
            for votes in [1, 40, 400, 4_000] {
                let (mut head, mut counted) = (head_of(ballots, 0, 0, LaneEntries::default()), 0_usize);
                let (mut told, mut real) = (0, 0);
                for _ in 0..40 {
                    let change = |(number, ballot)| Change {
                        id: id(counted + number),
                        cast_at: at(0),
                        from: None,
                        to: Some(ballot),
                    };
                    let changes: Vec<Change> = (0..votes).zip(some_ballots(ballots)).map(change).collect();
                    counted += votes;
                    for flush in plan(&head, &Seen::new(), &changes, &Attempt { random: 7, limits: RUN_LIMITS }) {
                        told += flush.write_units(&head) + flush.head.count_write_units();
                        real += real_units(&head, &flush) + write_units(count_bytes(flush.head.clone()));
                        head = flush.head;
                    }
                }
                println!("{ballots} by {votes}: {told} write units, really {real}");
                assert!(told.abs_diff(real) * 20 <= real, "{ballots} by {votes}: {told} write units, really {real}");
            }
        }
    }
}
