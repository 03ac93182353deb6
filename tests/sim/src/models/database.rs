//! DynamoDB: tables of items, conditions, transactions whose items land one after the other, pages.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    rc::Rc,
};

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemInput, update_item::UpdateItemInput},
    types::AttributeValue,
};

use crate::{
    item::{Item, number},
    names::{JOBS, POLLS, TALLIES, VOTES},
};

/// Names of a table's partition key and sort key.
pub struct Keys(pub &'static str, pub &'static str);

/// The tables.
pub struct Tables {
    polls: Table,
    votes: Table,
    tallies: Table,
    jobs: Table,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            polls: Table::new(Keys("poll_id", "item")),
            votes: Table::new(Keys("poll_partition", "voter")),
            tallies: Table::new(Keys("poll_lane", "item")),
            jobs: Table::new(Keys("job", "item")),
        }
    }
}

impl Tables {
    /// A table by its name.
    pub fn of(&self, name: Option<&str>) -> &Table {
        match name {
            Some(POLLS) => &self.polls,
            Some(VOTES) => &self.votes,
            Some(TALLIES) => &self.tallies,
            Some(JOBS) => &self.jobs,
            other => panic!("there is no table {other:?}"),
        }
    }

    /// A table by its name, to be written.
    pub fn of_mut(&mut self, name: &str) -> &mut Table {
        match name {
            POLLS => &mut self.polls,
            VOTES => &mut self.votes,
            TALLIES => &mut self.tallies,
            JOBS => &mut self.jobs,
            other => panic!("there is no table {other:?}"),
        }
    }
}

/// A table.
pub struct Table {
    keys: Keys,
    items: BTreeMap<String, BTreeMap<String, Stored>>,
}

struct Stored {
    item: Rc<Item>,
    /// What stood before, which an eventually consistent read may still see.
    former: Option<Rc<Item>>,
    /// Whether a transaction on it is under way.
    is_locked: bool,
}

/// What became of a write.
pub enum Written {
    /// It is done; what was there before.
    Done(Option<Rc<Item>>),
    /// Its condition failed; what stands.
    ConditionFailed(Option<Rc<Item>>),
    /// A transaction on the item is under way.
    Conflict,
}

impl Table {
    /// An empty table.
    pub fn new(keys: Keys) -> Self {
        Self { keys, items: BTreeMap::new() }
    }

