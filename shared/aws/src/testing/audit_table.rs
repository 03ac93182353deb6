//! The Audit table in memory: its queries, and transactions of puts where there is no item.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use landslide_domain::{
    audit::{Check, Row},
    keys,
    tenant::TenantKey,
};
use serde_json::{Value, json};

use super::{Answer, Call};

/// The table. Its clones share their items.
#[derive(Clone, Default)]
pub struct AuditTable(Arc<Mutex<Items>>);

#[derive(Default)]
struct Items {
    by_key: BTreeMap<(String, String), Value>,
    /// Tokens of transactions that were done, which DynamoDB does once.
    done: BTreeSet<String>,
}

impl AuditTable {
    /// DynamoDB's answer to a call.
    pub fn answer(&self, call: &Call) -> Answer {
        let mut items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match call.operation.as_str() {
            "Query" => items.query(&call.body),
            "TransactWriteItems" => items.transact(&call.body),
            _ => Answer::Refused("ValidationException", json!({})),
        }
    }

    /// A tenant's rows, oldest first.
    pub fn rows(&self, tenant: &TenantKey) -> Vec<Row> {
        let items = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = items.by_key.iter().filter(|((owner, _), _)| owner == tenant.as_str());
        of_tenant.filter_map(|((_, key), item)| row(key, item)).collect()
    }

    /// The names of a tenant's events, in the order of the log. Fails if the log has a fault.
    pub fn events(&self, tenant: &TenantKey) -> Result<Vec<String>, String> {
        let rows = self.rows(tenant);
        let mut check = Check::new(tenant, None);
        rows.iter().for_each(|row| check.row(row, false));
        let events = rows.iter().map(|row| {
            let entry: Value = serde_json::from_str(&row.entry).unwrap_or_default();
            text(&entry, "/event")
        });
        let events = events.collect();
        if check.faults().is_empty() { Ok(events) } else { Err(format!("{:?} in {rows:?}", check.faults())) }
    }
}

impl Items {
    fn query(&self, call: &Value) -> Answer {
        let value = |name: &str| text(call, &format!("/ExpressionAttributeValues/{name}/S"));
        let tenant = value(":tenant");
        let range = (tenant.clone(), value(":from"))..=(tenant, value(":to"));
        let mut found: Vec<&Value> = self.by_key.range(range).map(|(_, item)| item).collect();
        if call.pointer("/ScanIndexForward") == Some(&Value::Bool(false)) {
            found.reverse();
        }
        let limit = call.pointer("/Limit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
        found.truncate(limit.unwrap_or(usize::MAX));
        Answer::Ok(json!({"Items": found}))
    }

    fn transact(&mut self, call: &Value) -> Answer {
        let token = text(call, "/ClientRequestToken");
        if self.done.contains(&token) {
            return Answer::Ok(json!({}));
        }
        let items = call.pointer("/TransactItems").and_then(Value::as_array).into_iter().flatten();
        let puts: Vec<&Value> = items.filter_map(|item| item.get("Put")).collect();
        let codes = puts.iter().map(|put| {
            let is_refused = put.get("ConditionExpression").is_some() && self.by_key.contains_key(&key(put));
            if is_refused { "ConditionalCheckFailed" } else { "None" }
        });
        let codes: Vec<&str> = codes.collect();
        if codes.contains(&"ConditionalCheckFailed") {
            let reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code})).collect();
            return Answer::Refused("TransactionCanceledException", json!({"CancellationReasons": reasons}));
        }
        let written = puts.iter().filter_map(|put| Some((key(put), put.get("Item")?.clone())));
        self.by_key.extend(written);
        self.done.insert(token);
        Answer::Ok(json!({}))
    }
}

/// The key of a put's item.
fn key(put: &Value) -> (String, String) {
    let part = |name: &str| text(put, &format!("/Item/{name}/S"));
    (part(keys::TENANT), part(keys::ITEM))
}

fn row(key: &str, item: &Value) -> Option<Row> {
    let sequence = keys::read_audit_row(key)?;
    let [previous, entry, hash] = ["previous", "entry", "hash"].map(|name| attribute(item, name));
    Some(Row { sequence, previous, entry, hash })
}

fn attribute(item: &Value, name: &str) -> String {
    text(item, &format!("/{name}/S"))
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
