//! Changes an item attribute by attribute, so that the attributes of a later release stay in it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::Item;

/// An update of an item, in the parts that a call and a transaction share.
pub struct Change {
    /// What is set and what is removed.
    pub expression: String,
    /// The attributes' names, each as `#name`.
    pub names: HashMap<String, String>,
    /// The values that are set, each as `:name`.
    pub values: Item,
}

impl Change {
    /// Sets the attributes that have a value and removes those without. Any other attribute stays.
    pub fn of<'a>(attributes: impl IntoIterator<Item = (&'a str, Option<AttributeValue>)>) -> Self {
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        let (mut names, mut values) = (HashMap::new(), Item::new());
        for (name, value) in attributes {
            names.insert(format!("#{name}"), name.to_owned());
            match value {
                Some(value) => {
                    set.push(format!("#{name} = :{name}"));
                    values.insert(format!(":{name}"), value);
                }
                None => removed.push(format!("#{name}")),
            }
        }
        let clauses = [("SET", set), ("REMOVE", removed)].into_iter().filter(|(_, parts)| !parts.is_empty());
        let clauses: Vec<String> = clauses.map(|(verb, parts)| format!("{verb} {}", parts.join(", "))).collect();
        Self { expression: clauses.join(" "), names, values }
    }

    /// The same with a further value, as a condition needs it.
    pub fn with_value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }
}
