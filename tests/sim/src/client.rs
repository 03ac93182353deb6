//! What a process calls: DynamoDB and SQS as the SDK shows them, over a network on which calls get lost, come late and
//! are tried again.

use std::{cell::Cell, ops::Bound, rc::Rc};

use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{
        get_item::{GetItemError, GetItemOutput, builders::GetItemInputBuilder},
        put_item::{PutItemError, PutItemInput, PutItemOutput, builders::PutItemInputBuilder},
        query::{QueryError, QueryInput, QueryOutput, builders::QueryInputBuilder},
        transact_write_items::{
            TransactWriteItemsError, TransactWriteItemsOutput, builders::TransactWriteItemsInputBuilder,
        },
        update_item::{UpdateItemError, UpdateItemInput, UpdateItemOutput, builders::UpdateItemInputBuilder},
    },
    types::{
        CancellationReason, ReturnValuesOnConditionCheckFailure,
        error::{ConditionalCheckFailedException, TransactionCanceledException, TransactionConflictException},
    },
};
use aws_sdk_sqs::{
    operation::{
        change_message_visibility_batch::ChangeMessageVisibilityBatchOutput, send_message_batch::SendMessageBatchOutput,
    },
    types::{
        BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, ChangeMessageVisibilityBatchResultEntry,
        SendMessageBatchRequestEntry, SendMessageBatchResultEntry,
    },
};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::body::SdkBody;
use landslide_aws::{
    queue::{ChangeVisibility, SendBatch, SendError, VisibilityError},
    sdk::{ATTEMPT_TIMEOUT, ATTEMPTS_MAX, CALL_TIMEOUT, FIRST_PAUSE},
    store::{DynamoDb, Outcome},
};

use crate::{
    database::Written,
    faults::Fault,
    item::{Item, item_bytes, outline},
    names::TALLY_QUEUE,
    queue::Sent,
    world::{Process, World, count},
};

/// The longest that a call is under way, each way, in milliseconds: longer than its caller waits, and shorter than a
/// change of a poll may take to land (`CONFIG_WRITE_MS`).
const SLOW_MS: u64 = 2_900;
/// When a transaction that stalls has landed, in milliseconds since it was sent. Its items are locked until then.
const STALLED_MS: std::ops::Range<u64> = 5_000..7_000;
/// The longest that it is usually, each way, in milliseconds.
const USUAL_MS: u64 = 6;
/// The most items of a page.
const PAGE_ROWS_MAX: usize = 4;
/// SEEN rows of a page that is not to be short: of some hundred ids each, about as many as a megabyte takes.
const FULL_PAGE_ROWS: usize = 100;
/// After all sort keys.
const LAST_KEY: &str = "~";

/// A process's connections.
#[derive(Clone)]
pub struct Client {
    /// Where.
    pub world: Rc<World>,
    /// Whose.
    pub process: Rc<Process>,
}

/// Why a service does not do it now.
struct Busy;

impl Client {
    /// A call as the SDK makes it: tried again, with pauses, while it is refused as busy or not answered, within its
    /// time. `None`: given up, and nobody knows whether one of the tries was done.
    async fn call<T: 'static>(&self, what: &str, act: impl Fn(&Rc<World>) -> Result<T, Busy> + 'static) -> Option<T> {
        let act = Rc::new(act);
        let ends_at = self.world.executor.now_ms() + CALL_TIMEOUT.as_millis() as u64;
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                let pause = self.world.draw((FIRST_PAUSE.as_millis() as u64) << (attempt - 1));
                self.world.executor.sleep(pause).await;
            }
            let left = ends_at.saturating_sub(self.world.executor.now_ms());
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
        act: Rc<impl Fn(&Rc<World>) -> Result<T, Busy> + 'static>,
    ) -> Option<Result<T, Busy>> {
        let world = &self.world;
        let (there, back) = (self.travel_ms(), self.travel_ms().max(u64::from(world.scenario.is_plain)));
        let arrives = !world.faults.strikes(Fault::RequestLost);
        let answers = arrives && !world.faults.strikes(Fault::AnswerLost);
        let is_busy = world.faults.strikes(Fault::Throttled);
        let answer = Rc::new(Cell::new(None));
        if arrives {
            let (world, answer) = (world.clone(), answer.clone());
            let done = move || {
                if there > time_max_ms {
                    count(&world.numbers.late_calls);
                }
                answer.set(Some(if is_busy { Err(Busy) } else { act(&world) }));
            };
            self.world.executor.after(there, done);
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
        if self.world.faults.strikes(Fault::Slow) { self.world.draw(SLOW_MS) } else { self.world.draw(USUAL_MS) }
    }
}

