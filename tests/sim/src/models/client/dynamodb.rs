//! DynamoDB as the SDK shows it: conditions, pages, transactions and their errors.

use std::{ops::Bound, rc::Rc};

use aws_sdk_dynamodb::{
    error::{ErrorMetadata, SdkError},
    operation::{
        delete_item::{DeleteItemError, DeleteItemInput, DeleteItemOutput, builders::DeleteItemInputBuilder},
        get_item::{GetItemError, GetItemOutput, builders::GetItemInputBuilder},
        put_item::{PutItemError, PutItemInput, PutItemOutput, builders::PutItemInputBuilder},
        query::{QueryError, QueryInput, QueryOutput, builders::QueryInputBuilder},
        transact_write_items::{
            TransactWriteItemsError, TransactWriteItemsOutput, builders::TransactWriteItemsInputBuilder,
        },
        update_item::{UpdateItemError, UpdateItemInput, UpdateItemOutput, builders::UpdateItemInputBuilder},
    },
    types::{
        CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
        error::{ConditionalCheckFailedException, TransactionCanceledException, TransactionConflictException},
    },
};
use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::StatusCode};
use aws_smithy_types::body::SdkBody;
use landslide_aws::{
    sdk::ATTEMPT_TIMEOUT,
    store::{DynamoDb, Outcome},
};

use super::{Busy, Client, USUAL_MS};
use crate::{
    faults::Fault,
    item::{Item, item_bytes, outline},
    models::{
        account::Account,
        database::{Write, Written},
        process::Process,
    },
    names::POLLS,
    numbers::count,
};

/// When a transaction that stalls has landed, in milliseconds since it was sent. Its items are locked until then.
const STALLED_MS: std::ops::Range<u64> = 5_000..7_000;
/// The most items of a page.
const PAGE_ROWS_MAX: usize = 4;
/// SEEN rows of a page that is not to be short: of some hundred ids each, about as many as a megabyte takes.
const FULL_PAGE_ROWS: usize = 100;
/// After all sort keys.
const LAST_KEY: &str = "~";

/// After the sort keys of all rows of runs.
const LAST_RUN_KEY: &str = "RUN~";

/// The refusal that a service itself makes.
fn refused<E>(error: E) -> SdkError<E, HttpResponse> {
    SdkError::service_error(error, HttpResponse::new(StatusCode::try_from(400).expect("a status"), SdkBody::empty()))
}