    /// The partition key and the sort key of an item, or of a key alone.
    pub fn key<'a>(&self, item: &'a Item) -> (&'a str, &'a str) {
        let text = |name: &str| item[name].as_s().expect("keys are strings").as_str();
        (text(self.keys.0), text(self.keys.1))
    }

    /// The key attributes of an item.
    pub fn key_attributes(&self, item: &Item) -> Item {
        [self.keys.0, self.keys.1].map(|name| (name.to_owned(), item[name].clone())).into()
    }

    /// An item by its keys.
    pub fn get(&self, (partition, sort): (&str, &str)) -> Option<Rc<Item>> {
        self.items.get(partition)?.get(sort).map(|stored| stored.item.clone())
    }

    /// What an eventually consistent read may see of an item: the one before.
    pub fn get_stale(&self, (partition, sort): (&str, &str)) -> Option<Rc<Item>> {
        self.items.get(partition)?.get(sort)?.former.clone()
    }

    /// Every item.
    pub fn all(&self) -> impl Iterator<Item = &Rc<Item>> {
        self.items.values().flat_map(|partition| partition.values().map(|stored| &stored.item))
    }

    /// The first items of a partition whose sort keys are between two bounds, at most `most`.
    pub fn range(&self, partition: &str, from: Bound<&str>, to: &str, most: usize) -> Vec<Rc<Item>> {
        let Some(items) = self.items.get(partition) else { return Vec::new() };
        let within = items.range::<str, _>((from, Bound::Included(to)));
        within.take(most).map(|(_, stored)| stored.item.clone()).collect()
    }

    /// Puts an item if the condition of its call holds.
    pub fn put(&mut self, put: &PutItemInput, item: &Rc<Item>) -> Written {
        let stored = self.stored_mut(self.key(item));
        if stored.as_ref().is_some_and(|stored| stored.is_locked) {
            return Written::Conflict;
        }
        let stands = stored.as_ref().map(|stored| stored.item.clone());
        if !Condition::of(put).holds(stands.as_deref()) {
            return Written::ConditionFailed(stands);
        }
        let stores = Stored { item: item.clone(), former: stands.clone(), is_locked: false };
        match stored {
            Some(stored) => *stored = stores,
            None => self.insert(self.key(item), stores),
        }
        Written::Done(stands)
    }

    /// Deletes an item, if it is there. Returns it.
    pub fn delete(&mut self, (partition, sort): (&str, &str)) -> Option<Rc<Item>> {
        Some(self.items.get_mut(partition)?.remove(sort)?.item)
    }

    /// Updates an item if the condition of the call holds.
    pub fn update(&mut self, update: &UpdateItemInput) -> Written {
        let key = update.key().expect("an update has a key");
        let stored = self.stored_mut(self.key(key));
        if stored.as_ref().is_some_and(|stored| stored.is_locked) {
            return Written::Conflict;
        }
        let stands = stored.as_ref().map(|stored| stored.item.clone());
        if !Condition::of_update(update).holds(stands.as_deref()) {
            return Written::ConditionFailed(stands);
        }
        let item = Rc::new(updated(update, stands.as_deref()));
        let stores = Stored { item, former: stands.clone(), is_locked: false };
        match stored {
            Some(stored) => *stored = stores,
            None => self.insert(self.key(key), stores),
        }
        Written::Done(stands)
    }

    /// Whether a transaction's write could be done now; if so, its item is locked until it lands.
    pub fn lock(&mut self, write: &Write) -> Written {
        let Some(stored) = self.stored_mut(self.key(write.key())) else {
            return if write.condition().holds(None) { Written::Done(None) } else { Written::ConditionFailed(None) };
        };
        if stored.is_locked {
            return Written::Conflict;
        }
        if !write.condition().holds(Some(&stored.item)) {
            return Written::ConditionFailed(Some(stored.item.clone()));
        }
        stored.is_locked = true;
        Written::Done(Some(stored.item.clone()))
    }

    /// Gives up the lock of a transaction that does not take place, or has landed.
    pub fn unlock(&mut self, write: &Write) {
        if let Some(stored) = self.stored_mut(self.key(write.key())) {
            stored.is_locked = false;
        }
    }

    /// Lands an item of a transaction; it stays locked until the last has landed.
    pub fn land(&mut self, item: &Item) {
        let former = self.get(self.key(item));
        self.insert(self.key(item), Stored { item: Rc::new(item.clone()), former, is_locked: true });
    }

    /// Puts an item, whatever stands.
    pub fn seed(&mut self, item: Item) {
        self.land(&item);
        self.stored_mut(self.key(&item)).expect("just put").is_locked = false;
    }

    fn stored_mut(&mut self, (partition, sort): (&str, &str)) -> Option<&mut Stored> {
        self.items.get_mut(partition)?.get_mut(sort)
    }

    fn insert(&mut self, (partition, sort): (&str, &str), stored: Stored) {
        if let Some(items) = self.items.get_mut(partition) {
            items.insert(sort.to_owned(), stored);
        } else {
            self.items.insert(partition.to_owned(), BTreeMap::from([(sort.to_owned(), stored)]));
        }
    }

    /// Takes out the items whose time to live is over.
    pub fn expire(&mut self, now_ms: u64) -> Vec<Rc<Item>> {
        let mut gone = Vec::new();
        let is_over = |item: &Item| item.contains_key("expires_at") && number(item, "expires_at") * 1_000 <= now_ms;
        for items in self.items.values_mut() {
            items.retain(|_, stored| {
                let goes = is_over(&stored.item);
                if goes {
                    gone.push(stored.item.clone());
                }
                !goes
            });
        }
        gone
    }
}

/// A transaction's write of one item.
#[derive(Clone)]
pub enum Write {
    /// Of a whole item.
    Put(PutItemInput),
    /// Of some attributes.
    Update(UpdateItemInput),
}

