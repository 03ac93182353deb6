//! What lies behind the API: tables, queues, functions and roles, by signed calls in AWS's own JSON; a file for each service. The
//! same JSON makes stream records of items, and no SDK has to be built for each service.

mod apigateway;
mod client;
mod dynamodb;
mod dynamodb_streams;
mod iam;
mod lambda;
mod logs;
mod s3;
mod secrets;
mod sqs;

pub use self::{client::Aws, dynamodb::StoredVote, dynamodb_streams::StreamReader};
