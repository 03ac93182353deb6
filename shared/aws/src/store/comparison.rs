//! The Jobs table's row of the comparison: how far all polls were compared with their copies.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::{get_item::GetItemInput, put_item::PutItemInput},
    types::AttributeValue,
};
use aws_types::SdkConfig;
use landslide_domain::{ids::PollId, keys, time::Timestamp};

use super::{
    DynamoDb, StoreError,
    item::{Attributes, Item, number, string, time},
    store_error,
};
use crate::config::{self, ConfigError};

/// The row's sort key.
const STATE: &str = "STATE";
const AT: &str = "at";
const DONE_AT: &str = "done_at";
/// The attribute with the place in the index of polls.
const AFTER: &str = "after";
/// The attribute with the last copy that was compared.
const AFTER_COPY: &str = "after_copy";
const PHASE: &str = "phase";
const COMPARED: &str = "compared";
const DRIFTED: &str = "drifted";

/// How far a comparison is.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonState {
    /// When it began.
    pub at: Timestamp,
    /// When it was done, if it is.
    pub done_at: Option<Timestamp>,
    /// Where it goes on.
    pub place: ComparisonPlace,
    /// Polls that were compared.
    pub compared: u64,
    /// Copies that were not what they should be.
    pub drifted: u64,
}

/// Where a comparison goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum ComparisonPlace {
    /// Looking for polls without a copy, from this place in the index on.
    Polls(Option<HashMap<String, AttributeValue>>),
    /// Comparing the copies after this one.
    Copies(Option<PollId>),
}

/// The Jobs table, as far as this row goes.
pub struct ComparisonStore<D = Client> {
    db: D,
    table: String,
}

impl ComparisonStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self { db: Client::new(aws), table: config::text("JOBS_TABLE")? })
    }
}

impl<D: DynamoDb> ComparisonStore<D> {
    /// A table by name, in any database.
    pub fn over(db: D, table: String) -> Self {
        Self { db, table }
    }

    /// The last comparison, strongly consistent. `None` before the first.
    pub async fn last(&self) -> Result<Option<ComparisonState>, StoreError> {
        let get = GetItemInput::builder().table_name(&self.table).set_key(Some(key())).consistent_read(true);
        let answer = self.db.get_item(get).await.map_err(|error| store_error("read how far was compared", error))?;
        answer.item.as_ref().map(read_state).transpose()
    }

    /// Notes how far it is.
    pub async fn note(&self, state: &ComparisonState) -> Result<(), StoreError> {
        let mut item = key();
        let mut set = |name: &str, value| drop(item.insert(name.to_owned(), value));
        set(AT, time(state.at));
        set(COMPARED, number(state.compared));
        set(DRIFTED, number(state.drifted));
        if let Some(done_at) = state.done_at {
            set(DONE_AT, time(done_at));
        }
        match &state.place {
            ComparisonPlace::Polls(after) => {
                set(PHASE, string("polls"));
                after.iter().for_each(|after| set(AFTER, AttributeValue::M(after.clone())));
            }
            ComparisonPlace::Copies(after) => {
                set(PHASE, string("copies"));
                after.iter().for_each(|after| set(AFTER_COPY, string(after.as_str())));
            }
        }
        let put = PutItemInput::builder().table_name(&self.table).set_item(Some(item));
        self.db.put_item(put).await.map(drop).map_err(|error| store_error("note how far was compared", error))
    }
}

fn key() -> Item {
    Item::from([(keys::JOB.to_owned(), string(keys::COMPARISON)), (keys::ITEM.to_owned(), string(STATE))])
}

fn read_state(item: &Item) -> Result<ComparisonState, StoreError> {
    let attributes = Attributes(item);
    let place = match attributes.string(PHASE)? {
        "copies" => ComparisonPlace::Copies(attributes.optional_string(AFTER_COPY)?.and_then(PollId::parse)),
        _ => ComparisonPlace::Polls(item.get(AFTER).and_then(|after| after.as_m().ok()).cloned()),
    };
    Ok(ComparisonState {
        at: attributes.time(AT)?,
        done_at: attributes.optional_time(DONE_AT)?,
        place,
        compared: attributes.number(COMPARED)?,
        drifted: attributes.number(DRIFTED)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Answer, stub};

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn how_far_a_comparison_is_is_read_as_it_was_noted() {
        let after = HashMap::from([("poll_id".to_owned(), string("p1")), ("owner".to_owned(), string("o"))]);
        let at = Timestamp::from_millis(1_790_000_000_000).unwrap();
        for place in [
            ComparisonPlace::Polls(None),
            ComparisonPlace::Polls(Some(after)),
            ComparisonPlace::Copies(None),
            ComparisonPlace::Copies(PollId::parse("p1")),
        ] {
            for done_at in [None, Some(at.plus_millis(1))] {
                let state = ComparisonState { at, done_at, place: place.clone(), compared: 7, drifted: 1 };
                let stored = std::sync::Mutex::new(Value::Null);
                let (aws, _) = stub(move |call, _| {
                    let mut stored = stored.lock().unwrap();
                    if call.operation == "PutItem" {
                        *stored = call.body["Item"].clone();
                        return Answer::Ok(json!({}));
                    }
                    Answer::Ok(json!({"Item": *stored}))
                });
                let store = ComparisonStore::over(Client::new(&aws), "jobs".to_owned());
                run(store.note(&state)).unwrap();
                assert_eq!(run(store.last()).unwrap(), Some(state));
            }
        }
    }
}