/// What a service says of its error.
fn coded(code: &str) -> ErrorMetadata {
    ErrorMetadata::builder().code(code).build()
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
        let found = self.call("get item", move |account| {
            if account.is_table_out(call.table_name()) {
                return Err(Busy);
            }
            let tables = account.tables.borrow();
            let table = tables.of(call.table_name());
            let key = table.key(call.key().expect("a key"));
            let bytes = table.get(key).map_or(0, |item| item_bytes(&item));
            if !account.partition_serves(call.table_name(), key.0, bytes) {
                return Err(Busy);
            }
            // An eventually consistent read sees what stood before, now and then.
            let is_stale = call.consistent_read() != Some(true) && account.world.once_in(3);
            Ok(if is_stale { table.get_stale(key) } else { table.get(key) })
        });
        let item = found.await.ok_or_else(given_up)?;
        Ok(GetItemOutput::builder().set_item(item.as_ref().map(whole)).build())
    }

    async fn put_item(&self, call: PutItemInputBuilder) -> Outcome<PutItemOutput, PutItemError> {
        let put = Rc::new(self.put(call));
        let again = put.clone();
        let written = self.call("put item", move |account| write(account, &again)).await;
        put.outcome(written.ok_or_else(given_up)?)
    }

    async fn update_item(&self, call: UpdateItemInputBuilder) -> Outcome<UpdateItemOutput, UpdateItemError> {
        let update = Rc::new(self.update(call));
        let again = update.clone();
        // Of polls, the one update that is sent again is that of lanes.
        let is_doubling = update.call.table_name() == Some(POLLS);
        if is_doubling {
            self.account.doubling.ring();
        }
        let written = self.call("update item", move |account| change(account, &again)).await.ok_or_else(given_up)?;
        if let Written::Done(_) = written
            && is_doubling
        {
            count(&self.account.world.numbers.doublings);
        }
        outcome_of_update(written)
    }

    async fn update_item_once(&self, call: UpdateItemInputBuilder) -> Outcome<UpdateItemOutput, UpdateItemError> {
        let update = Rc::new(self.update(call));
        let again = update.clone();
        let act = Rc::new(move |account: &Rc<Account>| change(account, &again));
        match self.attempt("update item once", ATTEMPT_TIMEOUT.as_millis() as u64, act).await {
            Some(Ok(written)) => outcome_of_update(written),
            Some(Err(Busy)) | None => Err(given_up()),
        }
    }

    async fn delete_item(&self, call: DeleteItemInputBuilder) -> Outcome<DeleteItemOutput, DeleteItemError> {
        let call = call.build().expect("a call is whole");
        let who = self.process.clone();
        let deleted = self.call("delete item", move |account| delete(account, &who, &call)).await;
        deleted.ok_or_else(given_up)?;
        Ok(DeleteItemOutput::builder().build())
    }

    async fn query(&self, call: QueryInputBuilder) -> Outcome<QueryOutput, QueryError> {
        let call = call.build().expect("a call is whole");
        let page = self.call("query", move |account| {
            if account.is_table_out(call.table_name()) { Err(Busy) } else { page_served(account, &call) }
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
        let stalls = self.account.world.faults.strikes(Fault::Stalled);
        self.transact_in(
            call,
            stalls.then(|| STALLED_MS.start + self.account.world.draw(STALLED_MS.end - STALLED_MS.start)),
        )
        .await
    }
}

impl Client {
    fn put(&self, call: PutItemInputBuilder) -> Put {
        let mut call = call.build().expect("a call is whole");
        let item = Rc::new(call.item.take().expect("a put has an item"));
        Put { call, item, who: self.process.clone(), by: self.process.invocation.get() }
    }

    fn update(&self, call: UpdateItemInputBuilder) -> Update {
        let call = call.build().expect("a call is whole");
        Update { call, who: self.process.clone(), by: self.process.invocation.get() }
    }

    /// One try of a transaction; of one that stalls nobody hears, and it lands after that many milliseconds.
    async fn transact_in(
        &self,
        call: TransactWriteItemsInputBuilder,
        stalled_ms: Option<u64>,
    ) -> Outcome<TransactWriteItemsOutput, TransactWriteItemsError> {
        let call = call.build().expect("a call is whole");
        let by = self.process.invocation.get();
        let writes: Vec<Write> = call.transact_items().iter().map(as_write).collect();
        let time_max = ATTEMPT_TIMEOUT.as_millis() as u64;
        if let Some(stalled_ms) = stalled_ms {
            let again = self.account.clone();
            let there = self.account.world.draw(USUAL_MS);
            self.account.world.executor.after(there, move || {
                begin_transaction(&again, by, &writes, stalled_ms - there);
            });
            self.account.world.executor.sleep(time_max).await;
            return Err(given_up());
        }
        let act = Rc::new(move |account: &Rc<Account>| Ok(begin_transaction(account, by, &writes, 0)));
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
fn write(account: &Rc<Account>, put: &Put) -> Result<Written, Busy> {
    let Put { call, item, who, by } = put;
    let table = call.table_name().expect("a table");
    if account.is_table_out(Some(table)) || !account.partition_takes(table, item) {
        return Err(Busy);
    }
    let written = account.tables.borrow_mut().of_mut(table).put(call, item);
    match &written {
        Written::Done(former) => {
            account.spent(table, former.as_deref(), item);
            account.landed(*by, table, former.as_deref(), item);
            account.world.tell(&who.name, || format!("writes {}", outline(item)));
        }
        Written::ConditionFailed(_) | Written::Conflict => {
            count(&account.world.numbers.conflicts);
            account.world.tell(&who.name, || format!("comes too late to write {}", outline(item)));
        }
    }
    Ok(written)
}

/// Deletes an item, and has the ledger know.
fn delete(account: &Rc<Account>, who: &Process, call: &DeleteItemInput) -> Result<(), Busy> {
    let (table, key) = (call.table_name().expect("a table"), call.key().expect("a key"));
    if account.is_table_out(Some(table)) || !account.partition_takes(table, key) {
        return Err(Busy);
    }
    let deleted = {
        let mut tables = account.tables.borrow_mut();
        let table = tables.of_mut(table);
        table.delete(table.key(key))
    };
    if let Some(item) = deleted {
        account.spent(table, None, &item);
        account.deleted(table, &item);
        account.world.tell(&who.name, || format!("deletes {}", outline(&item)));
    }
    Ok(())
}

/// An update on its way.
struct Update {
    call: UpdateItemInput,
    who: Rc<Process>,
    /// The invocation that sent it.
    by: u64,
}

/// Does an update, and has the stream and the ledger know.
fn change(account: &Rc<Account>, update: &Update) -> Result<Written, Busy> {
    let Update { call, who, by } = update;
    let (table, key) = (call.table_name().expect("a table"), call.key().expect("an update has a key"));
    if account.is_table_out(Some(table)) || !account.partition_takes(table, &stored(account, table, key)) {
        return Err(Busy);
    }
    let written = account.tables.borrow_mut().of_mut(table).update(call);
    match &written {
        Written::Done(former) => {
            let item = stored(account, table, key);
            account.landed(*by, table, former.as_deref(), &item);
            account.world.tell(&who.name, || format!("writes {}", outline(&item)));
        }
        Written::ConditionFailed(_) | Written::Conflict => {
            count(&account.world.numbers.conflicts);
            account.world.tell(&who.name, || format!("comes too late to update {}", outline(key)));
        }
    }
    Ok(written)
}

/// The item that stands at a key; the key itself, if there is none.
fn stored(account: &Account, table: &str, key: &Item) -> Rc<Item> {
    let tables = account.tables.borrow();
    let table = tables.of(Some(table));
    table.get(table.key(key)).unwrap_or_else(|| Rc::new(key.clone()))
}

#[expect(clippy::result_large_err, reason = "it is what the SDK's own calls return")]
fn outcome_of_update(written: Written) -> Outcome<UpdateItemOutput, UpdateItemError> {
    match written {
        Written::ConditionFailed(_) => Err(refused(UpdateItemError::ConditionalCheckFailedException(
            ConditionalCheckFailedException::builder().meta(coded("ConditionalCheckFailedException")).build(),
        ))),
        Written::Conflict => Err(refused(UpdateItemError::TransactionConflictException(
            TransactionConflictException::builder().meta(coded("TransactionConflictException")).build(),
        ))),
        Written::Done(_) => Ok(UpdateItemOutput::builder().build()),
    }
}

/// A page of a query, if its partition has the read units for it now.
fn page_served(account: &Rc<Account>, call: &QueryInput) -> Result<(Vec<Rc<Item>>, Option<Item>), Busy> {
    let (rows, last) = page(account, call);
    let bytes = rows.iter().map(|row| item_bytes(row)).sum();
    let values = call.expression_attribute_values().expect("values");
    let partition = values.get(":lane").and_then(|lane| lane.as_s().ok());
    let is_served = partition.is_none_or(|lane| account.partition_serves(call.table_name(), lane, bytes));
    if is_served { Ok((rows, last)) } else { Err(Busy) }
}

/// A page of a query: by a partition alone, or by a range of sort keys in it.
fn page(account: &Rc<Account>, call: &QueryInput) -> (Vec<Rc<Item>>, Option<Item>) {
    let values = call.expression_attribute_values().expect("values");
    let text = |name: &str| values[name].as_s().expect("keys are strings").as_str();
    let tables = account.tables.borrow();
    let table = tables.of(call.table_name());
    let (partition, first, last) = match call.key_condition_expression() {
        Some("#poll_id = :poll_id AND #item BETWEEN :options AND :rules") => {
            let first = Bound::Included(text(":options"));
            return (table.range(text(":poll_id"), first, text(":rules"), usize::MAX), None);
        }
        Some("#partition = :partition") => (text(":partition"), Bound::Unbounded, LAST_KEY),
        Some("#lane = :lane AND #item BETWEEN :first AND :last") => {
            (text(":lane"), Bound::Included(text(":first")), text(":last"))
        }
        Some("#lane = :lane AND begins_with(#item, :run)") => {
            (text(":lane"), Bound::Included(text(":run")), LAST_RUN_KEY)
        }
        other => panic!("the model does not know the query {other:?}"),
    };
    let after = call.exclusive_start_key().map(|key| table.key(key).1);
    let full = account.world.scenario.is_plain.then_some(FULL_PAGE_ROWS);
    let rows_max = full.unwrap_or_else(|| 1 + account.world.draw_index(PAGE_ROWS_MAX));
    let mut rows = table.range(partition, after.map_or(first, Bound::Excluded), last, rows_max + 1);
    let has_more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let last = rows.last().filter(|_| has_more).map(|row| table.key_attributes(row));
    (rows, last)
}

fn as_write(item: &TransactWriteItem) -> Write {
    if let Some(update) = item.update() {
        let update = UpdateItemInput::builder()
            .table_name(update.table_name())
            .set_key(Some(update.key().clone()))
            .update_expression(update.update_expression())
            .set_condition_expression(update.condition_expression().map(str::to_owned))
            .set_expression_attribute_names(update.expression_attribute_names().cloned())
            .set_expression_attribute_values(update.expression_attribute_values().cloned());
        return Write::Update(update.build().expect("an update is whole"));
    }
    let put = item.put().expect("a transaction of puts and updates");
    let put = PutItemInput::builder()
        .table_name(put.table_name())
        .set_item(Some(put.item().clone()))
        .set_condition_expression(put.condition_expression().map(str::to_owned))
        .set_expression_attribute_names(put.expression_attribute_names().cloned())
        .set_expression_attribute_values(put.expression_attribute_values().cloned());
    Write::Put(put.build().expect("a put is whole"))
}

/// Begins a transaction, which lands at once, or item by item where the fault strikes, or not before `stalled_ms`, with
/// its first item at any time until then. The code of its cancellation, if it is cancelled.
fn begin_transaction(account: &Rc<Account>, by: u64, writes: &[Write], stalled_ms: u64) -> Option<&'static str> {
    let mut tables = account.tables.borrow_mut();
    let mut items = Vec::with_capacity(writes.len());
    for (place, write) in writes.iter().enumerate() {
        let code = match tables.of_mut(write.table()).lock(write) {
            Written::Done(stands) => {
                items.push((write.table().to_owned(), write.item(stands.as_deref())));
                continue;
            }
            Written::ConditionFailed(_) => "ConditionalCheckFailed",
            Written::Conflict => "TransactionConflict",
        };
        count(&account.world.numbers.conflicts);
        writes[..place].iter().for_each(|write| tables.of_mut(write.table()).unlock(write));
        return Some(code);
    }
    drop(tables);
    let is_torn = account.world.faults.strikes(Fault::TornRead);
    if (is_torn || stalled_ms > 0) && account.world.once_in(2) {
        items.reverse();
    }
    let mut delay = if stalled_ms > 0 { account.world.draw(stalled_ms) } else { 0 };
    for (table, item) in items {
        let again = account.clone();
        let land = move || again.land(by, &table, &item);
        if delay == 0 {
            land()
        } else {
            account.world.executor.after(delay, land)
        }
        delay = if stalled_ms > 0 { stalled_ms } else { delay + if is_torn { 1 + account.world.draw(30) } else { 0 } };
    }
    let (again, writes) = (account.clone(), writes.to_vec());
    let end = move || {
        let mut tables = again.tables.borrow_mut();
        writes.iter().for_each(|write| tables.of_mut(write.table()).unlock(write));
    };
    if delay == 0 {
        end()
    } else {
        // Later than the last item: what is due in the same millisecond comes in any order, and an item that lands is locked.
        account.world.executor.after(delay + 1, end)
    }
    None
}
