//! The calls of DynamoDB that votes and their counting make: by the SDK's client, or by the simulation's model.

use std::{future::Future, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{Config, http::HttpResponse, retry::RetryConfig, timeout::TimeoutConfig},
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

/// What a call comes to.
pub type Outcome<O, E> = Result<O, SdkError<E, HttpResponse>>;

/// Whoever takes these calls. Each is tried again where DynamoDB throttles it, fails or does not answer, but for a
/// transaction that is to land in time.
pub trait DynamoDb {
    /// Reads an item.
    fn get_item(&self, call: GetItemInputBuilder) -> impl Future<Output = Outcome<GetItemOutput, GetItemError>>;

    /// Writes an item, or not, by its condition.
    fn put_item(&self, call: PutItemInputBuilder) -> impl Future<Output = Outcome<PutItemOutput, PutItemError>>;

    /// Changes an item, or not, by its condition.
    fn update_item(
        &self,
        call: UpdateItemInputBuilder,
    ) -> impl Future<Output = Outcome<UpdateItemOutput, UpdateItemError>>;

    /// Reads a page of items.
    fn query(&self, call: QueryInputBuilder) -> impl Future<Output = Outcome<QueryOutput, QueryError>>;

    /// Writes all items or none. If it is to land within a time, it is tried once, and then given up.
    fn transact(
        &self,
        call: TransactWriteItemsInputBuilder,
        lands_within: Option<Duration>,
    ) -> impl Future<Output = Outcome<TransactWriteItemsOutput, TransactWriteItemsError>>;
}

// Boxed, for the SDK's futures are kilobytes: else every future around them is copied with theirs, also where no call is made.
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

    async fn query(&self, call: QueryInputBuilder) -> Outcome<QueryOutput, QueryError> {
        Box::pin(call.send_with(self)).await
    }

    async fn transact(
        &self,
        call: TransactWriteItemsInputBuilder,
        lands_within: Option<Duration>,
    ) -> Outcome<TransactWriteItemsOutput, TransactWriteItemsError> {
        let Some(time_max) = lands_within else { return Box::pin(call.send_with(self)).await };
        let once = Config::builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(time_max).build());
        let items = call.get_transact_items().clone();
        let call = self.transact_write_items().set_transact_items(items).customize().config_override(once);
        Box::pin(call.send()).await
    }
}
