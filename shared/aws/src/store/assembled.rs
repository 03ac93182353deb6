//! What is assembled of a poll for its readers, in the Tallies table: one item, and the lease of the process that renews it.

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use aws_types::SdkConfig;
use landslide_domain::{ids::PollId, keys, time::Timestamp};
use miniz_oxide::{deflate::compress_to_vec, inflate::decompress_to_vec_with_limit};

use super::{
    StoreError,
    item::{Attributes, Item, binary, number, string, time, unreadable},
    store_error, unless_refused,
};
use crate::config::{self, ConfigError};

const GENERATION: &str = "generation";
const VERSIONS: &str = "versions";
const DOCUMENT: &str = "document";
const UNTIL: &str = "until";

/// The longest document, in bytes. A response of Lambda has 6 MB at most.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How hard it is tried to make a document short, of 10.
const PACKING_LEVEL: u8 = 6;

/// What is assembled of a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// How often it was written.
    pub generation: u64,
    /// The versions of the lanes' COUNTs that it was made of, in lane order.
    pub versions: Vec<u64>,
    /// What responses need of it, as JSON.
    pub document: String,
}

/// A document as it is stored: compressed, by DEFLATE (RFC 1951).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedDocument(Vec<u8>);

impl PackedDocument {
    /// Packs a document.
    pub fn of(text: &str) -> Self {
        Self(compress_to_vec(text.as_bytes(), PACKING_LEVEL))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The Tallies table, as far as assembled results lie in it.
pub struct AssembledStore {
    db: Client,
    table: String,
}

impl AssembledStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("TALLIES_TABLE")?))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self { db: Client::new(aws), table }
    }

    /// What is assembled, strongly consistent. `None` before the first time.
    pub async fn read(&self, poll: &PollId) -> Result<Option<Assembled>, StoreError> {
        let get = self.db.get_item().table_name(&self.table).set_key(Some(result_key(poll))).consistent_read(true);
        let answer = Box::pin(get.send()).await.map_err(|error| store_error("read assembled results", error))?;
        answer.item().map(read_assembled).transpose()
    }

    /// The generation that stands and the versions that it was made of, strongly consistent. `None` before the first.
    pub async fn versions(&self, poll: &PollId) -> Result<Option<(u64, Vec<u64>)>, StoreError> {
        let get = self
            .db
            .get_item()
            .table_name(&self.table)
            .set_key(Some(result_key(poll)))
            .projection_expression("#generation, #versions")
            .expression_attribute_names("#generation", GENERATION)
            .expression_attribute_names("#versions", VERSIONS)
            .consistent_read(true);
        let answer = Box::pin(get.send()).await.map_err(|error| store_error("read assembled results", error))?;
        answer.item().map(read_versions).transpose()
    }

    /// Writes the next generation, and the versions of the lanes' COUNTs that it was made of. False if another one was
    /// written meanwhile.
    pub async fn put(
        &self,
        poll: &PollId,
        generation: u64,
        versions: &[u64],
        document: &PackedDocument,
    ) -> Result<bool, StoreError> {
        let mut item = result_key(poll);
        item.insert(GENERATION.to_owned(), number(generation));
        item.insert(VERSIONS.to_owned(), AttributeValue::L(versions.iter().map(number).collect()));
        item.insert(DOCUMENT.to_owned(), binary(document.0.clone()));
        let put = self
            .db
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#generation) OR #generation < :generation")
            .expression_attribute_names("#generation", GENERATION)
            .expression_attribute_values(":generation", number(generation));
        unless_refused("write assembled results", Box::pin(put.send()).await)
    }

    /// Deletes a generation, so that the next one is assembled whatever it was made of. False if another one was written
    /// meanwhile.
    pub async fn forget(&self, poll: &PollId, generation: u64) -> Result<bool, StoreError> {
        let delete = self
            .db
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(result_key(poll)))
            .condition_expression("#generation = :generation")
            .expression_attribute_names("#generation", GENERATION)
            .expression_attribute_values(":generation", number(generation));
        unless_refused("delete assembled results", Box::pin(delete.send()).await)
    }

    /// Takes the lease to renew a poll's results, which was seen to end at `seen`. False if another has taken it.
    pub async fn take_lease(
        &self,
        poll: &PollId,
        seen: Option<Timestamp>,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(lease_key(poll)))
            .update_expression("SET #until = :until")
            .condition_expression(if seen.is_some() { "#until = :seen" } else { "attribute_not_exists(#until)" })
            .expression_attribute_names("#until", UNTIL)
            .set_expression_attribute_values(Some(lease_values(seen, until)));
        unless_refused("take the lease of assembled results", Box::pin(update.send()).await)
    }

    /// Lets the lease end at `until`: results are current until then.
    pub async fn end_lease(&self, poll: &PollId, until: Timestamp) -> Result<(), StoreError> {
        let mut item = lease_key(poll);
        item.insert(UNTIL.to_owned(), time(until));
        let put = self.db.put_item().table_name(&self.table).set_item(Some(item));
        Box::pin(put.send()).await.map(drop).map_err(|error| store_error("end the lease of assembled results", error))
    }
}