/// The refusal that a service itself makes.
fn refused<E>(error: E) -> SdkError<E, HttpResponse> {
    SdkError::service_error(error, HttpResponse::new(StatusCode::try_from(400).expect("a status"), SdkBody::empty()))
}

/// No answer after all tries.
fn given_up<E>() -> SdkError<E, HttpResponse> {
    SdkError::timeout_error("the model gave no answer")
}

fn whole(item: &Rc<Item>) -> Item {
    Item::clone(item)
}

impl DynamoDb for Client {
    async fn get_item(&self, call: GetItemInputBuilder) -> Outcome<GetItemOutput, GetItemError> {
        let call = call.build().expect("a call is whole");
        let found = self.call("get item", move |world| {
            if world.is_table_out(call.table_name()) {
                return Err(Busy);
            }
            let tables = world.tables.borrow();
            let table = tables.of(call.table_name());
            let key = table.key(call.key().expect("a key"));
            let bytes = table.get(key).map_or(0, |item| item_bytes(&item));
            if !world.partition_serves(call.table_name(), key.0, bytes) {
                return Err(Busy);
            }
            // An eventually consistent read sees what stood before, now and then.
            let is_stale = call.consistent_read() != Some(true) && world.once_in(3);
            Ok(if is_stale { table.get_stale(key) } else { table.get(key) })
        });
        let item = found.await.ok_or_else(given_up)?;
        Ok(GetItemOutput::builder().set_item(item.as_ref().map(whole)).build())
    }

    async fn put_item(&self, call: PutItemInputBuilder) -> Outcome<PutItemOutput, PutItemError> {
        let put = Rc::new(self.put(call));
        let again = put.clone();
        let written = self.call("put item", move |world| write(world, &again)).await;
        put.outcome(written.ok_or_else(given_up)?)
    }

    async fn put_item_once(&self, call: PutItemInputBuilder) -> Outcome<PutItemOutput, PutItemError> {
        let put = Rc::new(self.put(call));
        let again = put.clone();
        let act = Rc::new(move |world: &Rc<World>| write(world, &again));
        match self.attempt("put item once", ATTEMPT_TIMEOUT.as_millis() as u64, act).await {
            Some(Ok(written)) => put.outcome(written),
            Some(Err(Busy)) | None => Err(given_up()),
        }
    }

    async fn update_item(&self, call: UpdateItemInputBuilder) -> Outcome<UpdateItemOutput, UpdateItemError> {
        let call = call.build().expect("a call is whole");
        let (who, by) = (self.process.clone(), self.process.invocation.get());
        self.world.doubling.ring();
        let written = self.call("update item", move |world| double_lanes(world, &who, by, &call)).await;
        match written.ok_or_else(given_up)? {
            Written::ConditionFailed(_) => {
                let failed = ConditionalCheckFailedException::builder().build();
                Err(refused(UpdateItemError::ConditionalCheckFailedException(failed)))
            }
            Written::Conflict => Err(refused(UpdateItemError::TransactionConflictException(
                TransactionConflictException::builder().build(),
            ))),
            Written::Done(_) => Ok(UpdateItemOutput::builder().build()),
        }
    }

    async fn query(&self, call: QueryInputBuilder) -> Outcome<QueryOutput, QueryError> {
        let call = call.build().expect("a call is whole");
        let page = self.call("query", move |world| {
            if world.is_table_out(call.table_name()) { Err(Busy) } else { page_served(world, &call) }
        });
        let page = page.await.ok_or_else(given_up)?;
        let (items, last) = page;
        let items = items.iter().map(whole).collect();
        Ok(QueryOutput::builder().set_items(Some(items)).set_last_evaluated_key(last).build())
    }

    async fn transact(
        &self,
        call: TransactWriteItemsInputBuilder,
    ) -> Outcome<TransactWriteItemsOutput, TransactWriteItemsError> {
        self.transact_in(call, None).await
    }

    async fn transact_once(
        &self,
        call: TransactWriteItemsInputBuilder,
    ) -> Outcome<TransactWriteItemsOutput, TransactWriteItemsError> {
        let stalls = self.world.faults.strikes(Fault::Stalled);
        self.transact_in(call, stalls.then(|| STALLED_MS.start + self.world.draw(STALLED_MS.end - STALLED_MS.start)))
            .await
    }
}

impl Client {
    fn put(&self, call: PutItemInputBuilder) -> Put {
        let mut call = call.build().expect("a call is whole");
        let item = Rc::new(call.item.take().expect("a put has an item"));
        Put { call, item, who: self.process.clone(), by: self.process.invocation.get() }
    }

