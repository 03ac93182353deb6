//! The Jobs table's marks: which polls have changed since analytics were last synced.

use aws_sdk_dynamodb::{
    Client,
    operation::{delete_item::DeleteItemInput, put_item::PutItemInput, query::QueryInput},
};
use aws_types::SdkConfig;
use futures_util::{StreamExt, TryStreamExt, stream};
use landslide_domain::{
    due::{SHARES, minute_of, share_of},
    ids::PollId,
    keys,
    time::{DAY_MS, MINUTE_MS, Timestamp},
};

use super::{
    DynamoDb, StoreError,
    item::{Attributes, Item, number, string},
    store_error,
};
use crate::{
    cache::Cache,
    config::{self, ConfigError},
};

/// How long a mark is kept, in milliseconds. What nobody synced for so long, the nightly comparison finds.
const KEPT_MS: u64 = 7 * DAY_MS;
/// How many marks are written or deleted at once.
const AT_ONCE: usize = 16;
/// Of how many polls a process knows that it has marked them.
const KNOWN_MAX: usize = 10_000;

/// A poll that has changed, and the minute in which that was marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The minute's number.
    pub minute: u64,
    /// The poll.
    pub poll: PollId,
}

impl Mark {
    /// Whether no process writes it again by a clock that is at most this far behind, in milliseconds.
    pub fn is_over(&self, now: Timestamp, skew_ms: u64) -> bool {
        now.as_millis() >= (self.minute + 1) * MINUTE_MS + skew_ms
    }
}

/// The Jobs table, as far as marks lie in it.
pub struct MarkStore<D = Client> {
    db: D,
    table: String,
    /// The polls that this process has marked, and when.
    marked: Cache<PollId, ()>,
}

impl MarkStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("JOBS_TABLE")?))
    }

    /// The table in the environment's variable. `None` if nothing is to be marked, as the stack has no analytics.
    pub fn from_env_if_any(aws: &SdkConfig) -> Option<Self> {
        config::text_if_any("MARKS_TABLE").map(|table| Self::new(aws, table))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self::over(Client::new(aws), table)
    }
}

impl<D: DynamoDb> MarkStore<D> {
    /// A table by name, in any database.
    pub fn over(db: D, table: String) -> Self {
        Self { db, table, marked: Cache::new(KNOWN_MAX) }
    }

    /// Marks polls as changed, each at most once a minute and process. `now` must be sampled after the changes. Returns how
    /// many marks were written.
    pub async fn mark(&self, polls: impl IntoIterator<Item = &PollId>, now: Timestamp) -> Result<usize, StoreError> {
        let minute = minute_of(now);
        let is_new = |poll: &&PollId| self.marked.get(poll).is_none_or(|known| minute_of(known.read_at) != minute);
        let new: Vec<Mark> = polls.into_iter().filter(is_new).map(|poll| Mark { minute, poll: poll.clone() }).collect();
        stream::iter(&new).map(|mark| self.put(mark, now)).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        Ok(new.len())
    }

    async fn put(&self, mark: &Mark, now: Timestamp) -> Result<(), StoreError> {
        let mut item = mark_key(mark);
        item.insert(keys::EXPIRES_AT.to_owned(), number(now.plus_millis(KEPT_MS).as_millis() / 1_000));
        let put = PutItemInput::builder().table_name(&self.table).set_item(Some(item));
        self.db.put_item(put).await.map_err(|error| store_error("mark a poll", error))?;
        self.marked.put(&mark.poll, (), now);
        Ok(())
    }

    /// All marks, strongly consistent: the oldest first, and at most about `max`.
    pub async fn all(&self, max: usize) -> Result<Vec<Mark>, StoreError> {
        let of_share = usize::div_ceil(max, usize::from(SHARES));
        let shares = stream::iter(0..SHARES).map(|share| self.of_share(share, of_share)).buffer_unordered(AT_ONCE);
        let shares: Vec<Vec<Mark>> = shares.try_collect().await?;
        let mut marks: Vec<Mark> = shares.into_iter().flatten().collect();
        marks.sort_by_key(|mark| mark.minute);
        Ok(marks)
    }

    async fn of_share(&self, share: u8, max: usize) -> Result<Vec<Mark>, StoreError> {
        let (mut marks, mut start) = (Vec::new(), None);
        while marks.len() < max {
            let query = QueryInput::builder()
                .table_name(&self.table)
                .key_condition_expression("#job = :job")
                .expression_attribute_names("#job", keys::JOB)
                .expression_attribute_values(":job", string(keys::changed(share)))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let page = self.db.query(query).await.map_err(|error| store_error("read marks", error))?;
            for item in page.items() {
                marks.push(read_mark(item)?);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(marks)
    }

    /// Deletes marks.
    pub async fn delete(&self, marks: &[Mark]) -> Result<(), StoreError> {
        stream::iter(marks).map(|mark| self.delete_one(mark)).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn delete_one(&self, mark: &Mark) -> Result<(), StoreError> {
        let delete = DeleteItemInput::builder().table_name(&self.table).set_key(Some(mark_key(mark)));
        self.db.delete_item(delete).await.map(drop).map_err(|error| store_error("delete a mark", error))
    }
}

fn mark_key(mark: &Mark) -> Item {
    Item::from([
        (keys::JOB.to_owned(), string(keys::changed(share_of(&mark.poll)))),
        (keys::ITEM.to_owned(), string(keys::mark(mark.minute, &mark.poll))),
    ])
}

fn read_mark(item: &Item) -> Result<Mark, StoreError> {
    let key = Attributes(item).string(keys::ITEM)?;
    let (minute, poll) =
        keys::read_mark(key).ok_or_else(|| StoreError::Broken(format!("read marks: {key:?} is no mark")))?;
    Ok(Mark { minute, poll })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Answer, Call, stub};

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis).unwrap()
    }