fn lease_values(seen: Option<Timestamp>, until: Timestamp) -> Item {
    let seen = seen.map(|seen| (":seen".to_owned(), time(seen)));
    [(":until".to_owned(), time(until))].into_iter().chain(seen).collect()
}

fn key(poll: &PollId, item: &str) -> Item {
    Item::from([(keys::POLL_LANE.to_owned(), string(keys::poll_results(poll))), (keys::ITEM.to_owned(), string(item))])
}

/// The key of what is assembled.
pub(super) fn result_key(poll: &PollId) -> Item {
    key(poll, keys::RESULT)
}

/// The key of the lease.
pub(super) fn lease_key(poll: &PollId) -> Item {
    key(poll, keys::LEASE)
}

/// Parses when a lease ends.
pub(super) fn read_lease(item: &Item) -> Result<Timestamp, StoreError> {
    Attributes(item).time(UNTIL)
}

/// Parses what is assembled.
pub(super) fn read_assembled(item: &Item) -> Result<Assembled, StoreError> {
    let (generation, versions) = read_versions(item)?;
    let document = item.get(DOCUMENT).and_then(read_document).ok_or_else(|| unreadable(DOCUMENT))?;
    Ok(Assembled { generation, versions, document })
}

/// Parses the document. Items from before it was packed have it as text.
fn read_document(attribute: &AttributeValue) -> Option<String> {
    match attribute {
        AttributeValue::B(packed) => {
            String::from_utf8(decompress_to_vec_with_limit(packed.as_ref(), DOCUMENT_BYTES_MAX).ok()?).ok()
        }
        text => text.as_s().ok().cloned(),
    }
}

fn read_versions(item: &Item) -> Result<(u64, Vec<u64>), StoreError> {
    let attributes = Attributes(item);
    let list = attributes.optional_list(VERSIONS)?.ok_or_else(|| unreadable(VERSIONS))?;
    let versions = list.iter().map(|version| version.as_n().ok()?.parse().ok()).collect::<Option<_>>();
    Ok((attributes.number(GENERATION)?, versions.ok_or_else(|| unreadable(VERSIONS))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_document_is_read_as_it_was_and_so_is_one_from_before_they_were_packed() {
        let text = r#"{"ballots":1}"#.repeat(9_000);
        let packed = PackedDocument::of(&text);
        assert!(packed.0.len() < text.len() / 50, "{}", packed.0.len());
        assert_eq!(read_document(&binary(packed.0)).as_ref(), Some(&text));
        assert_eq!(read_document(&string(&text)), Some(text));
    }

    #[test]
    fn what_is_no_document_is_not_read() {
        let too_long = PackedDocument::of(&" ".repeat(DOCUMENT_BYTES_MAX + 1));
        for attribute in [binary(too_long.0), binary(b"garbled".to_vec()), number(1)] {
            assert_eq!(read_document(&attribute), None);
        }
    }
}
