//! The items that a call of DynamoDB writes.

use serde_json::{Value, json};

use super::Call;

/// The items that a put, an update or a transaction of them leaves, if its conditions hold. `stands` has the items from
/// before; what an update doesn't name stays in them.
pub fn items_written(call: &Call, stands: &[Value]) -> Vec<Value> {
    let parts = call.body.get("TransactItems").and_then(Value::as_array);
    let parts = parts.map(|parts| parts.iter().filter_map(|part| part.get("Put").or(part.get("Update"))).collect());
    parts.unwrap_or_else(|| vec![&call.body]).into_iter().map(|part| item_written(part, stands)).collect()
}

/// The item that a put or an update leaves, by the body of its call.
pub fn item_written(part: &Value, stands: &[Value]) -> Value {
    if let Some(item) = part.get("Item") {
        return item.clone();
    }
    let key = part.get("Key").cloned().unwrap_or_default();
    let is_same = |item: &&Value| fields(&key).all(|(name, value)| item.get(name) == Some(value));
    let mut item = stands.iter().find(is_same).unwrap_or(&key).clone();
    let expression = part.get("UpdateExpression").and_then(Value::as_str).unwrap_or_default();
    let (set, removed) = expression.split_once(" REMOVE ").unwrap_or((expression, ""));
    let attribute = |alias: &str| Some(part.get("ExpressionAttributeNames")?.get(alias)?.as_str()?.to_owned());
    for (alias, value) in set.trim_start_matches("SET ").split(", ").filter_map(|one| one.split_once(" = ")) {
        if let (Some(name), Some(item)) = (attribute(alias), item.as_object_mut()) {
            let value = part.get("ExpressionAttributeValues").and_then(|values| values.get(value));
            item.insert(name, value.cloned().unwrap_or(json!("a value that the call lacks")));
        }
    }
    for name in removed.split(", ").filter_map(attribute) {
        item.as_object_mut().map(|item| item.remove(&name));
    }
    item
}

fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}
