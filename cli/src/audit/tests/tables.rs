//! A stack's tables in memory, as far as counting, an audit and a repair use them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use landslide_aws::testing::{Answer, Call};
use serde_json::{Value, json};

/// Table, partition key, sort key.
type Key = (String, String, String);

/// All items.
type Items = BTreeMap<Key, Value>;

/// The tables. Clones share their items.
#[derive(Clone, Default)]
pub struct InMemory {
    items: Arc<Mutex<Items>>,
    next: Arc<Mutex<Option<Items>>>,
}

impl InMemory {
    /// DynamoDB's answer to a call.
    pub fn answer(&self, call: &Call) -> Answer {
        match call.operation.as_str() {
            "GetItem" => {
                if call.body["Key"]["item"]["S"].as_str().is_some_and(|item| item.starts_with("RUN#"))
                    && let Some(items) = self.next.lock().unwrap().take()
                {
                    self.put_all(items);
                }
                self.get(&call.body)
            }
            "PutItem" => self.write(&call.body, call.body["Item"].clone()),
            "DeleteItem" => self.write(&call.body, Value::Null),
            "Query" => self.query(&call.body),
            "TransactWriteItems" => {
                for part in call.body["TransactItems"].as_array().unwrap() {
                    self.write(&part["Put"], part["Put"]["Item"].clone());
                }
                Answer::Ok(json!({}))
            }
            other => panic!("{other} is not served"),
        }
    }

    /// All items.
    pub fn all(&self) -> Items {
        self.items.lock().unwrap().clone()
    }

    /// Puts these items in place of all.
    pub fn put_all(&self, items: Items) {
        *self.items.lock().unwrap() = items;
    }

    /// The same, just before the next row of a run is read.
    pub fn put_all_before_a_row_is_read(&self, items: Items) {
        *self.next.lock().unwrap() = Some(items);
    }

    /// An item by its keys; null if there is none.
    pub fn item(&self, table: &str, partition: &str, sort: &str) -> Value {
        let key = (table.to_owned(), partition.to_owned(), sort.to_owned());
        self.items.lock().unwrap().get(&key).cloned().unwrap_or_default()
    }

    /// Puts an item, or deletes it, if it is null.
    pub fn set(&self, table: &str, partition: &str, sort: &str, item: Value) {
        let key = (table.to_owned(), partition.to_owned(), sort.to_owned());
        let mut items = self.items.lock().unwrap();
        if item.is_null() { drop(items.remove(&key)) } else { drop(items.insert(key, item)) }
    }

    /// The keys of a table's items whose sort keys begin like this.
    pub fn keys(&self, table: &str, prefix: &str) -> Vec<(String, String)> {
        let items = self.items.lock().unwrap();
        let keys = items.keys().filter(|(of, _, sort)| of == table && sort.starts_with(prefix));
        keys.map(|(_, partition, sort)| (partition.clone(), sort.clone())).collect()
    }

    fn get(&self, call: &Value) -> Answer {
        let (table, partition, sort) = key_in(call, &call["Key"]);
        match self.item(&table, &partition, &sort) {
            Value::Null => Answer::Ok(json!({})),
            item => Answer::Ok(json!({"Item": item})),
        }
    }

    fn write(&self, call: &Value, item: Value) -> Answer {
        let (table, partition, sort) = key_in(call, if item.is_null() { &call["Key"] } else { &item });
        let stored = self.item(&table, &partition, &sort);
        if !holds(call, &stored) {
            return Answer::condition_failed(stored);
        }
        self.set(&table, &partition, &sort, item);
        Answer::Ok(json!({}))
    }

    fn query(&self, call: &Value) -> Answer {
        let condition = call["KeyConditionExpression"].as_str().unwrap();
        let value = |name: &str| call["ExpressionAttributeValues"][name]["S"].as_str().unwrap().to_owned();
        let (partition, range) = condition.split_once(" AND ").unwrap_or((condition, ""));
        let partition = value(partition.split_once(" = ").unwrap().1);
        let is_in_range = |sort: &str| match range {
            "" => true,
            "#item BETWEEN :first AND :last" => (value(":first")..=value(":last")).contains(&sort.to_owned()),
            begins => sort.starts_with(&value(begins.split_once(", ").unwrap().1.trim_end_matches(')'))),
        };
        let items = self.items.lock().unwrap();
        let found = items
            .iter()
            .filter(|((table, of, sort), _)| call["TableName"] == *table && *of == partition && is_in_range(sort));
        Answer::Ok(json!({"Items": found.map(|(_, item)| item).collect::<Vec<_>>()}))
    }
}

fn key_in(call: &Value, item: &Value) -> Key {
    let text = |names: [&str; 3]| {
        let value = names.iter().find_map(|name| item[name]["S"].as_str());
        value.unwrap_or_else(|| panic!("{item} lacks each of {names:?}")).to_owned()
    };
    let table = call["TableName"].as_str().unwrap().to_owned();
    (table, text(["poll_id", "poll_lane", "poll_partition"]), text(["item", "voter", "item"]))
}

/// Whether the stored item fulfils a call's condition: terms that are combined by OR.
fn holds(call: &Value, stored: &Value) -> bool {
    let Some(condition) = call["ConditionExpression"].as_str() else { return true };
    let number = |value: &Value| value["N"].as_str().and_then(|digits| digits.parse::<u64>().ok());
    let stored = |alias: &str| &stored[call["ExpressionAttributeNames"][alias].as_str().unwrap()];
    let given = |name: &str| number(&call["ExpressionAttributeValues"][name]);
    condition.split(" OR ").any(|term| match term.split(' ').collect::<Vec<_>>()[..] {
        [alias, "=", name] => number(stored(alias)) == given(name),
        [alias, "<", name] => number(stored(alias)) < given(name),
        _ => {
            let alias = term.strip_prefix("attribute_not_exists(").unwrap_or_else(|| panic!("{term} is not served"));
            stored(alias.trim_end_matches(')')).is_null()
        }
    })
}