impl Write {
    /// The table's name.
    pub fn table(&self) -> &str {
        let table = match self {
            Self::Put(put) => put.table_name(),
            Self::Update(update) => update.table_name(),
        };
        table.expect("a table")
    }

    /// The item that it leaves, of what stands.
    pub fn item(&self, stands: Option<&Item>) -> Item {
        match self {
            Self::Put(put) => put.item().expect("a put has an item").clone(),
            Self::Update(update) => updated(update, stands),
        }
    }

    /// Attributes with the key among them.
    fn key(&self) -> &Item {
        match self {
            Self::Put(put) => put.item().expect("a put has an item"),
            Self::Update(update) => update.key().expect("an update has a key"),
        }
    }

    fn condition(&self) -> Condition<'_> {
        match self {
            Self::Put(put) => Condition::of(put),
            Self::Update(update) => Condition::of_update(update),
        }
    }
}

/// What an update makes of the item that stands: `SET #name = …, … REMOVE #name, …`, each set to a `:value` or to the sum of
/// attributes.
fn updated(update: &UpdateItemInput, stands: Option<&Item>) -> Item {
    let mut item = stands.or(update.key()).expect("an update has a key").clone();
    let names = update.expression_attribute_names().expect("names of an update");
    let values = update.expression_attribute_values().expect("values of an update");
    let expression =
        update.update_expression().expect("an expression").strip_prefix("SET ").expect("it sets something");
    let (set, removed) = expression.split_once(" REMOVE ").unwrap_or((expression, ""));
    for (name, operand) in set.split(", ").map(|one| one.split_once(" = ").expect("an assignment")) {
        let value = values.get(operand).cloned().unwrap_or_else(|| {
            let sum: u64 = operand.split(" + ").map(|name| number(&item, &names[name])).sum();
            AttributeValue::N(sum.to_string())
        });
        item.insert(names[name].clone(), value);
    }
    for name in removed.split(", ").filter(|name| !name.is_empty()) {
        item.remove(&names[name]);
    }
    item
}

/// A condition with its names and values: of the clauses joined by AND each must hold, of those that a clause joins by OR
/// in parentheses, one: `attribute_not_exists(#name)`, `#name = :value`, or with `<` or `<=`.
struct Condition<'a> {
    expression: Option<&'a str>,
    names: Option<&'a HashMap<String, String>>,
    values: Option<&'a Item>,
}

impl<'a> Condition<'a> {
    fn of(put: &'a PutItemInput) -> Self {
        Self {
            expression: put.condition_expression(),
            names: put.expression_attribute_names(),
            values: put.expression_attribute_values(),
        }
    }

    fn of_update(update: &'a UpdateItemInput) -> Self {
        Self {
            expression: update.condition_expression(),
            names: update.expression_attribute_names(),
            values: update.expression_attribute_values(),
        }
    }

    /// Whether it holds for what stands.
    fn holds(&self, stands: Option<&Item>) -> bool {
        let any = |clause: &str| {
            let clause = clause.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(clause);
            clause.split(" OR ").any(|clause| self.clause_holds(clause, stands))
        };
        self.expression.is_none_or(|expression| expression.split(" AND ").all(any))
    }

    fn clause_holds(&self, clause: &str, stands: Option<&Item>) -> bool {
        let names = self.names.expect("names of a condition");
        let attribute = |name: &str| stands.and_then(|item| item.get(&names[name]));
        if let Some(name) = clause.strip_prefix("attribute_not_exists(").and_then(|rest| rest.strip_suffix(')')) {
            return attribute(name).is_none();
        }
        let [name, operator, value] = clause.split(' ').collect::<Vec<_>>()[..] else {
            panic!("the model does not know the condition {clause:?}");
        };
        let digits = |value: &AttributeValue| value.as_n().expect("conditions compare numbers").parse::<u64>().unwrap();
        let value = digits(&self.values.expect("values of a condition")[value]);
        let Some(stands) = attribute(name).map(digits) else { return false };
        match operator {
            "=" => stands == value,
            "<" => stands < value,
            "<=" => stands <= value,
            other => panic!("the model does not know the operator {other:?}"),
        }
    }
}
