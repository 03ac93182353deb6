//! Reads items by their keys, in one batch.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    types::{KeysAndAttributes, builders::KeysAndAttributesBuilder},
};

use super::{StoreError, item::Item, store_error};

/// How often a batch is sent while DynamoDB leaves keys unread.
const BATCHES_MAX: usize = 5;
/// The pause before the n-th further batch is drawn at random below this times 2ⁿ.
const PAUSE_MS: u64 = 25;

/// Reads items by table, at most 100. They come in any order; those that are not there are left out.
pub(super) async fn read_batch(
    client: &Client,
    doing: &str,
    tables: impl IntoIterator<Item = (String, KeysAndAttributesBuilder)>,
) -> Result<HashMap<String, Vec<Item>>, StoreError> {
    let mut wanted = wanted(doing, tables)?;
    let mut found: HashMap<String, Vec<Item>> = HashMap::new();
    for attempt in 0..BATCHES_MAX {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..PAUSE_MS << attempt))).await;
        }
        let call = client.batch_get_item().set_request_items(Some(wanted));
        let answer = Box::pin(call.send()).await;
        let answer = answer.map_err(|error| store_error(doing, error))?;
        for (table, items) in answer.responses.unwrap_or_default() {
            found.entry(table).or_default().extend(items);
        }
        wanted = answer.unprocessed_keys.unwrap_or_default();
        if wanted.is_empty() {
            return Ok(found);
        }
    }
    Err(StoreError::Unavailable(format!("{doing}: keys were left unread again and again")))
}

fn wanted(
    doing: &str,
    tables: impl IntoIterator<Item = (String, KeysAndAttributesBuilder)>,
) -> Result<HashMap<String, KeysAndAttributes>, StoreError> {
    let built = tables.into_iter().map(|(table, keys)| Ok((table, keys.build()?)));
    built
        .collect::<Result<_, aws_sdk_dynamodb::error::BuildError>>()
        .map_err(|error| StoreError::Broken(format!("{doing}: {error}")))
}
