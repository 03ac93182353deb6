//! The Tenants table: API keys and view links, each in two items. One is looked up by the token's id, the other is
//! listed with its tenant's or its poll's. Both are written and deleted in one transaction.

use aws_sdk_dynamodb::{
    Client,
    error::BuildError,
    types::{AttributeValue, Delete, TransactWriteItem},
};
use aws_types::SdkConfig;
use landslide_domain::{
    api_key::ApiKey,
    ids::PollId,
    keys,
    member::Author,
    opaque_token::{SecretHash, TokenId},
    role::Role,
    tenant::{Tenant, TenantKey},
    time::Timestamp,
    view_link::ViewLink,
};

use super::{
    StoreError,
    item::{Attributes, Item, binary, number, string, time, unreadable},
    put_new, store_error, unless_refused,
};
use crate::config::{self, ConfigError};

/// The most pages of a list. A page has 1 MB, which is some hundreds of keys.
const PAGES_MAX: usize = 20;

/// The attribute with the hash of a token's secret.
const SECRET_HASH: &str = "secret_hash";
/// The attribute with an API key's role.
const ROLE: &str = "role";
/// The attribute with an API key's name.
const NAME: &str = "name";
/// The attribute with the time of creation.
const CREATED_AT: &str = "created_at";
/// The attribute that says who created it.
const CREATED_BY: &str = "created_by";
/// The attribute with the last millisecond in which a token is not expired yet, plus one. Absent if it never expires.
const VALID_UNTIL: &str = "valid_until";
/// The attribute with the last day on which an API key was used.
const LAST_USED_ON: &str = "last_used_on";

/// An API key as it is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The hash of its secret.
    pub hash: SecretHash,
    /// Whose it is.
    pub tenant: Tenant,
    /// What it is in its tenant.
    pub role: Role,
    /// Until when it may be used. If `None`, until it is deleted.
    pub expires_at: Option<Timestamp>,
}

/// A view link as it is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredView {
    /// The hash of its secret.
    pub hash: SecretHash,
    /// The poll whose results it shows.
    pub poll_id: PollId,
    /// Until when it may be used.
    pub expires_at: Timestamp,
}

/// API keys and view links in the Tenants table.
pub struct TokenStore {
    db: Client,
    table: String,
}

impl TokenStore {
    /// The table in the environment's variable.
    pub fn from_env(aws: &SdkConfig) -> Result<Self, ConfigError> {
        Ok(Self::new(aws, config::text("TENANTS_TABLE")?))
    }

    /// A table by name.
    pub fn new(aws: &SdkConfig, table: String) -> Self {
        Self { db: Client::new(aws), table }
    }

    /// Looks up an API key, strongly consistent.
    pub async fn key(&self, key: TokenId) -> Result<Option<StoredKey>, StoreError> {
        self.look_up(keys::key_scope(key)).await?.as_ref().map(read_stored_key).transpose()
    }

    /// Looks up a view link, strongly consistent.
    pub async fn view(&self, view: TokenId) -> Result<Option<StoredView>, StoreError> {
        self.look_up(keys::view_scope(view)).await?.as_ref().map(read_stored_view).transpose()
    }

    /// All API keys of a tenant, strongly consistent.
    pub async fn keys(&self, tenant: &TenantKey) -> Result<Vec<ApiKey>, StoreError> {
        self.list(tenant.as_str(), keys::KEY_PREFIX).await?.iter().map(read_listed_key).collect()
    }

    /// All view links of a poll, strongly consistent.
    pub async fn views(&self, poll_id: &PollId) -> Result<Vec<ViewLink>, StoreError> {
        let items = self.list(&keys::poll_scope(poll_id), keys::VIEW_PREFIX).await?;
        items.iter().map(|item| read_listed_view(item, poll_id)).collect()
    }