    fn poll(number: u8) -> PollId {
        PollId::from_bytes([number; 16])
    }

    /// A table of marks, in pages of two.
    #[derive(Clone, Default)]
    struct Table(Arc<Mutex<Vec<Value>>>);

    impl Table {
        fn store(&self) -> (MarkStore, crate::testing::Calls) {
            let table = self.clone();
            let (aws, calls) = stub(move |call, _| table.answer(call));
            (MarkStore::new(&aws, "jobs".to_owned()), calls)
        }

        fn answer(&self, call: &Call) -> Answer {
            let mut rows = self.0.lock().unwrap();
            match call.operation.as_str() {
                "PutItem" => {
                    let mut row = call.body["Item"].clone();
                    row.as_object_mut().unwrap().remove("expires_at");
                    rows.retain(|known| *known != row);
                    rows.push(row);
                    Answer::Ok(json!({}))
                }
                "DeleteItem" => {
                    rows.retain(|row| *row != call.body["Key"]);
                    Answer::Ok(json!({}))
                }
                "Query" => {
                    let mut of_share: Vec<Value> = rows
                        .iter()
                        .filter(|row| row["job"] == call.body["ExpressionAttributeValues"][":job"])
                        .cloned()
                        .collect();
                    of_share.sort_by_key(|row| row["item"]["S"].as_str().unwrap().to_owned());
                    let start = call.body["ExclusiveStartKey"]["item"]["S"].as_str().unwrap_or_default().to_owned();
                    of_share.retain(|row| row["item"]["S"].as_str().unwrap() > start.as_str());
                    let more = of_share.len() > 2;
                    of_share.truncate(2);
                    let last = if more { of_share.last().cloned() } else { None };
                    Answer::Ok(json!({"Items": of_share, "LastEvaluatedKey": last}))
                }
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn a_poll_is_marked_once_a_minute_and_again_in_the_next() {
        let (store, calls) = Table::default().store();
        let marked = |polls: &[PollId], millis| run(store.mark(polls, at(millis))).unwrap();
        assert_eq!(marked(&[poll(1), poll(2)], 60_000), 2);
        assert_eq!(marked(&[poll(1), poll(3)], 119_999), 1);
        assert_eq!(marked(&[poll(1)], 120_000), 1);
        assert_eq!(calls.operations(), ["PutItem"; 4]);
        let marks = run(store.all(100)).unwrap();
        assert_eq!(marks.iter().map(|mark| mark.minute).collect::<Vec<_>>(), [1, 1, 1, 2]);
        assert_eq!(marks[3].poll, poll(1));
    }

    #[test]
    fn a_mark_that_was_not_written_is_written_at_the_next_try() {
        let (aws, calls) = stub(|_, before| if before < 9 { Answer::throttled() } else { Answer::Ok(json!({})) });
        let store = MarkStore::new(&aws, "jobs".to_owned());
        while run(store.mark(&[poll(1)], at(0))).is_err() {}
        assert!(calls.all().len() >= 10);
        let written = calls.all().len();
        assert_eq!(run(store.mark(&[poll(1)], at(1))).unwrap(), 0);
        assert_eq!(calls.all().len(), written);
    }

    #[test]
    fn marks_are_read_from_all_shares_and_pages_the_oldest_first_and_deleted_one_by_one() {
        let (store, _) = Table::default().store();
        let polls: Vec<PollId> = (0..60).map(poll).collect();
        for minute in [7, 5, 6] {
            run(store.mark(&polls, at(minute * MINUTE_MS))).unwrap();
        }
        let marks = run(store.all(1_000)).unwrap();
        assert_eq!(marks.len(), 180);
        assert!(marks.is_sorted_by_key(|mark| mark.minute));
        run(store.delete(&marks[..179])).unwrap();
        assert_eq!(run(store.all(1_000)).unwrap(), marks[179..]);
        assert_eq!(run(store.all(0)).unwrap(), []);
    }

    #[test]
    fn a_mark_is_over_once_its_minute_is_by_every_clock() {
        let mark = Mark { minute: 2, poll: poll(1) };
        let over = [179_999, 180_999, 181_000].map(|millis| mark.is_over(at(millis), 1_000));
        assert_eq!(over, [false, false, true]);
    }

    #[test]
    fn a_row_that_is_no_mark_is_an_error_that_names_it() {
        let (aws, _) =
            stub(|_, _| Answer::Ok(json!({"Items": [{"job": {"S": "changed#00"}, "item": {"S": "STATE"}}]})));
        let error = run(MarkStore::new(&aws, "jobs".to_owned()).all(10)).unwrap_err();
        assert!(error.to_string().contains("STATE"), "{error}");
    }
}