    /// One try of a transaction; of one that stalls nobody hears, and it lands after that many milliseconds.
    async fn transact_in(
        &self,
        call: TransactWriteItemsInputBuilder,
        stalled_ms: Option<u64>,
    ) -> Outcome<TransactWriteItemsOutput, TransactWriteItemsError> {
        let call = call.build().expect("a call is whole");
        let by = self.process.invocation.get();
        let puts: Vec<PutItemInput> = call.transact_items().iter().map(as_put).collect();
        let time_max = ATTEMPT_TIMEOUT.as_millis() as u64;
        if let Some(stalled_ms) = stalled_ms {
            let again = self.world.clone();
            let there = self.world.draw(USUAL_MS);
            self.world.executor.after(there, move || {
                begin_transaction(&again, by, &puts, stalled_ms - there);
            });
            self.world.executor.sleep(time_max).await;
            return Err(given_up());
        }
        let act = Rc::new(move |world: &Rc<World>| Ok(begin_transaction(world, by, &puts, 0)));
        match self.attempt("transact", time_max, act).await {
            Some(Ok(None)) => Ok(TransactWriteItemsOutput::builder().build()),
            Some(Ok(Some(code))) => {
                let reason = CancellationReason::builder().code(code).build();
                let cancelled = TransactionCanceledException::builder().cancellation_reasons(reason).build();
                Err(refused(TransactWriteItemsError::TransactionCanceledException(cancelled)))
            }
            Some(Err(Busy)) | None => Err(given_up()),
        }
    }
}

/// A put on its way.
struct Put {
    call: PutItemInput,
    item: Rc<Item>,
    who: Rc<Process>,
    /// The invocation that sent it.
    by: u64,
}

impl Put {
    #[expect(clippy::result_large_err, reason = "it is what the SDK's own calls return")]
    fn outcome(&self, written: Written) -> Outcome<PutItemOutput, PutItemError> {
        let shows_what_stands =
            self.call.return_values_on_condition_check_failure == Some(ReturnValuesOnConditionCheckFailure::AllOld);
        match written {
            Written::ConditionFailed(stands) => {
                let stands = stands.filter(|_| shows_what_stands).as_ref().map(whole);
                let failed = ConditionalCheckFailedException::builder().set_item(stands).build();
                Err(refused(PutItemError::ConditionalCheckFailedException(failed)))
            }
            Written::Conflict => Err(refused(PutItemError::TransactionConflictException(
                TransactionConflictException::builder().build(),
            ))),
            Written::Done(_) => Ok(PutItemOutput::builder().build()),
        }
    }
}

/// Does a put, and has the stream and the ledger know.
fn write(world: &Rc<World>, put: &Put) -> Result<Written, Busy> {
    let Put { call, item, who, by } = put;
    let table = call.table_name().expect("a table");
    if world.is_table_out(Some(table)) || !world.partition_takes(table, item) {
        return Err(Busy);
    }
    let written = world.tables.borrow_mut().of_mut(table).put(call, item);
    match &written {
        Written::Done(former) => {
            world.spent(table, former.as_deref(), item);
            world.landed(*by, table, former.as_deref(), item);
            world.tell(&who.name, || format!("writes {}", outline(item)));
        }
        Written::ConditionFailed(_) | Written::Conflict => {
            count(&world.numbers.conflicts);
            world.tell(&who.name, || format!("comes too late to write {}", outline(item)));
        }
    }
    Ok(written)
}

fn double_lanes(world: &Rc<World>, who: &Process, by: u64, call: &UpdateItemInput) -> Result<Written, Busy> {
    let written = world.tables.borrow_mut().of_mut(call.table_name().expect("a table")).double_lanes(call);
    match &written {
        Written::Done(former) => {
            count(&world.numbers.doublings);
            world.tell(&who.name, || "doubles the poll's lanes".to_owned());
            let table = call.table_name().expect("a table");
            let key = call.key().expect("an update has a key");
            let item = {
                let tables = world.tables.borrow();
                let table = tables.of(Some(table));
                table.get(table.key(key))
            };
            world.landed(by, table, former.as_deref(), &item.expect("it was just updated"));
        }
        Written::ConditionFailed(_) => world.tell(&who.name, || "finds the poll's lanes doubled".to_owned()),
        Written::Conflict => world.tell(&who.name, || "finds the poll in a transaction".to_owned()),
    }
    Ok(written)
}