    /// The writes that create an API key of a tenant, where there is none with its id.
    pub fn key_puts(
        &self,
        tenant: &TenantKey,
        key: &ApiKey,
        hash: &SecretHash,
    ) -> Result<[TransactWriteItem; 2], StoreError> {
        let mut listed = place(tenant.as_str(), keys::listed_key(key.key_id));
        listed.extend([
            (NAME.to_owned(), string(&key.name)),
            (ROLE.to_owned(), string(key.role.as_str())),
            (CREATED_AT.to_owned(), time(key.created_at)),
            (CREATED_BY.to_owned(), author(&key.created_by)),
        ]);
        let mut stored = place(&keys::key_scope(key.key_id), keys::TOKEN.to_owned());
        stored.extend([
            (SECRET_HASH.to_owned(), binary(hash.0)),
            (keys::TENANT.to_owned(), string(tenant.as_str())),
            (ROLE.to_owned(), string(key.role.as_str())),
        ]);
        for item in [&mut listed, &mut stored] {
            item.extend(key.expires_at.into_iter().flat_map(end));
        }
        Ok([self.put(listed)?, self.put(stored)?])
    }

    /// The writes that create a view link, where there is none with its id.
    pub fn view_puts(&self, view: &ViewLink, hash: &SecretHash) -> Result<[TransactWriteItem; 2], StoreError> {
        let mut listed = place(&keys::poll_scope(&view.poll_id), keys::listed_view(view.view_id));
        listed.extend([
            (CREATED_AT.to_owned(), time(view.created_at)),
            (CREATED_BY.to_owned(), author(&view.created_by)),
        ]);
        let mut stored = place(&keys::view_scope(view.view_id), keys::TOKEN.to_owned());
        stored.extend([
            (SECRET_HASH.to_owned(), binary(hash.0)),
            (keys::POLL_ID.to_owned(), string(view.poll_id.as_str())),
        ]);
        for item in [&mut listed, &mut stored] {
            item.extend(end(view.expires_at));
        }
        Ok([self.put(listed)?, self.put(stored)?])
    }

    /// The writes that delete an API key, if the tenant has it.
    pub fn key_deletes(&self, tenant: &TenantKey, key: TokenId) -> Result<[TransactWriteItem; 2], StoreError> {
        let listed = place(tenant.as_str(), keys::listed_key(key));
        Ok([self.delete_listed(listed)?, self.delete_stored(keys::key_scope(key))?])
    }

    /// The writes that delete a view link, if the poll has it.
    pub fn view_deletes(&self, poll_id: &PollId, view: TokenId) -> Result<[TransactWriteItem; 2], StoreError> {
        let listed = place(&keys::poll_scope(poll_id), keys::listed_view(view));
        Ok([self.delete_listed(listed)?, self.delete_stored(keys::view_scope(view))?])
    }

