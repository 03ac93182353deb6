//! What a query may ask for and what its fields cost, from `costs.json` beside the schema.

use std::collections::HashMap;

use serde::Deserialize;

/// The file.
const COSTS: &str = include_str!("../costs.json");

/// What fields cost, and the limits of a query.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// The most of everything that a query may have or ask for, by name.
    pub limits: HashMap<String, u64>,
    /// Those that are others in a mutation.
    pub limits_of_mutations: HashMap<String, u64>,
    /// How many units an item is that is written.
    pub units_of_a_write: u64,
    fields: HashMap<String, HashMap<String, FieldCost>>,
}

/// A field that costs reads, has fields of its own, or is a list. Of all others there is nothing to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldCost {
    /// The type of the field's object, or of its list's objects.
    #[serde(rename = "type")]
    pub object: Option<String>,
    /// Items that are read for it in the database.
    #[serde(default)]
    pub reads: u64,
    /// Items that are written for it; one in a transaction is two.
    #[serde(default)]
    pub writes: u64,
    /// Reads for each item of a list of polls. Elsewhere they are read already.
    #[serde(default)]
    pub reads_in_list: u64,
    /// The most values of a list, on average over the lists around it.
    pub items: Option<u64>,
    /// How many items a page has.
    pub pages: Option<Pages>,
    /// The limit that it counts for.
    pub counted_as: Option<String>,
}

/// A list of pages, whose size is an argument.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// The argument's name.
    pub argument: String,
    /// Its value if it is absent.
    pub default: u64,
    /// Its greatest value.
    pub max: u64,
    /// Items that are read for each of the page.
    pub reads: u64,
}

impl Costs {
    /// Reads the file. Fails if it is broken, which a test would show.
    pub fn read() -> Result<Self, serde_json::Error> {
        serde_json::from_str(COSTS)
    }

    /// What is said of a type's field.
    pub fn field(&self, object: &str, field: &str) -> Option<&FieldCost> {
        self.fields.get(object)?.get(field)
    }

    /// All fields of which something is said, with their types.
    #[cfg(test)]
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().flat_map(|(object, fields)| fields.keys().map(|field| (object.as_str(), field.as_str())))
    }

    /// A limit by its name; 0 if the file has none.
    pub fn limit(&self, name: &str) -> u64 {
        self.limits.get(name).copied().unwrap_or_default()
    }
}