/// A page of a query, if its partition has the read units for it now.
fn page_served(world: &Rc<World>, call: &QueryInput) -> Result<(Vec<Rc<Item>>, Option<Item>), Busy> {
    let (rows, last) = page(world, call);
    let bytes = rows.iter().map(|row| item_bytes(row)).sum();
    let values = call.expression_attribute_values().expect("values");
    let partition = values.get(":lane").and_then(|lane| lane.as_s().ok());
    let is_served = partition.is_none_or(|lane| world.partition_serves(call.table_name(), lane, bytes));
    if is_served { Ok((rows, last)) } else { Err(Busy) }
}

/// A page of a query: by a partition alone, or by a range of sort keys in it.
fn page(world: &Rc<World>, call: &QueryInput) -> (Vec<Rc<Item>>, Option<Item>) {
    let values = call.expression_attribute_values().expect("values");
    let text = |name: &str| values[name].as_s().expect("keys are strings").as_str();
    let tables = world.tables.borrow();
    let table = tables.of(call.table_name());
    let (partition, first, last) = match call.key_condition_expression() {
        Some("#poll_id = :poll_id") => {
            return (table.range(text(":poll_id"), Bound::Unbounded, LAST_KEY, usize::MAX), None);
        }
        Some("#partition = :partition") => (text(":partition"), Bound::Unbounded, LAST_KEY),
        Some("#lane = :lane AND #item BETWEEN :first AND :last") => {
            (text(":lane"), Bound::Included(text(":first")), text(":last"))
        }
        other => panic!("the model does not know the query {other:?}"),
    };
    let after = call.exclusive_start_key().map(|key| table.key(key).1);
    let full = world.scenario.is_plain.then_some(FULL_PAGE_ROWS);
    let rows_max = full.unwrap_or_else(|| 1 + world.draw_index(PAGE_ROWS_MAX));
    let mut rows = table.range(partition, after.map_or(first, Bound::Excluded), last, rows_max + 1);
    let has_more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let last = rows.last().filter(|_| has_more).map(|row| table.key_attributes(row));
    (rows, last)
}

fn as_put(item: &aws_sdk_dynamodb::types::TransactWriteItem) -> PutItemInput {
    let put = item.put().expect("a transaction of puts");
    PutItemInput::builder()
        .table_name(put.table_name())
        .set_item(Some(put.item().clone()))
        .set_condition_expression(put.condition_expression().map(str::to_owned))
        .set_expression_attribute_names(put.expression_attribute_names().cloned())
        .set_expression_attribute_values(put.expression_attribute_values().cloned())
        .build()
        .expect("a put is whole")
}

/// Begins a transaction, which lands at once, or item by item where the fault strikes, or not before `stalled_ms`, with
/// its first item at any time until then. The code of its cancellation, if it is cancelled.
fn begin_transaction(world: &Rc<World>, by: u64, puts: &[PutItemInput], stalled_ms: u64) -> Option<&'static str> {
    let mut tables = world.tables.borrow_mut();
    for (place, put) in puts.iter().enumerate() {
        let code = match tables.of_mut(put.table_name().expect("a table")).lock(put) {
            Written::Done(_) => continue,
            Written::ConditionFailed(_) => "ConditionalCheckFailed",
            Written::Conflict => "TransactionConflict",
        };
        count(&world.numbers.conflicts);
        puts[..place].iter().for_each(|put| tables.of_mut(put.table_name().expect("a table")).unlock(put));
        return Some(code);
    }
    drop(tables);
    let is_torn = world.faults.strikes(Fault::TornRead);
    let mut order: Vec<&PutItemInput> = puts.iter().collect();
    if (is_torn || stalled_ms > 0) && world.once_in(2) {
        order.reverse();
    }
    let mut delay = if stalled_ms > 0 { world.draw(stalled_ms) } else { 0 };
    for put in order {
        let (again, put) = (world.clone(), put.clone());
        let land = move || again.land(by, put.table_name().expect("a table"), put.item().expect("an item"));
        if delay == 0 {
            land()
        } else {
            world.executor.after(delay, land)
        }
        delay = if stalled_ms > 0 { stalled_ms } else { delay + if is_torn { 1 + world.draw(30) } else { 0 } };
    }
    let (again, puts) = (world.clone(), puts.to_vec());
    let end = move || {
        let mut tables = again.tables.borrow_mut();
        puts.iter().for_each(|put| tables.of_mut(put.table_name().expect("a table")).unlock(put));
    };
    if delay == 0 {
        end()
    } else {
        world.executor.after(delay, end)
    }
    None
}