    /// Notes that an API key was used on a day. A deleted key stays deleted, and a day that was noted stays as it is.
    pub async fn note_use(&self, tenant: &TenantKey, key: TokenId, day: &str) -> Result<(), StoreError> {
        let update = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(place(tenant.as_str(), keys::listed_key(key))))
            .update_expression("SET #day = :day")
            .condition_expression("attribute_exists(#item) AND (attribute_not_exists(#day) OR #day < :day)")
            .expression_attribute_names("#item", keys::ITEM)
            .expression_attribute_names("#day", LAST_USED_ON)
            .expression_attribute_values(":day", string(day));
        unless_refused("note the use of an API key", Box::pin(update.send()).await).map(drop)
    }

    async fn look_up(&self, scope: String) -> Result<Option<Item>, StoreError> {
        let get = self.db.get_item().table_name(&self.table).set_key(Some(place(&scope, keys::TOKEN.to_owned())));
        let answer = Box::pin(get.consistent_read(true).send()).await;
        Ok(answer.map_err(|error| store_error("look up a token", error))?.item)
    }

    /// All items of a scope whose sort keys begin so. Fails if there are more pages than any list has.
    async fn list(&self, scope: &str, prefix: &str) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start = None;
        for _ in 0..PAGES_MAX {
            let query = self
                .db
                .query()
                .table_name(&self.table)
                .key_condition_expression("#scope = :scope AND begins_with(#item, :prefix)")
                .expression_attribute_names("#scope", keys::SCOPE)
                .expression_attribute_names("#item", keys::ITEM)
                .expression_attribute_values(":scope", string(scope))
                .expression_attribute_values(":prefix", string(prefix))
                .set_exclusive_start_key(start)
                .consistent_read(true);
            let answer = Box::pin(query.send()).await.map_err(|error| store_error("list tokens", error))?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
        Err(StoreError::Broken(format!("list tokens: there are more than {PAGES_MAX} pages")))
    }

    fn put(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        put_new("write a token", &self.table, item)
    }

    /// Without the listed item there is no such token.
    fn delete_listed(&self, key: Item) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.table)
            .set_key(Some(key))
            .condition_expression("attribute_exists(#item)")
            .expression_attribute_names("#item", keys::ITEM)
            .build()
            .map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// The time to live may have taken this item first.
    fn delete_stored(&self, scope: String) -> Result<TransactWriteItem, StoreError> {
        let key = place(&scope, keys::TOKEN.to_owned());
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build().map_err(unbuilt)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

fn place(scope: &str, item: String) -> Item {
    Item::from([(keys::SCOPE.to_owned(), string(scope)), (keys::ITEM.to_owned(), string(item))])
}

/// When a token expires, and from when on its item may go.
fn end(expires_at: Timestamp) -> [(String, AttributeValue); 2] {
    [
        (VALID_UNTIL.to_owned(), time(expires_at)),
        (keys::EXPIRES_AT.to_owned(), number(expires_at.as_millis().div_ceil(1_000))),
    ]
}

/// Strings and unit variants: nothing in it can fail to serialise.
fn author(author: &Author) -> AttributeValue {
    string(serde_json::to_string(author).unwrap_or_default())
}

fn unbuilt(error: BuildError) -> StoreError {
    StoreError::Broken(format!("write a token: {error}"))
}

fn read_stored_key(item: &Item) -> Result<StoredKey, StoreError> {
    let attributes = Attributes(item);
    Ok(StoredKey {
        hash: SecretHash(attributes.bytes(SECRET_HASH)?),
        tenant: TenantKey::stored(attributes.string(keys::TENANT)?).tenant().ok_or_else(|| unreadable(keys::TENANT))?,
        role: read_role(&attributes)?,
        expires_at: attributes.optional_time(VALID_UNTIL)?,
    })
}

fn read_stored_view(item: &Item) -> Result<StoredView, StoreError> {
    let attributes = Attributes(item);
    Ok(StoredView {
        hash: SecretHash(attributes.bytes(SECRET_HASH)?),
        poll_id: PollId::parse(attributes.string(keys::POLL_ID)?).ok_or_else(|| unreadable(keys::POLL_ID))?,
        expires_at: attributes.time(VALID_UNTIL)?,
    })
}

fn read_listed_key(item: &Item) -> Result<ApiKey, StoreError> {
    let attributes = Attributes(item);
    Ok(ApiKey {
        key_id: read_id(&attributes, keys::KEY_PREFIX)?,
        name: attributes.string(NAME)?.to_owned(),
        role: read_role(&attributes)?,
        created_at: attributes.time(CREATED_AT)?,
        created_by: read_author(&attributes)?,
        expires_at: attributes.optional_time(VALID_UNTIL)?,
        last_used_on: attributes.optional_string(LAST_USED_ON)?.map(str::to_owned),
    })
}

fn read_listed_view(item: &Item, poll_id: &PollId) -> Result<ViewLink, StoreError> {
    let attributes = Attributes(item);
    Ok(ViewLink {
        view_id: read_id(&attributes, keys::VIEW_PREFIX)?,
        poll_id: poll_id.clone(),
        created_at: attributes.time(CREATED_AT)?,
        created_by: read_author(&attributes)?,
        expires_at: attributes.time(VALID_UNTIL)?,
    })
}

fn read_id(attributes: &Attributes, prefix: &str) -> Result<TokenId, StoreError> {
    let id = attributes.string(keys::ITEM)?.strip_prefix(prefix).and_then(TokenId::parse);
    id.ok_or_else(|| unreadable(keys::ITEM))
}

fn read_role(attributes: &Attributes) -> Result<Role, StoreError> {
    Role::parse(attributes.string(ROLE)?).ok_or_else(|| unreadable(ROLE))
}

fn read_author(attributes: &Attributes) -> Result<Author, StoreError> {
    serde_json::from_str(attributes.string(CREATED_BY)?).map_err(|_| unreadable(CREATED_BY))
}
