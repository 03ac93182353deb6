//! The DynamoDB calls that votes and counting make, served by the SDK's client or by the simulation's model.

use std::future::Future;

use aws_sdk_dynamodb::{
    Client,
    config::{http::HttpResponse, retry::RetryConfig, timeout::TimeoutConfig},
    error::SdkError,
    operation::{
        get_item::{GetItemError, GetItemOutput, builders::GetItemInputBuilder},
        put_item::{PutItemError, PutItemOutput, builders::PutItemInputBuilder},
        query::{QueryError, QueryOutput, builders::QueryInputBuilder},
        transact_write_items::{
            TransactWriteItemsError, TransactWriteItemsOutput, builders::TransactWriteItemsInputBuilder,
        },
        update_item::{UpdateItemError, UpdateItemOutput, builders::UpdateItemInputBuilder},
    },
};

use crate::sdk::ATTEMPT_TIMEOUT;

/// The outcome of a call.
pub type Outcome<O, E> = Result<O, SdkError<E, HttpResponse>>;

/// Serves these calls. Each is retried if DynamoDB throttles it, fails or does not respond, except those named `once`.
pub trait DynamoDb {
    /// Reads one item.
    fn get_item(&self, call: GetItemInputBuilder) -> impl Future<Output = Outcome<GetItemOutput, GetItemError>>;

    /// Writes an item, if its condition holds.
    fn put_item(&self, call: PutItemInputBuilder) -> impl Future<Output = Outcome<PutItemOutput, PutItemError>>;

    /// Updates an item, if its condition holds.
    fn update_item(
        &self,
        call: UpdateItemInputBuilder,
    ) -> impl Future<Output = Outcome<UpdateItemOutput, UpdateItemError>>;

    /// Like `update_item`, but tried once, as what it writes holds only for a while. No response within `ATTEMPT_TIMEOUT`
    /// is an error, and the write may still land.
    fn update_item_once(
        &self,
        call: UpdateItemInputBuilder,
    ) -> impl Future<Output = Outcome<UpdateItemOutput, UpdateItemError>>;

    /// Reads one page of items.
    fn query(&self, call: QueryInputBuilder) -> impl Future<Output = Outcome<QueryOutput, QueryError>>;

    /// Writes all items or none.
    fn transact(
        &self,
        call: TransactWriteItemsInputBuilder,
    ) -> impl Future<Output = Outcome<TransactWriteItemsOutput, TransactWriteItemsError>>;

    /// Like `transact`, but tried once, as `update_item_once` is.
    fn transact_once(
        &self,
        call: TransactWriteItemsInputBuilder,
    ) -> impl Future<Output = Outcome<TransactWriteItemsOutput, TransactWriteItemsError>>;
}

// Boxed, as the SDK's futures are kilobytes. Otherwise every future around them is copied with them, even if no call is
// made.
impl DynamoDb for Client {
    async fn get_item(&self, call: GetItemInputBuilder) -> Outcome<GetItemOutput, GetItemError> {
        Box::pin(call.send_with(self)).await
    }

    async fn put_item(&self, call: PutItemInputBuilder) -> Outcome<PutItemOutput, PutItemError> {
        Box::pin(call.send_with(self)).await
    }

    async fn update_item(&self, call: UpdateItemInputBuilder) -> Outcome<UpdateItemOutput, UpdateItemError> {
        Box::pin(call.send_with(self)).await
    }

    async fn update_item_once(&self, call: UpdateItemInputBuilder) -> Outcome<UpdateItemOutput, UpdateItemError> {
        Box::pin(call.send_with(&that_tries_once(self))).await
    }

    async fn query(&self, call: QueryInputBuilder) -> Outcome<QueryOutput, QueryError> {
        Box::pin(call.send_with(self)).await
    }

    async fn transact(
        &self,
        call: TransactWriteItemsInputBuilder,
    ) -> Outcome<TransactWriteItemsOutput, TransactWriteItemsError> {
        Box::pin(call.send_with(self)).await
    }

    async fn transact_once(
        &self,
        call: TransactWriteItemsInputBuilder,
    ) -> Outcome<TransactWriteItemsOutput, TransactWriteItemsError> {
        Box::pin(call.send_with(&that_tries_once(self))).await
    }
}

/// The same client, over the same connections, that tries each call once.
fn that_tries_once(client: &Client) -> Client {
    let once = client
        .config()
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().operation_timeout(ATTEMPT_TIMEOUT).build());
    Client::from_conf(once.build())
}
