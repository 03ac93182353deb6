//! What is relied on in AWS: tables, the gateway, roles, and the calls that a vote costs.

mod calls;
mod cdn;
mod dynamodb;
mod gateway;
mod limits;
mod roles;