impl SendBatch for Client {
    async fn send_batch(
        &self,
        queue_url: &str,
        entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<SendMessageBatchOutput, SendError> {
        let (queue, who) = (queue_url.to_owned(), self.process.clone());
        let answer = self.call("send messages", move |world| take_batch(world, &who, &queue, &entries)).await;
        let answer = answer.ok_or_else(|| SendError("the model gave no answer".to_owned()))?;
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for (id, is_taken) in answer {
            let broken = |error| SendError(format!("{error:?}"));
            if is_taken {
                let entry = SendMessageBatchResultEntry::builder().id(id).message_id("m").md5_of_message_body("m");
                taken.push(entry.build().map_err(broken)?);
            } else {
                let entry = BatchResultErrorEntry::builder().id(id).sender_fault(false).code("Throttled");
                refused.push(entry.build().map_err(broken)?);
            }
        }
        SendMessageBatchOutput::builder()
            .set_successful(Some(taken))
            .set_failed(Some(refused))
            .build()
            .map_err(|error| SendError(format!("{error:?}")))
    }
}

impl ChangeVisibility for Client {
    async fn change_visibility(
        &self,
        queue_url: &str,
        entries: Vec<ChangeMessageVisibilityBatchRequestEntry>,
    ) -> Result<ChangeMessageVisibilityBatchOutput, VisibilityError> {
        assert_eq!(queue_url, TALLY_QUEUE, "only this queue has a function that hands messages back");
        let who = self.process.clone();
        let answer = self.call("change visibility", move |world| hide_batch(world, &who, &entries)).await;
        let answer = answer.ok_or_else(|| VisibilityError("the model gave no answer".to_owned()))?;
        let broken = |error| VisibilityError(format!("{error:?}"));
        let (mut changed, mut refused) = (Vec::new(), Vec::new());
        for (id, is_changed) in answer {
            if is_changed {
                changed.push(ChangeMessageVisibilityBatchResultEntry::builder().id(id).build().map_err(broken)?);
            } else {
                let entry = BatchResultErrorEntry::builder().id(id).sender_fault(true).code("InvalidParameterValue");
                refused.push(entry.build().map_err(broken)?);
            }
        }
        let output = ChangeMessageVisibilityBatchOutput::builder();
        output.set_successful(Some(changed)).set_failed(Some(refused)).build().map_err(broken)
    }
}

/// Hides messages of the tally queue for other times; which of them.
fn hide_batch(
    world: &Rc<World>,
    who: &Process,
    entries: &[ChangeMessageVisibilityBatchRequestEntry],
) -> Result<Vec<(String, bool)>, Busy> {
    if world.is_queue_out() {
        return Err(Busy);
    }
    let in_part = world.faults.strikes(Fault::PartlyTaken);
    let hide = |entry: &ChangeMessageVisibilityBatchRequestEntry| {
        let (receipt, id) = read_handle(entry.receipt_handle());
        let pause_s = entry.visibility_timeout().expect("a time");
        let pause_ms = u64::try_from(pause_s).expect("no negative time") * 1_000;
        let is_changed = !(in_part && world.once_in(2)) && world.hide_message(receipt, id, pause_ms);
        let fate = if is_changed { "" } else { ", which is refused" };
        world.tell(&who.name, || format!("has message {id} come again after {pause_ms} ms{fate}"));
        (entry.id().to_owned(), is_changed)
    };
    Ok(entries.iter().map(hide).collect())
}

/// The handle of a message that was handed out by a receipt.
pub fn handle(receipt: u64, id: u64) -> String {
    format!("{receipt}-{id}")
}

fn read_handle(handle: &str) -> (u64, u64) {
    let (receipt, id) = handle.split_once('-').expect("our handle");
    (receipt.parse().expect("our receipt"), id.parse().expect("our id"))
}

/// Takes messages into a queue; which of them.
fn take_batch(
    world: &Rc<World>,
    who: &Process,
    queue: &str,
    entries: &[SendMessageBatchRequestEntry],
) -> Result<Vec<(String, bool)>, Busy> {
    if world.is_queue_out() {
        return Err(Busy);
    }
    let in_part = world.faults.strikes(Fault::PartlyTaken);
    let take = |entry: &SendMessageBatchRequestEntry| {
        let is_taken = !in_part || world.once_in(2);
        if is_taken {
            world.take_message(&who.name, queue, sent(entry));
        }
        (entry.id().to_owned(), is_taken)
    };
    Ok(entries.iter().map(take).collect())
}

fn sent(entry: &SendMessageBatchRequestEntry) -> Sent {
    let reason = entry.message_attributes().and_then(|attributes| attributes.get("reason")?.string_value());
    Sent {
        body: entry.message_body().into(),
        group: entry.message_group_id().unwrap_or_default().into(),
        deduplication: entry.message_deduplication_id().map(Rc::from),
        reason: reason.map(str::to_owned),
    }
}
